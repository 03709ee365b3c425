package kv

import (
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/kv/model"
)

// entries are log entries as docs/format.md draws them, with what they say. The format is frozen: if one of these has to be
// changed, every log that exists becomes unreadable.
var entries = []struct {
	name, hex string
	body      []byte
	command   command
}{
	{
		"put", "01 00 0000 16000000 | 01 00 0300 03000000 0000000000000000 6b6579 76616c",
		AppendPut(nil, []byte("key"), []byte("val")),
		command{kind: commandPut, op: model.Put([]byte("key"), []byte("val"))},
	},
	{
		"delete", "01 00 0000 0b000000 | 02 00 0300 00000000 6b6579",
		AppendDelete(nil, []byte("key")),
		command{kind: commandDelete, op: model.Delete([]byte("key"))},
	},
	{
		"delete range", "01 00 0000 0b000000 | 03 00 0100 0200 0000 61 6262",
		AppendDeleteRange(nil, []byte("a"), []byte("bb")),
		command{kind: commandDeleteRange, op: model.DeleteRange([]byte("a"), []byte("bb"))},
	},
	{
		"compact", "01 00 0000 10000000 | 08 00000000000000 0900000000000000",
		AppendCompact(nil, 9),
		command{kind: commandCompact, revision: 9},
	},
	{
		"transaction", "01 00 0000 5b000000 | 09 000000 02000000 01000000 02000000" +
			"| 03 01 0100 00000000 0700000000000000 6b | 04 03 0100 01000000 0000000000000000 6b 76" +
			"| 01 00 0100 01000000 0000000000000000 6b 77" +
			"| 04 00 0100 00000000 6b | 05 07 0100 0000 0000 03000000 61",
		AppendTxn(nil, model.If(model.ModRevision([]byte("k")).Equals(7), model.Value([]byte("k")).Less([]byte("v"))).
			Then(model.Put([]byte("k"), []byte("w"))).
			Else(model.Get([]byte("k")), model.Range(model.RangeOptions{From: []byte("a"), Limit: 3, Reverse: true, KeysOnly: true, CountOnly: true}))),
		command{kind: commandTxn, txn: model.Txn{
			Compares: []model.Compare{model.ModRevision([]byte("k")).Equals(7), model.Value([]byte("k")).Less([]byte("v"))},
			Success:  []model.Op{model.Put([]byte("k"), []byte("w"))},
			Failure: []model.Op{model.Get([]byte("k")),
				model.Range(model.RangeOptions{From: []byte("a"), To: []byte{}, Limit: 3, Reverse: true, KeysOnly: true, CountOnly: true})},
		}},
	},
}

// fromHex reads hex digits with spaces and bars between them.
func fromHex(t testing.TB, digits string) []byte {
	body, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(digits))
	require.NoError(t, err)
	return body
}

func TestEntriesAreAsDrawn(t *testing.T) {
	for _, e := range entries {
		t.Run(e.name, func(t *testing.T) {
			require.Equal(t, hex.EncodeToString(fromHex(t, e.hex)), hex.EncodeToString(e.body))
			var c command
			require.NoError(t, c.decode(e.body))
			withoutEmptyFields(&c)
			want := e.command
			withoutEmptyFields(&want)
			require.Equal(t, want, c)
		})
	}
}

func TestTheFormatPageShowsTheseEntries(t *testing.T) {
	page, err := os.ReadFile("../docs/format.md")
	require.NoError(t, err)
	for _, e := range entries {
		if e.name == "put" || e.name == "delete" || e.name == "compact" {
			require.Contains(t, string(page), e.hex)
		}
	}
}

// withoutEmptyFields makes empty slices nil, where a decoder may give either.
func withoutEmptyFields(c *command) {
	ops := []*model.Op{&c.op}
	for i := range c.txn.Compares {
		nilIfEmpty(&c.txn.Compares[i].Value)
	}
	for i := range c.txn.Success {
		ops = append(ops, &c.txn.Success[i])
	}
	for i := range c.txn.Failure {
		ops = append(ops, &c.txn.Failure[i])
	}
	for _, op := range ops {
		for _, field := range []*[]byte{&op.Key, &op.Value, &op.Range.From, &op.Range.To} {
			nilIfEmpty(field)
		}
	}
}

func nilIfEmpty(field *[]byte) {
	if len(*field) == 0 {
		*field = nil
	}
}

