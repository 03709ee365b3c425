package ledger

import (
	"errors"
	"fmt"
	"io"

	"github.com/ledgerkv/ledgerkv/raft"
)

// errSegmentEnd: the segment holds no more records; the next record is in the following segment.
var errSegmentEnd = errors.New("the segment ends")

// errWindow: the next record is not in the scanner's window, and the caller did not want it moved.
var errWindow = errors.New("the window ends")

// badRecord says that there is no valid record or filler where one was looked for. Above the mark that is the log's end.
type badRecord struct {
	pos   raft.Position
	index raft.Index
	err   error
}

func (e *badRecord) Error() string { return fmt.Sprintf("no record at position %d: %v", e.pos, e.err) }
func (e *badRecord) Unwrap() error { return e.err }

// scanner reads the records of one segment file in order, through a window that it moves over the file.
type scanner struct {
	f           io.ReaderAt
	number      uint64
	segmentSize uint64
	// block is how much is read at once.
	block int
	// limit is the position at which reading stops: bytes behind it do not exist. 0 for the segment's end.
	limit raft.Position
	buf   []byte
	at    raft.Position // position of buf[0]
}

func (s *scanner) start() raft.Position { return raft.Position(s.number * s.segmentSize) }

func (s *scanner) end() raft.Position {
	end := s.start() + raft.Position(s.segmentSize)
	if s.limit != 0 {
		end = min(end, s.limit)
	}
	return end
}

// seek makes the scanner read another segment file. The window is forgotten.
func (s *scanner) seek(f io.ReaderAt, number uint64) {
	s.f, s.number, s.buf = f, number, s.buf[:0]
}

// has reports whether the window holds n bytes from pos on.
func (s *scanner) has(pos raft.Position, n int) bool {
	return pos >= s.at && uint64(pos-s.at)+uint64(n) <= uint64(len(s.buf))
}

// window gives n bytes from pos on, fewer at the end of the file or of the segment. With move unset it fails with errWindow rather than move the window.
func (s *scanner) window(pos raft.Position, n int, move bool) ([]byte, error) {
	n = int(min(uint64(n), uint64(s.end()-min(pos, s.end()))))
	if !s.has(pos, n) {
		if !move {
			return nil, errWindow
		}
		if err := s.fill(pos, max(n, s.block)); err != nil {
			return nil, err
		}
	}
	from := int(pos - s.at)
	to := min(from+n, len(s.buf))
	return s.buf[from:to:to], nil
}

// fill moves the window to pos.
func (s *scanner) fill(pos raft.Position, n int) error {
	n = int(min(uint64(n), uint64(s.end()-pos)))
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	s.buf, s.at = s.buf[:n], pos
	got, err := s.f.ReadAt(s.buf, fileOffset(pos, s.segmentSize))
	s.buf = s.buf[:got]
	if err == io.EOF {
		return nil
	}
	return err
}

// next gives the record behind tip. withBody unset: only the header is checked, and Body and Raw stay nil; the size is then what the second
// result says. It fails with errSegmentEnd, errWindow, a *badRecord, an *unknownFormat, or what reading the file gave.
func (s *scanner) next(tip Tip, withBody, move bool) (r Record, size int, err error) {
	pos := max(tip.End, s.start())
	if pos == s.start()+raft.Position(s.segmentSize) {
		return r, 0, errSegmentEnd
	}
	bad := func(err error) error { return &badRecord{pos: pos, index: tip.ID.Index + 1, err: err} }
	b, err := s.window(pos, headerSize, move)
	if err != nil {
		return r, 0, err
	}
	if len(b) >= fillerSize && b[0] == 'L' && b[1] == 'F' && pos == tip.End {
		if !isFiller(b, pos, tip.Checksum) {
			return r, 0, bad(errors.New("the filler's checksum is wrong"))
		}
		return r, 0, errSegmentEnd
	}
	if len(b) < headerSize {
		return r, 0, bad(fmt.Errorf("%d bytes: %w", len(b), io.ErrUnexpectedEOF))
	}
	r, size, err = decodeHeader(b)
	if err != nil {
		var unknown *unknownFormat
		if errors.As(err, &unknown) && r.PrevChecksum == tip.Checksum && r.Position == pos {
			return r, 0, unknown
		}
		return Record{}, 0, bad(err)
	}
	if err := r.follows(tip, uint32(size), s.segmentSize); err != nil {
		return Record{}, 0, bad(err)
	}
	if !withBody {
		return r, size, nil
	}
	if b, err = s.window(pos, size, move); err != nil {
		return Record{}, 0, err
	}
	if len(b) < size {
		return Record{}, 0, bad(fmt.Errorf("%d bytes of %d: %w", len(b), size, io.ErrUnexpectedEOF))
	}
	if err := r.attach(b); err != nil {
		return Record{}, 0, bad(err)
	}
	return r, size, nil
}

// tipAfter is the end of a record of which only the header was read.
func tipAfter(r *Record, size int) Tip {
	return Tip{ID: r.ID, End: r.Position + raft.Position(size), Checksum: r.Checksum, Time: r.Time}
}
