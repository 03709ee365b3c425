package lint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/internal/lint"
)

// TestTheTree applies every rule to the module.
func TestTheTree(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	tree, err := lint.Load(root)
	require.NoError(t, err)
	require.Equal(t, "github.com/ledgerkv/ledgerkv", tree.Module)
	require.Greater(t, len(tree.Packages), 5)
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			found, err := rule(tree)
			require.NoError(t, err)
			for _, f := range found {
				t.Error(f)
			}
		})
	}
}

// rules are all rules by name.
var rules = map[string]func(*lint.Tree) ([]lint.Finding, error){
	"Arrows":    func(t *lint.Tree) ([]lint.Finding, error) { return t.Arrows(), nil },
	"Purity":    func(t *lint.Tree) ([]lint.Finding, error) { return t.Purity(), nil },
	"Lengths":   func(t *lint.Tree) ([]lint.Finding, error) { return t.Lengths(), nil },
	"Comments":  func(t *lint.Tree) ([]lint.Finding, error) { return t.Comments(), nil },
	"Habits":    func(t *lint.Tree) ([]lint.Finding, error) { return t.Habits(), nil },
	"Names":     func(t *lint.Tree) ([]lint.Finding, error) { return t.Names(), nil },
	"PageNames": (*lint.Tree).PageNames,
	"Linked":    (*lint.Tree).Linked,
}

// TestTheRulesBite gives each rule small trees: what it must find, and what it must let pass.
func TestTheRulesBite(t *testing.T) {
	t.Parallel()
	for _, test := range bites {
		t.Run(test.rule+"/"+strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			found, err := rules[test.rule](grow(t, test.files))
			require.NoError(t, err)
			got := []string{}
			for _, f := range found {
				got = append(got, f.String())
			}
			require.Len(t, got, len(test.want), "%s", strings.Join(got, "\n"))
			for i, want := range test.want {
				require.Contains(t, got[i], want)
			}
		})
	}
}

// grow writes a module and loads it.
func grow(t *testing.T, files map[string]string) *lint.Tree {
	t.Helper()
	root := t.TempDir()
	plant(t, root, "go.mod", "module m.org/m\n\ngo 1.26\n")
	for name, text := range files {
		plant(t, root, name, text)
	}
	tree, err := lint.Load(root)
	require.NoError(t, err)
	return tree
}

func plant(t *testing.T, root, name, text string) {
	t.Helper()
	name = filepath.Join(root, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
}

func TestLoad(t *testing.T) {
	t.Parallel()
	tree := grow(t, map[string]string{
		"raft/raft.go":          "package raft\n",
		"raft/raft_test.go":     "package raft_test\n",
		"only/only_test.go":     "package only_test\n",
		"raft/testdata/x.go":    "not Go",
		"vendor/x/x.go":         "not Go",
		".git/x.go":             "not Go",
		"_old/x.go":             "not Go",
		"bench/peers/go.mod":    "module other\n",
		"bench/peers/x.go":      "not Go",
		"docs/adr/0001-page.md": "",
	})
	var dirs []string
	for _, p := range tree.Packages {
		dirs = append(dirs, p.Dir+" "+p.Name)
	}
	require.Equal(t, []string{"only ", "raft raft"}, dirs)
	require.Equal(t, []string{"docs/adr/0001-page.md"}, tree.Pages)

	_, err := lint.Load(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist, "no go.mod")
	root := t.TempDir()
	plant(t, root, "go.mod", "go 1.26\n")
	_, err = lint.Load(root)
	require.ErrorContains(t, err, "expected a module line")
	plant(t, root, "go.mod", "module m\n")
	plant(t, root, "a.go", "package")
	_, err = lint.Load(root)
	require.ErrorContains(t, err, "a.go:1")
}

// TestExceptions: one that is needed is honoured, one that is not is a finding.
func TestExceptions(t *testing.T) {
	tree := grow(t, map[string]string{"raft/long.go": "package raft\n\ntype T int\n\nfunc (t *T) Long() {\n" + strings.Repeat("\n", 69) + "}\n"})
	require.Len(t, tree.Lengths(), 1+len(lint.Exceptions))
	before := lint.Exceptions
	t.Cleanup(func() { lint.Exceptions = before })
	lint.Exceptions = map[string]string{"raft/long.go:T.Long": "it reads best in one piece"}
	require.Empty(t, tree.Lengths())
	lint.Exceptions["raft/gone.go:F"] = "was once long"
	found := tree.Lengths()
	require.Len(t, found, 1)
	require.Contains(t, found[0].Text, "raft/gone.go:F is not needed")
}

// TestRoomsAreSound: every arrow ends in a room, and no two rooms stand on each other.
func TestRoomsAreSound(t *testing.T) {
	t.Parallel()
	arrows := map[string][]string{}
	for _, r := range lint.Rooms {
		require.NotContains(t, arrows, r.Dir, "drawn twice")
		arrows[r.Dir] = r.Ours
	}
	var visit func(dir string, trail []string)
	visit = func(dir string, trail []string) {
		require.Contains(t, arrows, dir, "an arrow to no room, from %v", trail)
		require.NotContains(t, trail, dir, "a cycle")
		for _, next := range arrows[dir] {
			visit(next, append(trail, dir))
		}
	}
	for _, r := range lint.Rooms {
		visit(r.Dir, nil)
	}
}
