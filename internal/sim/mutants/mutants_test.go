package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// root is the module's root.
var root = filepath.Join("..", "..", "..")

// TestMutantsFit demands that every mutant still fits the code, and that there are enough of them.
func TestMutantsFit(t *testing.T) {
	t.Parallel()
	all, err := readMutants(".")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(all), 60)
	var faults []error
	for i := range all {
		_, err := all[i].apply(root)
		faults = append(faults, err)
	}
	require.NoError(t, errors.Join(faults...))
}

// TestEveryMutantIsNamed demands that docs/safety.md names each mutant, once, beside the law that it breaks, and no other.
func TestEveryMutantIsNamed(t *testing.T) {
	t.Parallel()
	all, err := readMutants(".")
	require.NoError(t, err)
	var want []string
	for _, m := range all {
		want = append(want, m.name)
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "safety.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), "### What finds them out\n")
	require.True(t, found, "docs/safety.md has a section that says what finds bugs out")
	section, _, _ = strings.Cut(section, "\n## ")
	var named []string
	for _, row := range strings.Split(section, "\n") {
		cells := strings.Split(row, " | ")
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[len(cells)-1], -1) {
			if strings.HasPrefix(row, "| ") {
				named = append(named, name[1])
			}
		}
	}
	require.ElementsMatch(t, want, named)
}

// TestMalformedMutants demands that whatever is wrong with a mutant is said, with its place.
func TestMalformedMutants(t *testing.T) {
	t.Parallel()
	sound := "mutant a-b\nbreaks: x\nshows: y\nfile: f.go\nold:\n\told\nnew:\n\tnew\nend\n"
	found, err := parseMutants("t.txt", "# comment\n\n"+sound)
	require.NoError(t, err)
	require.Equal(t, []mutant{{name: "a-b", breaks: "x", shows: "y", by: "sim", where: "t.txt:3", edits: []edit{{"f.go", "\told", "\tnew"}}}}, found)

	found, err = parseMutants("t.txt", "mutant c\nbreaks: x\nshows: y\nfile: f.go\nold:\n1\nnew:\nold:\n2\nnew:\n3\nfile: g.go\nold:\n4\nnew:\nend\n")
	require.NoError(t, err)
	require.Equal(t, []edit{{"f.go", "1", ""}, {"f.go", "2", "3"}, {"g.go", "4", ""}}, found[0].edits)
	require.Equal(t, []string{"f.go", "g.go"}, found[0].files())

	found, err = parseMutants("t.txt", "mutant d\nbreaks: x\nshows: y\nby: ledger; it has no rot\nfile: f.go\nold:\n1\nnew:\nend\n")
	require.NoError(t, err)
	require.Equal(t, []string{"ledger", "it has no rot"}, []string{found[0].by, found[0].why})

	for text, says := range map[string]string{
		"what":                       "expected mutant NAME",
		"mutant A_B\n" + sound[11:]:  "lower-case words",
		"mutant a\nfile: f\nold:\nx": "the file ends within the mutant a",
		"mutant a\nbreaks: x\nfile: f\nold:\nx\nnew:\ny\nend\n":         "what that shows",
		"mutant a\nbreaks: x\nshows: y\nold:\nx\nnew:\ny\nend\n":        "without a file",
		"mutant a\nbreaks: x\nshows: y\nfile: f\nold:\nx\nnew:\nx\nend": "changes nothing",
		"mutant a\nbreaks: x\nshows: y\nby: nobody; x\n":                "expected a driver",
		"mutant a\nbreaks: x\nshows: y\nby: ledger\n":                   "why the simulator can't see it",
		"mutant a\nwhatever: x\n":                                       "expected breaks:, shows:, by:, file: or old:",
	} {
		_, err := parseMutants("t.txt", text)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "t.txt:")
	}
}

// TestMutantsThatDoNotFit demands that a mutant whose old text is not there exactly once is refused.
func TestMutantsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		edit edit
		says string
	}{
		{edit{"go.mod", "no such line", "x"}, "occurs 0 times in go.mod"},
		{edit{"go.mod", "module", "x"}, "occurs 0 times"}, // not a whole line
		{edit{"go.mod", ")", "x"}, "occurs"},
		{edit{"raft/doc.go", "package raft", "package"}, "is no Go"},
		{edit{"no/such/file.go", "x", "y"}, "no such file"},
	} {
		m := mutant{name: "m", where: "t.txt:1", edits: []edit{c.edit}}
		_, err := m.apply(root)
		require.ErrorContains(t, err, c.says)
	}
}

// TestReasons demands that the line which says what was broken is found in what drivers print.
func TestReasons(t *testing.T) {
	t.Parallel()
	for output, want := range map[string]string{
		"x\n    Error:      \tReceived unexpected error:\n   \tseed 7: law 1: n1 and n2 lead term 3\n": "law 1: n1 and n2 lead term 3",
		"panic: raft: broken invariant: law 6: term\nmore":                                             "law 6: term",
		"panic: runtime error\n": "panic: runtime error",
		"nothing to see":         "it failed",
	} {
		require.Equal(t, want, reason(outcome{failed: true, output: output}))
	}
	require.Equal(t, "it goes round in circles", reason(outcome{failed: true, spun: true, output: "law 1: x"}))
}
