package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// toy is a module with a driver that looks for one bug: it fails when Sum is wrong, from seed 3 on.
var toy = map[string]string{
	"go.mod": "module toy\n\ngo 1.26\n",
	"sum/sum.go": `package sum

// Sum adds.
func Sum(a, b int) int {
	return a + b
}

// Unused is not looked at.
func Unused() int {
	return 1
}
`,
	"driver/main.go": `package main

import (
	"fmt"
	"os"

	"toy/sum"
)

func main() {
	if os.Args[1] >= "2" && sum.Sum(1, 2) != 3 {
		fmt.Println("seed 3: law 1: 1 and 2 are", sum.Sum(1, 2))
		os.Exit(1)
	}
	if os.Args[1] == "1" {
		fmt.Println("seed 2: this fails always")
		os.Exit(1)
	}
}
`,
}

func toyTrial(t *testing.T) (*trial, driver) {
	root := t.TempDir()
	for name, text := range toy {
		file := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	d := driver{name: "toy", dir: "driver", module: ".", program: true, rooms: []string{"sum"}, first: from(1), last: 4,
		args: func(n int) []string { return []string{fmt.Sprint(n)} }}
	return &trial{workshop: workshop{root: root, dir: t.TempDir()}, settings: settings{jobs: 2, limit: time.Minute}, notes: &bytes.Buffer{}}, d
}

func toyMutant(name, file, old, text string) mutant {
	return mutant{name: name, breaks: "x", shows: "y", where: "t.txt:1", edits: []edit{{file, old, text}}}
}

// TestTrial demands that a bug is found, that one nobody looks for survives, that what can't be tried is said, that a range of seeds that
// fails anyway kills nothing, and that the tree stays as it was.
func TestTrial(t *testing.T) {
	t.Parallel()
	tr, d := toyTrial(t)
	mutants := []mutant{
		toyMutant("wrong-sum", "sum/sum.go", "	return a + b", "	return a - b"),
		toyMutant("not-looked-at", "sum/sum.go", "	return 1", "	return 2"),
		toyMutant("no-go", "sum/sum.go", "	return 1", "	return nothing"),
		toyMutant("out-of-date", "sum/sum.go", "	return 17", "	return 2"),
		toyMutant("nobodys", "driver/main.go", `	"os"`, `	"os" // x`),
	}
	var out bytes.Buffer
	err := tr.run(t.Context(), &out, mutants, []driver{d})
	require.EqualError(t, err, "1 mutants survived and 3 could not be tried; a survivor is a hole in the simulators")
	for _, want := range []string{
		`killed    wrong-sum +toy +3 .* law 1: 1 and 2 are -1\n`, `SURVIVED  not-looked-at `, `BROKEN    no-go (.|\n)*undefined: nothing`,
		`BROKEN    out-of-date +.*occurs 0 times`, `BROKEN    nobodys +no driver is about`, `5 mutants: 1 killed, 1 survived, 3 broken\n`, `killed by: toy 1\n`,
	} {
		require.Regexp(t, want, out.String())
	}
	require.Contains(t, tr.notes.(*bytes.Buffer).String(), "fails on the unchanged tree from seed 2 on")
	for name, text := range toy {
		now, err := os.ReadFile(filepath.Join(tr.root, name))
		require.NoError(t, err)
		require.Equal(t, text, string(now))
	}
}

// TestTrialNeedsASoundTree demands that a driver which fails on the unchanged tree judges nobody.
func TestTrialNeedsASoundTree(t *testing.T) {
	t.Parallel()
	tr, d := toyTrial(t)
	d.args = func(int) []string { return []string{"1"} }
	err := tr.run(t.Context(), &bytes.Buffer{}, []mutant{toyMutant("wrong-sum", "sum/sum.go", "	return a + b", "	return a - b")}, []driver{d})
	require.ErrorContains(t, err, "fails on the unchanged tree")
	require.ErrorContains(t, err, "seed 2: this fails always")
}

// TestEndlessRunsAreStopped demands that a run which takes all the CPU time it may is stopped and recognised.
func TestEndlessRunsAreStopped(t *testing.T) {
	t.Parallel()
	tr, d := toyTrial(t)
	m := toyMutant("endless", "sum/sum.go", "	return a + b", "	for {\n	}")
	changed, err := m.apply(tr.root)
	require.NoError(t, err)
	overlay, err := tr.overlay(m.name, changed)
	require.NoError(t, err)
	bin, err := tr.build(t.Context(), &d, m.name, overlay)
	require.NoError(t, err)
	o, err := tr.workshop.run(t.Context(), &d, bin, []string{"2"}, time.Second)
	require.NoError(t, err)
	require.True(t, o.failed && o.spun, "%+v", o)
	require.Equal(t, "it goes round in circles", reason(o))
}

// TestFlags demands that what is not there is refused.
func TestFlags(t *testing.T) {
	t.Parallel()
	s, err := parseFlags([]string{"-only", "a,b", "-only", "c", "-limit", "3s", "-jobs", "2"})
	require.NoError(t, err)
	require.Equal(t, settings{only: []string{"a", "b", "c"}, jobs: 2, limit: 3 * time.Second}, s)
	_, err = parseFlags([]string{"-jobs", "0"})
	require.Error(t, err)
	_, err = parseFlags([]string{"stray"})
	require.ErrorContains(t, err, "stray")
	_, err = choose(drivers, []string{"nobody"}, func(d driver) string { return d.name }, "driver")
	require.EqualError(t, err, `there is no driver "nobody"`)
}
