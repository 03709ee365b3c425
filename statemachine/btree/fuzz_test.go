package btree_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/statemachine"
	"github.com/ledgerkv/ledgerkv/statemachine/btree"
	"github.com/ledgerkv/ledgerkv/statemachine/smtest"
)

// chunks is an image that is fed to an engine.
type chunks [][]byte

func (c *chunks) Next() ([]byte, error) {
	if len(*c) == 0 {
		return nil, io.EOF
	}
	chunk := (*c)[0]
	*c = (*c)[1:]
	return bytes.Clone(chunk), nil
}

// imageOf gives an engine's image in one piece.
func imageOf(t testing.TB, e statemachine.Engine) []byte {
	img, err := e.Image()
	require.NoError(t, err)
	var all []byte
	for {
		chunk, err := img.Next()
		if err == io.EOF {
			require.NoError(t, img.Close())
			return all
		}
		require.NoError(t, err)
		all = append(all, chunk...)
	}
}

// FuzzRestore fills an engine from any bytes, as they are and with a right hash. It refuses what the model refuses; what it takes it gives back
// byte for byte; and what it refused can't be read.
func FuzzRestore(f *testing.F) {
	e := btree.New()
	f.Add(imageOf(f, e), 0)
	for i := range 3 {
		b := e.Begin()
		b.Advance()
		for _, key := range []string{"a", "b", "ab"}[i:] {
			_, err := b.Put([]byte(key), []byte{byte('0' + i)}, uint64(i))
			require.NoError(f, err)
		}
		b.Advance()
		_, err := b.Delete([]byte("b"))
		require.NoError(f, err)
		require.NoError(f, b.Commit(statemachine.Index(i+1)))
		f.Add(imageOf(f, e), 40)
	}
	b := e.Begin()
	require.NoError(f, b.Compact(3))
	require.NoError(f, b.Commit(9))
	f.Add(imageOf(f, e), 33)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		restores(t, data, cut)
		if body := len(data) - sha256.Size; body > 0 {
			sum := sha256.Sum256(data[:body])
			restores(t, append(data[:body:body], sum[:]...), cut)
		}
	})
}

func restores(t *testing.T, data []byte, cut int) {
	source := chunks{data}
	if cut > 0 && cut < len(data) {
		source = chunks{data[:cut], data[cut:]}
	}
	forModel := append(chunks(nil), source...)
	e, m := btree.New(), smtest.NewModel()
	err, merr := e.Restore(&source), m.Restore(&forModel)
	require.Equal(t, merr == nil, err == nil, "the engine says %v, the model %v", err, merr)
	if err != nil {
		require.Zero(t, e.Revision())
		require.Zero(t, e.Applied())
		return
	}
	require.True(t, bytes.Equal(data, imageOf(t, e)))
	require.Equal(t, m.Revision(), e.Revision())
	require.Equal(t, m.Compacted(), e.Compacted())
}
