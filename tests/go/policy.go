// Policies (C2SP tlog-policy), and the cosignatures that x/mod does not know: 0x04 and 0x06.
package main

import (
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type policy struct {
	logs      map[string]bool // names of logs
	verifiers []note.Verifier
	witness   map[string]note.Verifier // by name in the policy
	groups    map[string]group
	quorum    string
}

type group struct {
	threshold int
	members   []string
}

func readPolicy(path string) *policy {
	text, err := os.ReadFile(path)
	if err != nil {
		fail(path, "%v", err)
	}
	p := &policy{logs: map[string]bool{}, witness: map[string]note.Verifier{}, groups: map[string]group{}}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch {
		case words[0] == "log" && len(words) >= 2:
			verifier, err := note.NewVerifier(words[1])
			if err != nil {
				fail(path, "%v", err)
			}
			p.logs[verifier.Name()] = true
			p.verifiers = append(p.verifiers, verifier)
		case words[0] == "witness" && len(words) >= 3:
			verifier := newCosigner(path, words[2])
			p.witness[words[1]] = verifier
			p.verifiers = append(p.verifiers, verifier)
		case words[0] == "group" && len(words) >= 4:
			threshold, err := strconv.Atoi(words[2])
			if err != nil {
				fail(path, "%v", err)
			}
			p.groups[words[1]] = group{threshold, words[3:]}
		case words[0] == "quorum" && len(words) == 2:
			p.quorum = words[1]
		default:
			fail(path, "%q is not understood", line)
		}
	}
	return p
}

// open verifies a head: signed by a log of the policy, no signature of a known key wrong, and
// witnessed by the quorum where that is asked for.
func (p *policy) open(file string, quorum bool) (tlog.Tree, string) {
	text, err := os.ReadFile(file)
	if err != nil {
		fail("checkpoint", "it is missing: %v", err)
	}
	return p.openNote("checkpoint", text, quorum)
}

// openNote is open of a head that has been read from the file of this name.
func (p *policy) openNote(name string, text []byte, quorum bool) (tlog.Tree, string) {
	opened, err := note.Open(text, note.VerifierList(p.verifiers...))
	if err != nil {
		fail(name, "signature or form of the checkpoint: %v", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 {
		fail(name, "no checkpoint: %d lines", len(lines))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] || size < 0 {
		fail(name, "no size: %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		fail(name, "no root: %v", err)
	}
	signed := map[string]bool{}
	for _, signature := range opened.Sigs {
		signed[fmt.Sprintf("%s %d", signature.Name, signature.Hash)] = true
	}
	by := func(v note.Verifier) bool { return signed[fmt.Sprintf("%s %d", v.Name(), v.KeyHash())] }
	own := false
	for _, verifier := range p.verifiers {
		_, witness := verifier.(*cosigner)
		own = own || !witness && verifier.Name() == lines[0] && by(verifier)
	}
	if !own {
		fail(name, "no signature of the log %q", lines[0])
	}
	if quorum && !p.met(p.quorum, by) {
		fail(name, "the quorum %s is not reached", p.quorum)
	}
	return tlog.Tree{N: size, Hash: root}, lines[0]
}

func (p *policy) met(name string, by func(note.Verifier) bool) bool {
	if name == "none" {
		return true
	}
	if witness, ok := p.witness[name]; ok {
		return by(witness)
	}
	count := 0
	for _, member := range p.groups[name].members {
		if p.met(member, by) {
			count++
		}
	}
	return count > 0 && count >= p.groups[name].threshold
}

// cosigner verifies timestamped cosignatures of checkpoints (C2SP tlog-cosignature).
type cosigner struct {
	name string
	hash uint32
	kind byte
	key  []byte
}

func newCosigner(path, vkey string) *cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		fail(path, "no verifier key: %q", vkey)
	}
	material, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(material) < 33 {
		fail(path, "no verifier key: %q", vkey)
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), material...))
	hash := binary.BigEndian.Uint32(id[:])
	if fmt.Sprintf("%08x", hash) != parts[1] {
		fail(path, "the id of %q is not that of its key", vkey)
	}
	return &cosigner{parts[0], hash, material[0], material[1:]}
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func (c *cosigner) Verify(text, signature []byte) bool {
	if len(signature) < 8 {
		return false
	}
	time, bare := signature[:8], signature[8:]
	lines := strings.SplitN(string(text), "\n", 4)
	switch {
	case c.kind == 4 && len(c.key) == ed25519.PublicKeySize:
		message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(time), text)
		return ed25519.Verify(c.key, []byte(message), bare)
	case c.kind == 6 && len(lines) == 4:
		size, err := strconv.ParseUint(lines[1], 10, 63)
		root, err2 := base64.StdEncoding.DecodeString(lines[2])
		key, err3 := mldsa.NewPublicKey(mldsa.MLDSA44(), c.key)
		if err != nil || err2 != nil || err3 != nil {
			return false
		}
		message := append([]byte("subtree/v1\n\x00"), byte(len(c.name)))
		message = append(append(message, c.name...), time...)
		message = append(append(message, byte(len(lines[0]))), lines[0]...)
		message = binary.BigEndian.AppendUint64(message, 0)
		message = append(binary.BigEndian.AppendUint64(message, size), root...)
		return mldsa.Verify(key, message, bare, nil) == nil
	}
	return false
}
