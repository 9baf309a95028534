// An envelope: the signature over its header, the content key, the body and its commitment. The
// formats are those of proto/detente/envelope/v1.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"

	"golang.org/x/crypto/chacha20poly1305"
)

const headerType = "application/vnd.detente.header.v1+protobuf"

// message is a protobuf message's length-delimited fields; numbers are skipped.
type message map[uint64][][]byte

func parse(file string, data []byte) message {
	fields := message{}
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			fail(file, "no protobuf")
		}
		data = data[n:]
		value, n := binary.Uvarint(data)
		if n <= 0 {
			fail(file, "no protobuf")
		}
		data = data[n:]
		switch {
		case tag&7 == 0:
		case tag&7 == 2 && value <= uint64(len(data)):
			fields[tag>>3] = append(fields[tag>>3], data[:value])
			data = data[value:]
		default:
			fail(file, "no protobuf")
		}
	}
	return fields
}

func (m message) one(file string, field uint64) []byte {
	if len(m[field]) != 1 {
		fail(file, "field %d is there %d times", field, len(m[field]))
	}
	return m[field][0]
}

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func verifyEnvelope(file, signerHex, seedHex string) {
	data, err := os.ReadFile(file)
	signer, err2 := hex.DecodeString(signerHex)
	seed, err3 := hex.DecodeString(seedHex)
	if err != nil || err2 != nil || err3 != nil || len(signer) != ed25519.PublicKeySize {
		fail(file, "cannot be read: %v %v %v", err, err2, err3)
	}
	envelope := parse(file, data)
	header, wrapBytes, ct := envelope.one(file, 1), envelope.one(file, 3), envelope.one(file, 4)
	keyID := hash([]byte("detente/key/v1\x00\x01"), signer)
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(headerType), headerType, len(header), header)
	signed := false
	for _, raw := range envelope[2] {
		signature := parse(file, raw)
		if bytes.Equal(signature.one(file, 1), keyID) {
			signed = ed25519.Verify(signer, pae, signature.one(file, 3))
		}
	}
	if !signed {
		fail(file, "the signature does not verify")
	}
	fields := parse(file, header)
	commitment := fields.one(file, 2)
	if !bytes.Equal(fields.one(file, 3), hash(ct)) || !bytes.Equal(fields.one(file, 5), hash(wrapBytes)) {
		fail(file, "ciphertext or wrap is not the one that was signed")
	}
	ctx := hash([]byte("detente/context/v1\x00"), fields.one(file, 1))
	wrap := parse(file, wrapBytes)
	secret, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
	if err != nil {
		fail(file, "no seed: %v", err)
	}
	info := bytes.Join([][]byte{[]byte("detente/wrap/v1\x00"), ctx, commitment, wrap.one(file, 1)}, nil)
	recipient, err := hpke.NewRecipient(wrap.one(file, 2), secret, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info)
	if err != nil {
		fail(file, "the content key does not unwrap: %v", err)
	}
	key, err := recipient.Open(nil, wrap.one(file, 3))
	if err != nil {
		fail(file, "the content key does not unwrap: %v", err)
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		fail(file, "the content key is no key: %v", err)
	}
	aad := bytes.Join([][]byte{[]byte("detente/content/v1\x00"), ctx, commitment}, nil)
	padded, err := aead.Open(nil, make([]byte, aead.NonceSize()), ct, aad)
	if err != nil || len(padded) < 36 || uint64(len(padded)-36) < uint64(binary.BigEndian.Uint32(padded)) {
		fail(file, "the body does not open: %v", err)
	}
	salt, body := padded[4:36], padded[36:][:binary.BigEndian.Uint32(padded)]
	if !bytes.Equal(hash([]byte("detente/commit/v1\x00"), salt, ctx, body), commitment) {
		fail(file, "the body is not the one that was committed to")
	}
	os.Stdout.Write(body)
}
