package rpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/vmihailenco/msgpack/v5"
)

// shape bounds what a msgpack message may look like, before it is decoded.
type shape struct {
	// maxArray bounds the elements of one array, which is what decoding allocates for.
	maxArray uint32
}

// maxDepth is the deepest nesting of arrays: the results of a range in a transaction take 6.
const maxDepth = 8

var (
	// requestShape holds a transaction of model.MaxOps (16,384) operations.
	requestShape = shape{maxArray: 1 << 15}
	// answerShape holds what a client asked for.
	answerShape = shape{maxArray: 1 << 24}
)

// encode gives v as msgpack: structs as arrays, numbers as short as they are.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := msgpack.GetEncoder()
	defer msgpack.PutEncoder(enc)
	enc.Reset(&buf)
	enc.UseArrayEncodedStructs(true)
	enc.UseCompactInts(true)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("rpc: encoding %T: %w", v, err)
	}
	return buf.Bytes(), nil
}

// check walks over a message without decoding it. It takes nil, booleans, integers, strings, bytes and arrays: exactly one
// value, no deeper than maxDepth, no array longer than the shape or the message allows. So decoding neither recurses without
// end nor allocates for a length that is a lie.
func (s shape) check(data []byte) error {
	_, err := s.count(data)
	return err
}

// count is check, and gives the number of elements that the arrays within the message's own have together: the elements of its lists,
// each of which becomes a struct when it is decoded, however short it is here.
func (s shape) count(data []byte) (listed int, err error) {
	var left [maxDepth]uint32 // elements still to come at each depth
	depth := 0
	for at := 0; ; {
		skip, elements, err := s.token(data[at:])
		if err != nil {
			return 0, fmt.Errorf("%w: at byte %d: %w", ErrMalformed, at, err)
		}
		at += skip
		if elements > 0 {
			if depth == maxDepth {
				return 0, fmt.Errorf("%w: at byte %d: nested deeper than %d", ErrMalformed, at, maxDepth)
			}
			if depth == 1 {
				listed += int(elements)
			}
			left[depth] = elements
			depth++
			continue
		}
		for depth > 0 {
			if left[depth-1]--; left[depth-1] > 0 {
				break
			}
			depth--
		}
		if depth == 0 {
			if at != len(data) {
				return 0, fmt.Errorf("%w: %d bytes after its end", ErrMalformed, len(data)-at)
			}
			return listed, nil
		}
	}
}

// token gives the length of the next value, or, for an array, of its header, and the number of its elements.
func (s shape) token(b []byte) (skip int, elements uint32, err error) {
	if len(b) == 0 {
		return 0, 0, fmt.Errorf("it ends early")
	}
	head, size, kind := classify(b[0])
	if kind == kindOther {
		return 0, 0, fmt.Errorf("expected nil, a boolean, an integer, text, bytes or an array, found type %02x", b[0])
	}
	if len(b) < 1+head {
		return 0, 0, fmt.Errorf("it ends early")
	}
	switch head {
	case 1:
		size = uint64(b[1])
	case 2:
		size = uint64(binary.BigEndian.Uint16(b[1:]))
	case 4:
		size = uint64(binary.BigEndian.Uint32(b[1:]))
	}
	rest := uint64(len(b) - 1 - head)
	if size > rest {
		return 0, 0, fmt.Errorf("a length of %d with %d bytes left", size, rest)
	}
	if kind == kindArray {
		if size > uint64(s.maxArray) {
			return 0, 0, fmt.Errorf("an array of %d elements, at most %d are allowed", size, s.maxArray)
		}
		return 1 + head, uint32(size), nil
	}
	return 1 + head + int(size), 0, nil
}

type kind uint8

const (
	kindOther kind = iota
	kindPlain
	kindArray
)

// classify says what a type byte begins: how many bytes of length follow, or, with none, the length itself.
func classify(c byte) (head int, size uint64, k kind) {
	switch {
	case c <= 0x7f || c >= 0xe0: // fixint
		return 0, 0, kindPlain
	case c >= 0x90 && c <= 0x9f: // fixarray
		return 0, uint64(c & 0xf), kindArray
	case c >= 0xa0 && c <= 0xbf: // fixstr
		return 0, uint64(c & 0x1f), kindPlain
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return 0, 0, kindPlain
	case 0xc4, 0xd9: // bin8, str8
		return 1, 0, kindPlain
	case 0xc5, 0xda: // bin16, str16
		return 2, 0, kindPlain
	case 0xc6, 0xdb: // bin32, str32
		return 4, 0, kindPlain
	case 0xcc, 0xd0: // uint8, int8
		return 0, 1, kindPlain
	case 0xcd, 0xd1:
		return 0, 2, kindPlain
	case 0xce, 0xd2:
		return 0, 4, kindPlain
	case 0xcf, 0xd3:
		return 0, 8, kindPlain
	case 0xdc: // array16
		return 2, 0, kindArray
	case 0xdd: // array32
		return 4, 0, kindArray
	}
	return 0, 0, kindOther
}

// clampMillis gives a duration in milliseconds as it travels, rounded up, 0 only for none.
func clampMillis(ms int64) uint32 {
	return uint32(min(max(ms, 1), math.MaxUint32))
}
