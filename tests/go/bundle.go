// A bundle of evidence: its sums, and every record from its own evidence: the leaf, the path to the
// root, the head under the policy, the signatures over the statement, the disclosed body. What only
// repeats these (report, README, keys as PEM) is held against the sums alone.
package main

import (
	"archive/zip"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

type bundle struct {
	files  map[string][]byte
	policy *policy
	stated [][]byte // the genesis and the entries that have been proven: where keys stand
}

func verifyBundle(path, policyPath, genesisHex string) {
	b := &bundle{files: unpack(path), policy: readPolicy(policyPath)}
	genesis := b.need("genesis.bin")
	if found := hex.EncodeToString(b.genesisHash(genesis)); found != genesisHex {
		fail("genesis.bin", "its hash is %s", found)
	}
	b.stated = [][]byte{genesis}
	records, bodies := 0, 0
	for {
		at := fmt.Sprintf("records/%03d/", records+1)
		if !b.has(at) {
			break
		}
		if b.record(at) {
			bodies++
		}
		records++
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{"records": records, "bodies": bodies})
}

// unpack reads the files of an archive and holds them against the sums that it brings.
func unpack(path string) map[string][]byte {
	archive, err := zip.OpenReader(path)
	if err != nil {
		fail("bundle", "%v", err)
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, file := range archive.File {
		if files[file.Name] != nil {
			fail(file.Name, "it is there twice")
		}
		reader, err := file.Open()
		if err != nil {
			fail(file.Name, "%v", err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			fail(file.Name, "%v", err)
		}
		files[file.Name] = append([]byte{}, data...)
	}
	const sums = "SHA256SUMS"
	listed := map[string]bool{sums: true}
	for _, line := range strings.Split(strings.TrimSuffix(string(files[sums]), "\n"), "\n") {
		sum, name, found := strings.Cut(line, "  ")
		if !found {
			fail(sums, "%q is no sum", line)
		}
		data, there := files[name]
		if !there {
			fail(name, "it is missing")
		}
		if hex.EncodeToString(hash(data)) != sum {
			fail(name, "its sum is another")
		}
		listed[name] = true
	}
	made := ""
	for _, file := range archive.File {
		if !listed[file.Name] {
			fail(file.Name, "it is not among the sums")
		}
		if file.Name != sums {
			made += hex.EncodeToString(hash(files[file.Name])) + "  " + file.Name + "\n"
		}
	}
	if made != string(files[sums]) {
		fail(sums, "it is not as sha256sum makes it")
	}
	return files
}

func (b *bundle) has(prefix string) bool {
	for name := range b.files {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func (b *bundle) need(name string) []byte {
	data, there := b.files[name]
	if !there {
		fail(name, "it is missing")
	}
	return data
}

// genesisHash is that of the genesis itself, which its signatures stand beside.
func (b *bundle) genesisHash(signed []byte) []byte {
	return hash([]byte("detente/genesis/v1\x00"), parse("genesis.bin", signed).one("genesis.bin", 1))
}

// record verifies one record; true when its body is disclosed.
func (b *bundle) record(at string) bool {
	event := b.need(at + "event.bin")
	opening, hidden := b.files[at+"opening.bin"]
	leaf, log := append([]byte{0}, event...), "/directory"
	switch {
	case hidden:
		commitment := hash([]byte("detente/leaf-commit/v1\x00"), opening, hash(event))
		leaf, log = append([]byte{1}, commitment...), "/traffic"
	case len(event) > 65534:
		leaf = append([]byte{2}, hash(event)...)
	}
	index, path, head := b.proof(at + "proof.tlog-proof")
	tree, origin := b.policy.openNote(at+"proof.tlog-proof", head, true)
	if !strings.HasSuffix(origin, log) {
		fail(at+"proof.tlog-proof", "%s is not the log of such a leaf", origin)
	}
	if err := tlog.CheckRecord(path, tree.N, tree.Hash, index, tlog.RecordHash(leaf)); err != nil {
		fail(at+"proof.tlog-proof", "the leaf is not in the tree: %v", err)
	}
	if !hidden {
		b.stated = append(b.stated, event)
	}
	header, said := b.files[at+"header.bin"]
	stated := parse(at+"event.bin", event)[6]
	if said != (len(stated) == 1) || said && !bytes.Equal(stated[0], hash(header)) {
		fail(at+"event.bin", "it is not the event of this header")
	}
	if said {
		b.signatures(at, header)
	}
	return b.body(at, header)
}

// proof reads a C2SP tlog-proof: index, hashes, and the note of the head.
func (b *bundle) proof(name string) (int64, tlog.RecordProof, []byte) {
	head, note, found := strings.Cut(string(b.need(name)), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail(name, "it is no tlog-proof")
	}
	text, is := strings.CutPrefix(lines[1], "index ")
	index, err := strconv.ParseInt(text, 10, 64)
	if !is || err != nil {
		fail(name, "no index")
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		node, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(node) != tlog.HashSize {
			fail(name, "%q is no hash", line)
		}
		path = append(path, tlog.Hash(node))
	}
	return index, path, []byte(note)
}

// signatures verifies every signature over a header, with keys that the genesis or an entry states.
func (b *bundle) signatures(at string, header []byte) {
	pae := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(headerType), headerType, len(header), header)
	if !bytes.Equal(pae, b.need(at+"signed.bin")) {
		fail(at+"signed.bin", "it is not what belongs to the header")
	}
	file := at + "signatures.bin"
	found := parse(file, b.need(file))[2]
	if len(found) == 0 {
		fail(file, "nobody has signed")
	}
	for _, raw := range found {
		signature := parse(file, raw)
		id := hex.EncodeToString(signature.one(file, 1))
		name := "keys/" + id + ".pem"
		block, _ := pem.Decode(b.need(name))
		if block == nil || len(block.Bytes) != 44 {
			fail(name, "it is no key")
		}
		key := ed25519.PublicKey(block.Bytes[12:])
		if hex.EncodeToString(hash([]byte("detente/key/v1\x00\x01"), key)) != id {
			fail(name, "it is another key")
		}
		known := false
		for _, stated := range b.stated {
			known = known || bytes.Contains(stated, key)
		}
		if !known {
			fail(name, "neither the genesis nor an entry before states it")
		}
		if !ed25519.Verify(key, pae, signature.one(file, 3)) {
			fail(file, "the signature with %s does not verify", id)
		}
	}
}

func (b *bundle) body(at string, header []byte) bool {
	body, disclosed := b.files[at+"body.bin"]
	if !disclosed {
		return false
	}
	fields := parse(at+"header.bin", header)
	context := hash([]byte("detente/context/v1\x00"), fields.one(at+"header.bin", 1))
	salt := b.need(at + "salt.bin")
	if !bytes.Equal(hash([]byte("detente/commit/v1\x00"), salt, context, body), fields.one(at+"header.bin", 2)) {
		fail(at+"body.bin", "it is not the one that was committed to")
	}
	return true
}
