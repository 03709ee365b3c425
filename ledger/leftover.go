package ledger

import (
	"bytes"
	"io"

	"github.com/ledgerkv/ledgerkv/internal/fs"
)

// leftovers looks for what stands in the segment files behind the log's end. REQUIRES: the walk has found it.
func (w *walk) leftovers() {
	end := w.tip.End
	for _, s := range w.in.Segments {
		if uint64(end) >= (s.Number+1)*w.in.SegmentSize {
			continue
		}
		left, err := leftoverIn(w.in.rec.fs, s.Path, fileOffset(max(end, s.Begin), w.in.SegmentSize))
		if err != nil {
			w.faults = append(w.faults, &CorruptionError{Path: s.Path, Offset: left.Offset, Err: err})
		} else if left.Bytes > 0 {
			w.in.Leftovers = append(w.in.Leftovers, left)
		}
	}
}

// leftoverIn gives the stretch of a file from off on that is not zeros; when reading fails, its Offset is where.
func leftoverIn(fsys fs.FS, path string, off int64) (Leftover, error) {
	left := Leftover{Path: path, Offset: off}
	f, err := fsys.Open(path)
	if err != nil {
		return left, err
	}
	defer f.Close()
	buf := make([]byte, readBlock)
	for {
		n, err := f.ReadAt(buf, off)
		if b := bytes.TrimRight(buf[:n], "\x00"); len(b) > 0 {
			if left.Bytes == 0 {
				left.Offset = off + int64(len(b)-len(bytes.TrimLeft(b, "\x00")))
			}
			left.Bytes = off + int64(len(b)) - left.Offset
		}
		if off += int64(n); err == io.EOF || n == 0 && err == nil {
			return left, nil
		} else if err != nil {
			return Leftover{Path: path, Offset: off}, err
		}
	}
}
