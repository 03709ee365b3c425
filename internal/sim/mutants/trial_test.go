package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
	d := driver{name: "toy", dir: "driver", module: ".", program: true, first: from(1), last: 4,
		args: func(n int) []string { return []string{fmt.Sprint(n)} }}
	return &trial{workshop: workshop{root: root, dir: t.TempDir()}, settings: settings{jobs: 2, limit: time.Minute}, results: &results{known: map[string]result{}}, notes: &bytes.Buffer{}}, d
}

func toyMutant(name, file, old, text string) mutant {
	return mutant{name: name, breaks: "x", shows: "y", by: "toy", where: "t.txt:1", edits: []edit{{file, old, text}}}
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
	}
	var out bytes.Buffer
	err := tr.run(t.Context(), &out, mutants, []driver{d})
	require.EqualError(t, err, "1 mutants survived and 2 could not be tried; a survivor is a hole in the simulator")
	for _, want := range []string{
		`killed    wrong-sum +toy +3 .* law 1: 1 and 2 are -1\n`, `SURVIVED  not-looked-at `, `BROKEN    no-go (.|\n)*undefined: nothing`,
		`BROKEN    out-of-date +.*occurs 0 times`, `killed 1 of 4 mutants, 1 survived, 2 broken; CPU time to kill: median \d`,
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

// TestTrialGoesOn demands that what a results file says of a mutant is believed as long as the source is the same, that a survivor gets what it has not had
// yet, and that a torn line is passed over.
func TestTrialGoesOn(t *testing.T) {
	t.Parallel()
	tr, d := toyTrial(t)
	path := filepath.Join(t.TempDir(), "results")
	mutants := []mutant{
		toyMutant("wrong-sum", "sum/sum.go", "	return a + b", "	return a - b"),
		toyMutant("not-looked-at", "sum/sum.go", "	return 1", "	return 2"),
	}
	again := func() (verdicts []result) {
		t.Helper()
		var out bytes.Buffer
		var err error
		tr.results, err = openResults(path)
		require.NoError(t, err)
		tr.json = true
		require.Error(t, tr.run(t.Context(), &out, mutants, []driver{d}))
		require.NoError(t, tr.results.close())
		var document struct {
			Killed int
			Rows   []result
		}
		require.NoError(t, json.Unmarshal(out.Bytes(), &document))
		require.Equal(t, 1, document.Killed)
		return document.Rows
	}
	d.last = 3
	first := again()
	require.True(t, first[0].Killed)
	require.Equal(t, "law 1: 1 and 2 are -1", first[0].Law)
	require.Equal(t, 3, first[1].Ranges)

	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteString(`{"mutant":"wrong-s`)
	require.NoError(t, errors.Join(err, file.Close()))
	d.args = func(n int) []string { // what has been is not done again, but for the look at the unchanged tree
		if n == 0 || n == 3 {
			return []string{fmt.Sprint(n)}
		}
		return []string{"1"}
	}
	d.last = 4
	second := again()
	require.Equal(t, first[0], second[0])
	require.Equal(t, 4, second[1].Ranges)
	require.Greater(t, second[1].CPU, first[1].CPU)

	tr.dir = t.TempDir()
	changed := filepath.Join(tr.root, "sum", "sum.go")
	require.NoError(t, os.WriteFile(changed, []byte(strings.Replace(toy["sum/sum.go"], "1\n", "int(uint8(1))\n", 1)+"\n\nvar Added = Sum(4, 5)\n"), 0o644))
	mutants[1].edits[0].old = "	return int(uint8(1))"
	require.NotEqual(t, first[0].Of, again()[0].Of)
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
	s, err := parseFlags([]string{"-only", "a,b", "-only", "c", "-limit", "3s", "-jobs", "2", "-results", "r", "-o", "json"})
	require.NoError(t, err)
	require.Equal(t, settings{only: []string{"a", "b", "c"}, jobs: 2, limit: 3 * time.Second, results: "r", json: true}, s)
	_, err = parseFlags([]string{"-o", "yaml"})
	require.ErrorContains(t, err, "yaml")
	_, err = parseFlags([]string{"-jobs", "0"})
	require.Error(t, err)
	_, err = parseFlags([]string{"stray"})
	require.ErrorContains(t, err, "stray")
	_, err = choose(drivers, []string{"nobody"}, func(d driver) string { return d.name }, "driver")
	require.EqualError(t, err, `there is no driver "nobody"`)
}
