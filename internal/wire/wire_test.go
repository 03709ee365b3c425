package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/wire"
)

// stream writes frames with heads and bodies of many lengths, and gives what was written and the frames to expect.
func stream(t testing.TB) ([]byte, []wire.Frame) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	var want []wire.Frame
	lengths := []int{0, 1, 7, 8, 500, 1 << 10, 1<<10 + 1, 5000, 70_000, 3 << 20}
	for i, headLen := range lengths {
		for j, bodyLen := range lengths {
			f := wire.Frame{Kind: uint8(1 + i*16 + j), BodyChecked: (i+j)%2 == 0}
			if headLen > 0 {
				f.Head = bytes.Repeat([]byte{byte(i + 1)}, headLen)
			}
			if bodyLen > 0 {
				f.Body = bytes.Repeat([]byte{byte(j + 100)}, bodyLen)
			}
			third := bodyLen / 3
			require.NoError(t, w.Append(f.Kind, f.BodyChecked, f.Head, f.Body[:third], nil, f.Body[third:]))
			want = append(want, f)
		}
		staged := w.Staged()
		before := buf.Len()
		require.NoError(t, w.Flush())
		require.Equal(t, staged, buf.Len()-before)
		require.Zero(t, w.Staged())
	}
	return buf.Bytes(), want
}

func TestFramesComeBackAsTheyWereWritten(t *testing.T) {
	written, want := stream(t)
	for name, r := range map[string]io.Reader{
		"all at once":    bytes.NewReader(written),
		"in halves":      iotest.HalfReader(bytes.NewReader(written)),
		"with the error": iotest.DataErrReader(bytes.NewReader(written)),
	} {
		reader := wire.NewReader(r, wire.Limits{})
		for i, f := range want {
			got, err := reader.Next()
			require.NoError(t, err, "%s, frame %d", name, i)
			require.Equal(t, f.Kind, got.Kind)
			require.Equal(t, f.BodyChecked, got.BodyChecked)
			require.True(t, bytes.Equal(f.Head, got.Head) && bytes.Equal(f.Body, got.Body), "%s, frame %d", name, i)
		}
		_, err := reader.Next()
		require.Equal(t, io.EOF, err, "a stream may end between two frames")
	}
}

// TestOneWriteForManyFrames: a batch goes to a socket as one piece, whatever it is made of.
func TestOneWriteForManyFrames(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	out, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer out.Close()
	in, err := listener.Accept()
	require.NoError(t, err)
	defer in.Close()
	w := wire.NewWriter(out, wire.Limits{})
	const frames = 1500 // more than one system call takes
	body := bytes.Repeat([]byte("b"), 2000)
	done := make(chan error, 1)
	go func() {
		r := wire.NewReader(in, wire.Limits{})
		for i := range 2 * frames {
			f, err := r.Next()
			if err != nil || string(f.Head) != fmt.Sprint(i%frames) || !bytes.Equal(f.Body, body) {
				done <- fmt.Errorf("frame %d: %q, %d bytes: %w", i, f.Head, len(f.Body), err)
				return
			}
		}
		done <- nil
	}()
	for range 2 {
		for i := range frames {
			require.NoError(t, w.Append(1, true, []byte(fmt.Sprint(i)), body))
		}
		require.NoError(t, w.Flush())
	}
	require.NoError(t, <-done)
}

func TestFlippedBitsAreFound(t *testing.T) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(t, w.Append(7, true, []byte("the head"), []byte("the body")))
	require.NoError(t, w.Flush())
	good := buf.Bytes()
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := wire.NewReader(bytes.NewReader(bad), wire.Limits{}).Next()
		var frame *wire.FrameError
		if !errors.As(err, &frame) {
			// A longer frame than the one that is there.
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "bit %d of byte %d", bit%8, bit/8)
		}
	}
}

