package snapshot_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/fs"
	"github.com/ledgerkv/ledgerkv/raft"
	"github.com/ledgerkv/ledgerkv/snapshot"
)

const dir = "images"

var group = snapshot.Identity{Cluster: [16]byte{1, 2, 3}, Group: 7, Incarnation: 1}

// base gives the base after entry i.
func base(i raft.Index) raft.Base {
	return raft.Base{
		ID: raft.EntryID{Index: i, Term: 3}, Position: raft.Position(i * 128), Checksum: uint32(i) * 7, Format: 1, LogTime: int64(i),
		Configuration: raft.Configuration{Members: []raft.Member{{ID: "n1", Address: "h:1", Voter: true}, {ID: "n2", Address: "h:2"}}},
	}
}

// chunks gives the state at entry i: always the same for the same i.
func chunks(i raft.Index, n, size int) [][]byte {
	random := rand.New(rand.NewPCG(uint64(i), 1))
	out := make([][]byte, n)
	for c := range out {
		out[c] = make([]byte, 1+size/2+random.IntN(size))
		for b := range out[c] {
			out[c][b] = byte(random.Uint32())
		}
	}
	return out
}

func open(t testing.TB, fsys fs.FS) *snapshot.Store {
	t.Helper()
	s, err := snapshot.Open(fsys, dir, group)
	require.NoError(t, err)
	return s
}

// write makes the image of entry i.
func write(s *snapshot.Store, i raft.Index, data [][]byte) (snapshot.Meta, error) {
	w, err := s.Create(base(i))
	if err != nil {
		return snapshot.Meta{}, err
	}
	defer w.Abort()
	for _, c := range data {
		if err := w.Chunk(c); err != nil {
			return snapshot.Meta{}, err
		}
	}
	return w.Commit()
}

func mustWrite(t testing.TB, s *snapshot.Store, i raft.Index, data [][]byte) snapshot.Meta {
	t.Helper()
	m, err := write(s, i, data)
	require.NoError(t, err)
	return m
}

// read reads an image to its end.
func read(s *snapshot.Store, m snapshot.Meta) ([][]byte, error) {
	r, err := s.Open(m)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out [][]byte
	for {
		c, err := r.Next()
		if err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		out = append(out, append([]byte(nil), c...))
	}
}

func requireImage(t testing.TB, s *snapshot.Store, m snapshot.Meta, data [][]byte) {
	t.Helper()
	got, err := read(s, m)
	require.NoError(t, err)
	require.Equal(t, data, got)
}

// onlyFile gives the path of the one file with the suffix.
func onlyFile(t testing.TB, fsys fs.FS, suffix string) string {
	t.Helper()
	found := files(t, fsys, suffix)
	require.Len(t, found, 1, suffix)
	return found[0]
}

func files(t testing.TB, fsys fs.FS, suffix string) (found []string) {
	t.Helper()
	names, err := fsys.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		if len(name) > len(suffix) && name[len(name)-len(suffix):] == suffix {
			found = append(found, dir+"/"+name)
		}
	}
	return found
}

// put puts chunks [have, until) of an image.
func put(r *snapshot.Receiver, data [][]byte, until int) error {
	for n := int(r.Have()); n < until; n++ {
		if err := r.Put(snapshot.NewChunk(uint32(n), data[n])); err != nil {
			return fmt.Errorf("chunk %d: %w", n, err)
		}
	}
	return nil
}
