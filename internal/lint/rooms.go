package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Room is a part of the tree: a directory and what is below it, as far as no other room begins there.
type Room struct {
	// Dir is relative to the module's root.
	Dir string
	// Ours are the rooms that this one may import; its own packages it always may.
	Ours []string
	// Theirs are the modules outside the standard library that it may import, by prefix of the import path.
	Theirs []string
	// Any: it may import every room.
	Any bool
	// Closed: nobody imports it but tests, conformance kits, and rooms that are Closed themselves and list it.
	Closed bool
}

// Rooms is the drawing of docs/architecture.md as a table: every arrow that there may be. The arrow points from Dir to Ours.
var Rooms = []Room{
	{Dir: "raft", Ours: []string{"raft/quorum"}},
	{Dir: "raft/quorum"},
	{Dir: "raft/rafttest", Ours: []string{"raft"}},
	{Dir: "ledger", Ours: []string{"raft", "internal/fs"}},
	{Dir: "snapshot", Ours: []string{"raft", "internal/fs"}},
	{Dir: "statemachine"},
	{Dir: "statemachine/image", Ours: []string{"statemachine"}},
	{Dir: "statemachine/btree", Ours: []string{"statemachine", "statemachine/image"}, Theirs: []string{"github.com/google/btree"}},
	{Dir: "statemachine/pebble", Ours: []string{"statemachine", "statemachine/image", "internal/fs"},
		Theirs: []string{"github.com/cockroachdb/pebble/v2"}},
	{Dir: "statemachine/smtest", Ours: []string{"statemachine", "statemachine/image"}},
	{Dir: "node", Ours: []string{"raft", "ledger", "snapshot", "statemachine", "node/transport", "internal/fs"}},
	{Dir: "node/transport", Ours: []string{"raft", "internal/wire"}},
	{Dir: "kv", Ours: []string{"kv/model", "node", "statemachine", "statemachine/image", "statemachine/btree", "statemachine/pebble",
		"internal/wire"}, Theirs: []string{"github.com/vmihailenco/msgpack/v5"}},
	{Dir: "kv/model"},
	{Dir: "kv/server", Ours: []string{"kv", "kv/model", "node", "ledger", "raft", "statemachine", "statemachine/image", "internal/wire"}},
	{Dir: "client", Ours: []string{"kv/model", "internal/wire"}, Theirs: []string{"github.com/vmihailenco/msgpack/v5"}},
	{Dir: "cmd", Ours: []string{"client", "kv", "kv/model", "kv/server", "node", "ledger", "raft", "internal/fs", "bench"}, Closed: true},
	{Dir: "examples", Ours: []string{"client", "kv", "kv/model", "node", "ledger", "raft", "snapshot", "statemachine",
		"statemachine/btree", "statemachine/pebble"}, Closed: true},
	{Dir: "bench", Theirs: []string{"github.com/HdrHistogram/hdrhistogram-go"}, Any: true, Closed: true},
	{Dir: "internal/fs"},
	{Dir: "internal/wire", Theirs: []string{"github.com/vmihailenco/msgpack/v5"}},
	{Dir: "internal/sim", Any: true, Closed: true},
	{Dir: "internal/chaos", Theirs: []string{"github.com/anishathalye/porcupine"}, Any: true, Closed: true},
	{Dir: "internal/lint", Closed: true},
}

// ForTests is what tests and conformance kits may import on top of what their room stands on.
var ForTests = Room{
	Ours: []string{"internal/sim", "internal/fs", "statemachine", "statemachine/image", "statemachine/btree", "statemachine/smtest"},
	// The kit is the same for all; goleak and the like would be listed here. Porcupine is what internal/sim/check is held against.
	Theirs: []string{"github.com/stretchr/testify", "github.com/anishathalye/porcupine"},
}

// isKit tells whether a directory is a conformance kit, which is code of tests though its files do not say so.
func isKit(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// within tells whether p is prefix or lies below it.
func within(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

// roomOf finds the room of a directory: the one with the longest Dir.
func roomOf(dir string) *Room {
	var found *Room
	for i, r := range Rooms {
		if within(dir, r.Dir) && (found == nil || len(r.Dir) > len(found.Dir)) {
			found = &Rooms[i]
		}
	}
	return found
}

// below gives the rooms that a room stands on: those it may import, those they may import, and so on.
func (r *Room) below() []string {
	var all []string
	for todo := slices.Clone(r.Ours); len(todo) > 0; todo = todo[1:] {
		if slices.Contains(all, todo[0]) {
			continue
		}
		all = append(all, todo[0])
		todo = append(todo, roomOf(todo[0]).Ours...)
	}
	return all
}

// Arrows finds the imports that Rooms does not allow, and directories that are no room's.
func (t *Tree) Arrows() []Finding {
	var found []Finding
	for _, p := range t.Packages {
		room := roomOf(p.Dir)
		if room == nil {
			found = append(found, Finding{p.Dir, 0, "belongs to no room; put it into one, or draw a new room in internal/lint/rooms.go"})
			continue
		}
		for _, f := range p.Files {
			for _, i := range f.Imports {
				if why := t.refuses(room, f.Test || isKit(p.Dir), p.Dir, i.Path); why != "" {
					found = append(found, Finding{f.Path, i.Line, why})
				}
			}
		}
	}
	return found
}

// refuses says why a room may not import a path, or "" when it may.
func (t *Tree) refuses(room *Room, test bool, dir, imported string) string {
	if imported == t.Module {
		imported = t.Module + "/."
	}
	target, ours := strings.CutPrefix(imported, t.Module+"/")
	if !ours {
		return room.refusesTheirs(test, imported)
	}
	other := roomOf(target)
	switch {
	case other == nil:
		return fmt.Sprintf("imports %s, which belongs to no room", target)
	case test && (isKit(target) || slices.Contains(ForTests.Ours, other.Dir) || slices.Contains(room.below(), other.Dir)):
		return ""
	case isKit(target) && !test && !room.Closed:
		return fmt.Sprintf("imports the conformance kit %s; only tests may", target)
	case other == room || room.Any:
		return ""
	case other.Closed && !(room.Closed && slices.Contains(room.Ours, other.Dir)):
		return fmt.Sprintf("imports %s, which is there for tests and programs and is imported by nobody else", target)
	case !slices.Contains(room.Ours, other.Dir):
		return fmt.Sprintf("the arrow %s → %s is not in the drawing (docs/architecture.md, internal/lint/rooms.go); %s may import %s",
			room.Dir, other.Dir, room.Dir, list(room.Ours))
	}
	return ""
}

// refusesTheirs says why a room may not import a package that is not ours.
func (r *Room) refusesTheirs(test bool, imported string) string {
	first, _, _ := strings.Cut(imported, "/")
	if imported == "C" {
		return "uses cgo; the module is pure Go"
	}
	if !strings.Contains(first, ".") {
		return "" // the standard library
	}
	allowed := slices.Clone(r.Theirs)
	if test {
		allowed = append(allowed, ForTests.Theirs...)
		for _, b := range r.below() {
			allowed = append(allowed, roomOf(b).Theirs...)
		}
	}
	if r.Any {
		for _, other := range Rooms {
			allowed = append(allowed, other.Theirs...)
		}
	}
	if slices.ContainsFunc(allowed, func(prefix string) bool { return within(imported, prefix) }) {
		return ""
	}
	return fmt.Sprintf("%s may not import %s; outside the standard library it may import %s", r.Dir, imported, list(allowed))
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