func TestAStreamCutOffWithinAFrame(t *testing.T) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(t, w.Append(7, true, []byte("head"), []byte("body")))
	require.NoError(t, w.Flush())
	for n := 1; n < buf.Len(); n++ {
		_, err := wire.NewReader(bytes.NewReader(buf.Bytes()[:n]), wire.Limits{}).Next()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		require.NotErrorIs(t, err, io.EOF)
	}
	broken := errors.New("broken")
	_, err := wire.NewReader(io.MultiReader(bytes.NewReader(buf.Bytes()[:5]), iotest.ErrReader(broken)), wire.Limits{}).Next()
	require.ErrorIs(t, err, broken)
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	frame := func() []byte {
		var buf bytes.Buffer
		w := wire.NewWriter(&buf, wire.Limits{})
		require.NoError(t, w.Append(7, false, []byte("head"), []byte("body")))
		require.NoError(t, w.Append(7, false, []byte("head"), []byte("body")))
		require.NoError(t, w.Flush())
		return buf.Bytes()
	}
	second := int64(len(frame()) / 2)
	cases := []struct {
		part   wire.Part
		at     int64
		value  byte
		limits wire.Limits
		text   string
	}{
		{part: wire.PartMagic, at: 0, value: 'G', text: "this is no frame"},
		{part: wire.PartVersion, at: 2, value: 9, text: "expected frame version 1, found 9"},
		{part: wire.PartFlags, at: 4, value: 0x80, text: "flags"},
		{part: wire.PartReserved, at: 6, value: 1, text: "reserved"},
		{part: wire.PartHeadLength, at: 11, value: 0xff, text: "head length of at most 4194304 bytes"},
		{part: wire.PartBodyLength, at: 15, value: 0xff, text: "body length of at most 67108864 bytes"},
		{part: wire.PartBodyChecksum, at: 16, value: 1, text: "checksum of the body"},
		{part: wire.PartHeadChecksum, at: 3, value: 8, text: "damaged"},
	}
	for _, c := range cases {
		b := frame()
		b[second+c.at] = c.value
		r := wire.NewReader(bytes.NewReader(b), c.limits)
		_, err := r.Next()
		require.NoError(t, err)
		require.Zero(t, r.Offset())
		_, err = r.Next()
		var got *wire.FrameError
		require.ErrorAs(t, err, &got, c.part)
		require.Equal(t, c.part, got.Part)
		require.Equal(t, second, got.Offset)
		require.Equal(t, second, r.Offset())
		require.NotEqual(t, got.Expected, got.Found)
		require.ErrorContains(t, err, c.text)
		require.ErrorContains(t, err, fmt.Sprintf("byte %d of the stream", second))
	}
	kind := &wire.FrameError{Part: wire.PartKind, Offset: -1, Expected: 1, Found: 2}
	require.ErrorContains(t, kind, "to be written: expected kind 1, found 2")
}

func TestLimits(t *testing.T) {
	limits := wire.Limits{MaxHead: 4, MaxBody: 8}
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, limits)
	var frame *wire.FrameError
	require.ErrorAs(t, w.Append(1, true, []byte("12345")), &frame)
	require.Equal(t, wire.FrameError{Part: wire.PartHeadLength, Offset: -1, Expected: 4, Found: 5}, *frame)
	require.ErrorAs(t, w.Append(1, true, nil, []byte("12345"), []byte("6789")), &frame)
	require.Equal(t, wire.FrameError{Part: wire.PartBodyLength, Offset: -1, Expected: 8, Found: 9}, *frame)
	require.Zero(t, w.Staged(), "what is refused is not staged")
	require.NoError(t, w.Append(1, true, []byte("1234"), []byte("12345678")))
	require.NoError(t, w.Flush())

	r := wire.NewReader(bytes.NewReader(append(bytes.Clone(buf.Bytes()), buf.Bytes()...)), limits)
	_, err := r.Next()
	require.NoError(t, err)
	require.NotZero(t, r.Buffered())
	r.SetLimits(wire.Limits{MaxHead: 3})
	_, err = r.Next()
	require.ErrorAs(t, err, &frame)
	require.Equal(t, wire.PartHeadLength, frame.Part)
}

// TestALieAboutTheLengthCostsLittle: a header that promises a body as long as the limit allows makes the reader allocate a
// small part of it.
func TestALieAboutTheLengthCostsLittle(t *testing.T) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(t, w.Append(1, false, nil, make([]byte, wire.DefaultMaxBody)))
	require.NoError(t, w.Flush())
	promise := buf.Bytes()[:wire.HeaderSize+100]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := wire.NewReader(bytes.NewReader(promise), wire.Limits{}).Next()
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

func TestDiscard(t *testing.T) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(t, w.Append(1, true, []byte("not sent"), make([]byte, 3<<20)))
	w.Discard()
	require.NoError(t, w.Flush())
	require.Zero(t, buf.Len())
	require.NoError(t, w.Append(2, true, []byte("sent")))
	require.NoError(t, w.Flush())
	f, err := wire.NewReader(&buf, wire.Limits{}).Next()
	require.NoError(t, err)
	require.Equal(t, "sent", string(f.Head))
}

