package lint

import (
	"bytes"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// Lean are the rooms that link the standard library and ours alone, so that who embeds them takes on nothing else.
var Lean = []string{"raft", "raft/quorum", "ledger", "snapshot", "statemachine", "statemachine/image", "node", "node/transport",
	"kv/model", "internal/fs", "internal/wire"}

// Linked asks the go command what the lean rooms link, directly or not, and finds what they must not. Rooms that do not exist yet
// are passed over.
func (t *Tree) Linked() ([]Finding, error) {
	var found []Finding
	for _, dir := range Lean {
		if !slices.ContainsFunc(t.Packages, func(p *Package) bool { return p.Dir == dir }) {
			continue
		}
		packages, err := t.deps(dir)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if ours, ok := strings.CutPrefix(p, t.Module+"/"); ok && allows(dir, ours) {
				continue
			}
			found = append(found, Finding{dir, 0, fmt.Sprintf("links %s; it may link the standard library and what it stands on (internal/lint/rooms.go) alone", p)})
		}
	}
	return found, nil
}

// allows tells whether one of our packages may be part of what a room links.
func allows(dir, target string) bool {
	room, other := roomOf(dir), roomOf(target)
	return other != nil && (other == room || slices.Contains(room.below(), other.Dir))
}

// deps gives all packages outside the standard library that a directory's package depends on, tests apart.
func (t *Tree) deps(dir string) ([]string, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", t.Module+"/"+path.Clean(dir))
	cmd.Dir = t.Root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, stderr.String())
	}
	return strings.Fields(string(out)), nil
}
