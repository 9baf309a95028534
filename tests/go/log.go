// A log's directory (C2SP tlog-tiles): every tile and entry from the head downwards, inclusion of
// entries, consistency of consecutive heads.
package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const width = 256

type log struct {
	dir   string
	tree  tlog.Tree
	tiles map[tlog.Tile][]byte
}

func verifyLog(dir, policyPath string, older []string) {
	p := readPolicy(policyPath)
	tree, origin := p.open(filepath.Join(dir, "checkpoint"), true)
	l := &log{dir: dir, tree: tree, tiles: map[tlog.Tile][]byte{}}
	l.edge()
	for level := 7; level >= 1; level-- {
		for n := int64(0); n < l.nodes(level); n++ {
			l.full(level-1, n, l.node(level, n))
		}
	}
	l.entries()
	l.heads(p, origin, older)
	l.leftover()
	json.NewEncoder(os.Stdout).Encode(map[string]any{"origin": origin, "size": tree.N, "older": len(older)})
}

// nodes counts the hashes of a tile level.
func (l *log) nodes(level int) int64 { return l.tree.N >> (8 * level) }

// at is a tile or bundle (level -1) as wide as the tree has it.
func (l *log) at(level int, n int64) tlog.Tile {
	return tlog.Tile{H: 8, L: level, N: n, W: int(min(width, l.nodes(max(level, 0))-n*width))}
}

// path is that of C2SP, which does not name the height.
func path(t tlog.Tile) string {
	name := strings.TrimPrefix(t.Path(), "tile/8/")
	return "tile/" + strings.Replace(name, "data/", "entries/", 1)
}

func (l *log) load(t tlog.Tile) []byte {
	if data, ok := l.tiles[t]; ok {
		return data
	}
	data, err := os.ReadFile(filepath.Join(l.dir, path(t)))
	if errors.Is(err, fs.ErrNotExist) {
		fail(path(t), "it is missing")
	} else if err != nil {
		fail(path(t), "%v", err)
	}
	if t.L >= 0 && len(data) != t.W*tlog.HashSize {
		fail(path(t), "%d bytes where %d belong", len(data), t.W*tlog.HashSize)
	}
	l.tiles[t] = data
	return data
}

// ReadHashes implements tlog.HashReader over the tiles.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, index := range indexes {
		t := tlog.TileForIndex(8, index)
		t = l.at(t.L, t.N)
		hash, err := tlog.HashFromTile(t, l.load(t), index)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

func (l *log) root() tlog.Hash {
	root, err := tlog.TreeHash(l.tree.N, l)
	if err != nil {
		fail("checkpoint", "the tiles lead to no root: %v", err)
	}
	return root
}

func (l *log) node(level int, n int64) tlog.Hash {
	return hashes(l.load(l.at(level, n/width)))[n%width]
}

func hashes(data []byte) []tlog.Hash {
	var list []tlog.Hash
	for ; len(data) >= tlog.HashSize; data = data[tlog.HashSize:] {
		list = append(list, tlog.Hash(data[:tlog.HashSize]))
	}
	return list
}

func fold(list []tlog.Hash) tlog.Hash {
	for len(list) > 1 {
		var next []tlog.Hash
		for i := 0; i+1 < len(list); i += 2 {
			next = append(next, tlog.NodeHash(list[i], list[i+1]))
		}
		list = next
	}
	return list[0]
}

// edge reads the tiles that are not full, which alone lead to the root.
func (l *log) edge() {
	var partial []tlog.Tile
	for level := 7; level >= 0; level-- {
		if nodes := l.nodes(level); nodes%width != 0 {
			partial = append(partial, l.at(level, nodes/width))
			l.load(l.at(level, nodes/width))
		}
	}
	found := l.root()
	if found == l.tree.Hash {
		return
	}
	// One that does not fit the level below, and with which the root fits once it does.
	for _, t := range partial {
		is := l.load(t)
		if should := l.below(t); should != nil {
			l.tiles[t] = should
			if l.root() == l.tree.Hash {
				l.differs(t, is, should)
			}
			l.tiles[t] = is
		}
	}
	fail("checkpoint", "root of %d leaves %v; the tiles lead to %v", l.tree.N, l.tree.Hash, found)
}

// below is what a tile should be by the level below; nil where that cannot be read.
func (l *log) below(t tlog.Tile) (data []byte) {
	defer func() {
		if _, wrong := recover().(damage); wrong {
			data = nil
		}
	}()
	for i := range int64(t.W) {
		var hash tlog.Hash
		if n := t.N*width + i; t.L == 0 {
			hash = tlog.RecordHash(l.entry(n))
		} else {
			hash = fold(hashes(l.load(l.at(t.L-1, n))))
		}
		data = append(data, hash[:]...)
	}
	return data
}