// failing takes some bytes and then fails.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(b []byte) (int, error) {
	if len(b) > f.left {
		return f.left, f.err
	}
	f.left -= len(b)
	return len(b), nil
}

func TestAFailedWriteIsWrapped(t *testing.T) {
	broken := errors.New("broken")
	w := wire.NewWriter(&failing{left: 50, err: broken}, wire.Limits{})
	require.NoError(t, w.Append(1, true, make([]byte, 2000), make([]byte, 2000)))
	require.ErrorIs(t, w.Flush(), broken)
}

// TestWriterAllocatesNothing in the steady state, however many frames a batch has.
func TestWriterAllocatesNothing(t *testing.T) {
	w := wire.NewWriter(io.Discard, wire.Limits{})
	head, body := make([]byte, 100), [][]byte{make([]byte, 200), make([]byte, 4000)}
	allocations := testing.AllocsPerRun(100, func() {
		for range 64 {
			if w.Append(1, true, head, body...) != nil {
				panic("refused")
			}
		}
		if w.Flush() != nil {
			panic("not written")
		}
	})
	require.Zero(t, allocations)
}

func TestBodiesCanBePassedOver(t *testing.T) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(t, w.Append(1, true, []byte("head"), make([]byte, 200<<10)))
	require.NoError(t, w.Append(2, true, nil, []byte("body")))
	require.NoError(t, w.Flush())
	r := wire.NewReader(bytes.NewReader(buf.Bytes()), wire.Limits{})
	f, n, err := r.Head()
	require.NoError(t, err)
	require.Equal(t, 200<<10, n)
	require.Equal(t, wire.Frame{Kind: 1, BodyChecked: true, Head: []byte("head")}, f)
	require.NoError(t, r.Skip())
	f, err = r.Next()
	require.NoError(t, err)
	require.Equal(t, []byte("body"), f.Body)
	require.Equal(t, int64(wire.HeaderSize+len("head")+200<<10), r.Offset())

	r = wire.NewReader(bytes.NewReader(buf.Bytes()[:100<<10]), wire.Limits{})
	_, _, err = r.Head()
	require.NoError(t, err)
	require.ErrorIs(t, r.Skip(), io.ErrUnexpectedEOF)
}

func FuzzReader(f *testing.F) {
	var buf bytes.Buffer
	w := wire.NewWriter(&buf, wire.Limits{})
	require.NoError(f, w.Append(1, true, []byte("head"), []byte("body")))
	require.NoError(f, w.Append(2, false, nil, []byte("unchecked")))
	require.NoError(f, w.Append(3, true, []byte("head alone")))
	require.NoError(f, w.Flush())
	f.Add(buf.Bytes())
	f.Add(buf.Bytes()[:30])
	f.Add([]byte("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
	f.Add([]byte{'L', 'W', 1, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	limits := wire.Limits{MaxHead: 1 << 16, MaxBody: 1 << 16}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := wire.NewReader(bytes.NewReader(b), limits)
		var again bytes.Buffer
		w := wire.NewWriter(&again, limits)
		for {
			frame, err := r.Next()
			if err != nil {
				var bad *wire.FrameError
				require.True(t, err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &bad), "%v", err)
				break
			}
			require.NoError(t, w.Append(frame.Kind, frame.BodyChecked, frame.Head, frame.Body))
		}
		require.NoError(t, w.Flush())
		// There is one way to write a frame: what was accepted is what would have been written.
		require.True(t, bytes.HasPrefix(b, again.Bytes()))
	})
}

func BenchmarkWriterAndReader(b *testing.B) {
	for _, bodyLen := range []int{0, 200, 4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("body=%d", bodyLen), func(b *testing.B) {
			var buf bytes.Buffer
			w := wire.NewWriter(&buf, wire.Limits{})
			head, body := make([]byte, 200), make([]byte, bodyLen)
			src := bytes.NewReader(nil)
			r := wire.NewReader(src, wire.Limits{})
			b.SetBytes(int64(wire.HeaderSize + len(head) + bodyLen))
			b.ReportAllocs()
			for b.Loop() {
				buf.Reset()
				if err := w.Append(1, false, head, body); err != nil {
					b.Fatal(err)
				}
				if err := w.Flush(); err != nil {
					b.Fatal(err)
				}
				src.Reset(buf.Bytes())
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