// encode is the inverse of decode.
func encode(c *command) []byte {
	switch c.kind {
	case commandCompact:
		return AppendCompact(nil, c.revision)
	case commandTxn:
		return AppendTxn(nil, c.txn)
	}
	return appendSingle(nil, c.op)
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	prefix := []byte("before")
	require.Equal(t, append([]byte("before"), AppendPut(nil, []byte("k"), []byte("v"))...), AppendPut(prefix, []byte("k"), []byte("v")))
	require.Equal(t, append([]byte("before"), AppendTxn(nil, model.Txn{})...), AppendTxn(prefix, model.Txn{}))
	require.Equal(t, append([]byte("before"), AppendCompact(nil, 1)...), AppendCompact(prefix, 1))
}

func TestPrefixesAreWrittenAsIntervals(t *testing.T) {
	require.Equal(t, AppendDeleteRange(nil, []byte("a"), []byte("b")), appendSingle(nil, model.DeletePrefix([]byte("a"))))
	require.Equal(t, AppendDeleteRange(nil, []byte("\xff"), nil), appendSingle(nil, model.DeletePrefix([]byte("\xff"))))
	require.Equal(t, AppendDeleteRange(nil, nil, nil), appendSingle(nil, model.DeletePrefix(nil)))
}

// TestDecodeRefuses has an entry for each reason to refuse one.
func TestDecodeRefuses(t *testing.T) {
	const session = "0100000000000000 0200000000000000 0300000000000000"
	for _, c := range []struct {
		name, hex, field string
		is               error
	}{
		{"nothing", "", "envelope", model.ErrMalformed},
		{"half a header", "01 00 0000", "envelope", model.ErrMalformed},
		{"a later version", "02 00 0000 00000000", "envelope", model.ErrUnsupported},
		{"half a session", "01 0c 0000 00000000 000000000000000000000000", "session", model.ErrMalformed},
		{"a session", "01 18 0000 0b000000" + session + "02 00 0300 00000000 6b6579", "session", model.ErrUnsupported},
		{"a missing session", "01 18 0000 00000000", "envelope", model.ErrMalformed},
		{"a payload", "01 00 0100 0b000000 02000000 02 00 0300 00000000 6b6579 7070", "payloads", model.ErrUnsupported},
		{"a payload cut off", "01 00 0100 0b000000 03000000 02 00 0300 00000000 6b6579 7070", "envelope", model.ErrMalformed},
		{"missing payload lengths", "01 00 ffff 00000000 00000000", "envelope", model.ErrMalformed},
		{"payloads beyond counting", "01 00 0200 00000000 ffffffff ffffffff", "envelope", model.ErrMalformed},
		{"a command cut off", "01 00 0000 0b000000 02 00 0300 00000000 6b65", "envelope", model.ErrMalformed},
		{"something behind", "01 00 0000 0b000000 02 00 0300 00000000 6b6579 00", "envelope", model.ErrMalformed},
		{"no command", "01 00 0000 00000000", "command", model.ErrMalformed},
		{"an unknown command", "01 00 0000 01000000 07", "command", model.ErrUnsupported},
		{"a get alone", "01 00 0000 09000000 04 00 0100 00000000 6b", "command", model.ErrUnsupported},
		{"something behind the command", "01 00 0000 0c000000 02 00 0300 00000000 6b6579 00", "command", model.ErrMalformed},
		{"half a put", "01 00 0000 08000000 01 00 0100 00000000", "put", model.ErrMalformed},
		{"a put's reserved byte", "01 00 0000 11000000 01 01 0100 00000000 0000000000000000 6b", "put", model.ErrMalformed},
		{"a put's value cut off", "01 00 0000 12000000 01 00 0100 02000000 0000000000000000 6b 76", "value", model.ErrMalformed},
		{"a value of 4 GiB", "01 00 0000 12000000 01 00 0100 ffffffff 0000000000000000 6b 76", "value", model.ErrMalformed},
		{"a put without a key", "01 00 0000 10000000 01 00 0000 00000000 0000000000000000", "key", nil},
		{"a put with a lease", "01 00 0000 11000000 01 00 0100 00000000 0100000000000000 6b", "lease", model.ErrUnsupported},
		{"a delete's reserved byte", "01 00 0000 09000000 02 00 0100 00000001 6b", "operation", model.ErrMalformed},
		{"a delete's key cut off", "01 00 0000 09000000 02 00 0200 00000000 6b", "key", model.ErrMalformed},
		{"half a delete range", "01 00 0000 06000000 03 00 0000 0000", "range", model.ErrMalformed},
		{"a delete range's flags", "01 00 0000 08000000 03 01 0000 0000 0000", "range", model.ErrMalformed},
		{"a delete range's reserved bytes", "01 00 0000 08000000 03 00 0000 0000 0100", "range", model.ErrMalformed},
		{"a compact's reserved bytes", "01 00 0000 10000000 08 01000000000000 0900000000000000", "compact", model.ErrMalformed},
		{"half a compact", "01 00 0000 09000000 08 00000000000000 09", "compact", model.ErrMalformed},
		{"a compact of nothing", "01 00 0000 10000000 08 00000000000000 0000000000000000", "revision", nil},
		{"half a transaction", "01 00 0000 04000000 09 000000", "transaction", model.ErrMalformed},
		{"a transaction's reserved bytes", "01 00 0000 10000000 09 000001 00000000 00000000 00000000", "transaction", model.ErrMalformed},
		{"comparisons that are not there", "01 00 0000 10000000 09 000000 01000000 00000000 00000000", "comparisons", model.ErrMalformed},
		{"operations that are not there", "01 00 0000 10000000 09 000000 00000000 00000000 ffffffff", "failure operations", model.ErrMalformed},
		{"a comparison cut off", "01 00 0000 20000000 09 000000 01000000 00000000 00000000 03 01 0100 00000000 0700000000000000", "key", model.ErrMalformed},
		{"an operand of each kind", "01 00 0000 22000000 09 000000 01000000 00000000 00000000 03 01 0100 01000000 0700000000000000 6b 76", "if comparison 1: operand", nil},
		{"an unknown target", "01 00 0000 21000000 09 000000 01000000 00000000 00000000 05 01 0100 00000000 0700000000000000 6b", "if comparison 1: target", nil},
		{"an unknown operation", "01 00 0000 19000000 09 000000 00000000 01000000 00000000 08 00 0100 00000000 6b", "operation", model.ErrMalformed},
		{"an operation too few", "01 00 0000 1a000000 09 000000 00000000 01000000 01000000 02 00 0200 00000000 6b6b", "operation", model.ErrMalformed},
		{"an unknown range flag", "01 00 0000 1c000000 09 000000 00000000 01000000 00000000 05 08 0000 0000 0000 00000000", "range", model.ErrMalformed},
		{"a limit out of range", "01 00 0000 1c000000 09 000000 00000000 01000000 00000000 05 00 0000 0000 0000 00000080", "limit", model.ErrMalformed},
		{"a key written twice", "01 00 0000 22000000 09 000000 00000000 02000000 00000000 02 00 0100 00000000 6b 02 00 0100 00000000 6b", "then operations", model.ErrDuplicateWrite},
	} {
		t.Run(c.name, func(t *testing.T) {
			var decoded command
			err := decoded.decode(fromHex(t, c.hex))
			var invalid *model.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, c.field, invalid.Field, "%v", err)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
		})
	}
}

