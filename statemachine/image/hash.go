package image

import (
	"crypto/sha256"
	"io"

	"github.com/ledgerkv/ledgerkv/statemachine"
)

// Hash reads an image (or stored chunks of one) to its end and gives the hash of the state: SHA-256 over all its bytes. Two
// replicas with the same applied index have the same hash, whatever their engines. It does not close the image.
func Hash(src statemachine.ChunkSource) ([sha256.Size]byte, error) {
	sum := sha256.New()
	for {
		chunk, err := src.Next()
		if err == io.EOF {
			return [sha256.Size]byte(sum.Sum(nil)), nil
		}
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		sum.Write(chunk)
	}
}