func (l *log) differs(t tlog.Tile, is, should []byte) {
	for i := range int64(t.W) {
		a, b := is[i*tlog.HashSize:][:tlog.HashSize], should[i*tlog.HashSize:][:tlog.HashSize]
		if !bytes.Equal(a, b) {
			failAt(path(t), t.N*width+i, "a hash of level %d is not that of what is below", t.L)
		}
	}
}

// full verifies a full tile against the hash that the level above has for it.
func (l *log) full(level int, n int64, expected tlog.Hash) {
	t := l.at(level, n)
	is := l.load(t)
	if fold(hashes(is)) == expected {
		return
	}
	if should := l.below(t); should != nil && fold(hashes(should)) == expected {
		l.differs(t, is, should)
	}
	failAt(path(t), n, "it does not lead to the hash that level %d has for it", level+1)
}

// entry is one entry of a bundle.
func (l *log) entry(index int64) []byte {
	t := l.at(-1, index/width)
	data := l.load(t)
	for at := index / width * width; ; at++ {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			failAt(path(t), at, "the entry is cut off")
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if at == index {
			return data[2:end]
		}
		data = data[end:]
	}
}

// entries verifies every entry against its leaf hash, and proves inclusion of some in the head.
func (l *log) entries() {
	for n := int64(0); n < l.tree.N; n += width {
		t := l.at(-1, n/width)
		data, leaves := l.load(t), hashes(l.load(l.at(0, n/width)))
		for i, leaf := range leaves {
			index := n + int64(i)
			if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
				failAt(path(t), index, "the entry is cut off")
			}
			end := 2 + int(binary.BigEndian.Uint16(data))
			if tlog.RecordHash(data[2:end]) != leaf {
				failAt(path(t), index, "entry %d has not the hash that the tree has", index)
			}
			if i == 0 || index == l.tree.N-1 {
				proof, err := tlog.ProveRecord(l.tree.N, index, l)
				if err != nil || tlog.CheckRecord(proof, l.tree.N, l.tree.Hash, index, leaf) != nil {
					failAt(path(t), index, "no inclusion proof: %v", err)
				}
			}
			data = data[end:]
		}
		if len(data) > 0 {
			failAt(path(t), n+int64(t.W), "%d bytes follow the last entry", len(data))
		}
	}
}

// heads proves that each head is the beginning of the next, the last of which is the newest.
func (l *log) heads(p *policy, origin string, older []string) {
	trees := []tlog.Tree{}
	for _, file := range older {
		tree, own := p.open(file, false)
		if own != origin {
			fail(file, "a head of %q", own)
		}
		trees = append(trees, tree)
	}
	trees = append(trees, l.tree)
	for i := 0; i+1 < len(trees); i++ {
		old, new := trees[i], trees[i+1]
		if old.N > new.N {
			fail("checkpoint", "%d leaves where there were %d already", new.N, old.N)
		}
		if old.N == 0 || old.N == new.N {
			if old.N == new.N && old.Hash != new.Hash {
				fail("checkpoint", "the first %d leaves are not those of %s", old.N, older[i])
			}
			continue
		}
		proof, err := tlog.ProveTree(new.N, old.N, l)
		if err != nil || tlog.CheckTree(proof, new.N, new.Hash, old.N, old.Hash) != nil {
			fail("checkpoint", "the first %d leaves are not those of %s", old.N, older[i])
		}
	}
}

// leftover compares partial tiles of older heads with what they grew into.
func (l *log) leftover() {
	root := filepath.Join(l.dir, "tile")
	filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return nil
		}
		name, _ := filepath.Rel(l.dir, at)
		t, err := tlog.ParseTilePath(strings.Replace("tile/8"+name[4:], "entries/", "data/", 1))
		if err != nil {
			return nil
		}
		there := min(width, l.nodes(max(t.L, 0))-t.N*width)
		if int64(t.W) >= there {
			return nil
		}
		part, _ := os.ReadFile(at)
		grown := l.load(l.at(t.L, t.N))
		if t.L >= 0 && len(part) != t.W*tlog.HashSize || !bytes.HasPrefix(grown, part) {
			same := 0
			for same < len(part) && part[same] == grown[same] {
				same++
			}
			fail(name, "differs at byte %s from what it grew into", strconv.Itoa(same))
		}
		return nil
	})
}
