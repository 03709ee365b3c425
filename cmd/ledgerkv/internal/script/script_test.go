package script_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/script"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

func key(s string) []byte { return []byte(s) }

func TestParse(t *testing.T) {
	t.Parallel()
	const text = "# take the lock\r\n" + `
if mod topics/orders = 7   # behind a condition
if value a != "x y"
if version lock < 1
if create "" > 0
`
	_, err := script.Parse(strings.NewReader(text))
	var at *script.Error
	require.ErrorAs(t, err, &at)
	require.Equal(t, 6, at.Line, "an empty key is no key")

	txn, err := script.Parse(strings.NewReader(strings.Replace(text, `""`, `"\x00k"`, 1) + `
	then put a "1\n\"two\"\xff☃"
then put b#c ""
then get a
then del c
then del --prefix tmp/
then range topics/
else get "#x"
else put --prefix v`))
	require.NoError(t, err)
	want := model.If(model.ModRevision(key("topics/orders")).Equals(7), model.Value(key("a")).NotEquals([]byte("x y")),
		model.Version(key("lock")).Less(1), model.CreateRevision(key("\x00k")).Greater(0)).
		Then(model.Put(key("a"), []byte("1\n\"two\"\xff☃")), model.Put(key("b#c"), []byte{}), model.Get(key("a")), model.Delete(key("c")),
			model.DeletePrefix(key("tmp/")), model.Range(model.RangeOptions{Prefix: key("topics/")})).
		Else(model.Get(key("#x")), model.Put(key("--prefix"), key("v")))
	require.Equal(t, want, txn)
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the transaction is empty",
		"# nothing\n\n   \n":              "the transaction is empty",
		"fi mod a = 1":                    `line 1: expected if, then or else, found "fi"; did you mean "if"?`,
		"\nwhen a":                        `line 2: expected if, then or else, found "when"`,
		"if mod a 1":                      "line 1: expected if version|create|mod|value KEY =|!=|<|> OPERAND, found 3 words",
		"if mode a = 1":                   `found "mode"; did you mean "mod"?`,
		"if mod a == 1":                   `expected =, !=, < or > behind the key, found "=="`,
		"if mod a = x":                    `expected a number to compare mod with, found "x"`,
		"if mod a = -1":                   `expected a number`,
		"if mod a = 99999999999999999999": `expected a number`,
		"then":                            `expected put, get, del or range behind then, found ""`,
		"then ptu a b":                    `found "ptu"; did you mean "put"?`,
		"then put a":                      "expected KEY VALUE behind put, found 1 words",
		"then get":                        "expected KEY behind get, found nothing",
		"else del a b":                    "expected KEY or --prefix PREFIX behind del",
		"else range":                      "expected PREFIX behind range",
		`then put a "b`:                   "expected a quoted word to end",
		`then put a "b\q"`:                "expected a quoted word to end, or an escape that Go's strings know",
		`then put a "b"c`:                 `expected a space behind "b", found "c"`,
		`then put a b"c`:                  "a quote within the word b\"c",
		"then put a b\nthen del a":        "expected each key to be written once",
		"then put " + strings.Repeat("k", model.MaxKeyBytes+1) + " v": "line 1: kv: invalid request: key",
	} {
		_, err := script.Parse(strings.NewReader(text))
		require.ErrorContains(t, err, want, text)
	}
	broken := errors.New("broken")
	_, err := script.Parse(io.MultiReader(strings.NewReader("then put a b\n"), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	_, err = script.Parse(strings.NewReader("then put a " + strings.Repeat("v", script.MaxLineBytes)))
	require.ErrorContains(t, err, "line 1: ")
}

// FuzzParse: whatever is read either is an error or a transaction that a store would take.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"if mod a = 1\nthen put a b\nelse get a", `if value "\xff" = ""`, "then del --prefix x # y", "then range \"\"\n\n#", "then put \"a b\" \"\\u2603\"", "\"if\" mod a = 1", "if \x00 \"", "then put a \"b\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		txn, err := script.Parse(strings.NewReader(text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			require.Zero(t, len(txn.Compares)+len(txn.Success)+len(txn.Failure), "an error gives no transaction")
			return
		}
		require.NoError(t, txn.Validate())
		require.Positive(t, len(txn.Compares)+len(txn.Success)+len(txn.Failure))
	})
}
