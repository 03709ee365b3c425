package node

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzIdentity reads bytes as a node file, as they are and with a right checksum: what is accepted is what would be written.
func FuzzIdentity(f *testing.F) {
	id := &Identity{Cluster: ClusterID("c"), Node: "n1", Directory: UUID{1}}
	f.Add(id.encode())
	id = id.withPin("n3", UUID{3}).withPin("n2", UUID{2})
	id.Admitted = true
	id.Groups = []HeldGroup{{ID: 1, Name: "kv", Machine: true, SegmentSize: 16 << 20}, {ID: 2, Name: "log", SegmentSize: 64 << 20}}
	f.Add(id.encode())
	f.Add([]byte(identityMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		requireOneEncoding(t, b)
		if body := len(b) - 4; body > 0 {
			sealed := binary.LittleEndian.AppendUint32(bytes.Clone(b[:body]), crc32.Checksum(b[:body], castagnoli))
			requireOneEncoding(t, sealed)
		}
	})
}

func requireOneEncoding(t *testing.T, b []byte) {
	if id, err := decodeIdentity(b); err == nil {
		require.Equal(t, b, id.encode())
	}
}