// TestNothingOfTheCommandBeforeIsLeft: the memory of a command is used again.
func TestNothingOfTheCommandBeforeIsLeft(t *testing.T) {
	var reused command
	for _, first := range entries {
		for _, second := range entries {
			require.NoError(t, reused.decode(first.body))
			require.NoError(t, reused.decode(second.body))
			require.Equal(t, second.body, encode(&reused), "%s after %s", second.name, first.name)
		}
	}
}

// TestEveryCutIsRefused: no entry is the beginning of another.
func TestEveryCutIsRefused(t *testing.T) {
	for _, e := range entries {
		for n := range e.body {
			var c command
			require.ErrorIs(t, c.decode(e.body[:n]), model.ErrMalformed, "%s cut to %d bytes", e.name, n)
		}
	}
}

func TestLargestTransaction(t *testing.T) {
	txn := model.Txn{Success: make([]model.Op, model.MaxOps)}
	for i := range txn.Success {
		txn.Success[i] = model.Put([]byte{byte(i >> 8), byte(i)}, []byte("value"))
	}
	body := AppendTxn(nil, txn)
	require.LessOrEqual(t, len(body), model.MaxEntryBytes)
	var c command
	require.NoError(t, c.decode(body))
	require.Len(t, c.txn.Success, model.MaxOps)

	longest := AppendPut(nil, make([]byte, model.MaxKeyBytes), make([]byte, model.MaxValueBytes))
	require.LessOrEqual(t, len(longest), model.MaxEntryBytes)
	require.NoError(t, c.decode(longest))
}

func FuzzDecode(f *testing.F) {
	for _, e := range entries {
		f.Add(e.body)
		f.Add(e.body[:len(e.body)-1])
		f.Add(append([]byte{2}, e.body[1:]...))
	}
	f.Add(fromHex(f, "01 18 0100 00000000 010000000000000002000000000000000300000000000000 01000000 70"))
	f.Fuzz(func(t *testing.T, body []byte) {
		original := string(body)
		var c command
		if err := c.decode(body); err != nil {
			var invalid *model.InvalidError
			if !errors.As(err, &invalid) {
				t.Fatalf("decoding %x failed with %T %v, expected an *model.InvalidError", body, err, err)
			}
			return
		}
		if again := encode(&c); string(again) != original {
			t.Fatalf("%x was accepted, but is written as %x", original, again)
		}
	})
}
