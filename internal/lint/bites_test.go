package lint_test

import "strings"

// bite is a tree and what a rule is to find in it, in order.
type bite struct {
	rule, name string
	files      map[string]string
	want       []string
}

// imports is a file of a package that imports paths of the module, or, with a dot in the first part, of others.
func imports(pkg string, paths ...string) string {
	text := "package " + pkg + "\n"
	for _, p := range paths {
		if first, _, _ := strings.Cut(p, "/"); !strings.Contains(first, ".") && first != "std:" {
			p = "m.org/m/" + p
		}
		text += "import _ \"" + strings.TrimPrefix(p, "std:/") + "\"\n"
	}
	return text
}

var bites = []bite{
	{"Arrows", "arrows that are drawn", map[string]string{
		"raft/a.go":                     imports("raft", "raft/quorum", "std:/fmt"),
		"ledger/a.go":                   imports("ledger", "raft", "internal/fs"),
		"ledger/b_test.go":              imports("ledger_test", "internal/sim/disk", "internal/fs/fstest", "github.com/stretchr/testify/require"),
		"kv/store/a.go":                 imports("store", "kv", "node", "github.com/vmihailenco/msgpack/v5"),
		"kv/store/b_test.go":            imports("store", "ledger", "statemachine/smtest", "github.com/cockroachdb/pebble/v2/vfs"),
		"node/transport/memtest/kit.go": imports("memtest", "internal/sim", "github.com/stretchr/testify/require", "raft/rafttest"),
		"internal/sim/a.go":             imports("sim", "node", "kv", "statemachine/smtest", "internal/chaos"),
		"cmd/ledgerkv/main.go":          imports("main", "client", "ledger", "raft", "bench/load"),
		"raft/raft_test.go":             imports("raft_test", "raft", "raft/rafttest"),
	}, nil},
	{"Arrows", "arrows that are not", map[string]string{
		"client/a.go":             imports("client", "node"),
		"examples/a.go":           imports("main", "bench/load"),
		"kv/a.go":                 imports("kv", "bench"),
		"kv/model/a.go":           imports("model", "statemachine"),
		"ledger/a.go":             imports("ledger", "github.com/stretchr/testify/require", "internal/sim/disk", "node"),
		"ledger/b_test.go":        imports("ledger_test", "node", "github.com/google/btree"),
		"node/a.go":               imports("node", "statemachine/btree", "cmd/ledgerkv"),
		"raft/a.go":               imports("raft", "internal/fs"),
		"snapshot/a.go":           imports("snapshot", "C.x/y", "strange/room"),
		"statemachine/a.go":       imports("statemachine", "raft"),
		"statemachine/image/a.go": imports("image", "statemachine/smtest"),
		"strange/a.go":            imports("strange"),
	}, []string{
		"client/a.go:2: the arrow client → node is not in the drawing",
		"examples/a.go:2: imports bench/load, which is there for tests and programs",
		"kv/a.go:2: imports bench, which is there for tests and programs",
		"kv/model/a.go:2: the arrow kv/model → statemachine is not in the drawing (docs/architecture.md, internal/lint/rooms.go); kv/model may import nothing",
		"ledger/a.go:2: ledger may not import github.com/stretchr/testify/require; outside the standard library it may import nothing",
		"ledger/a.go:3: imports internal/sim/disk, which is there for tests",
		"ledger/a.go:4: the arrow ledger → node",
		"ledger/b_test.go:2: the arrow ledger → node",
		"ledger/b_test.go:3: ledger may not import github.com/google/btree",
		"node/a.go:2: the arrow node → statemachine/btree",
		"node/a.go:3: imports cmd/ledgerkv",
		"raft/a.go:2: the arrow raft → internal/fs",
		"snapshot/a.go:2: snapshot may not import C.x/y",
		"snapshot/a.go:3: imports strange/room, which belongs to no room",
		"statemachine/a.go:2: the arrow statemachine → raft",
		"statemachine/image/a.go:2: imports the conformance kit statemachine/smtest; only tests may",
		"strange: belongs to no room",
	}},
	{"Arrows", "the root and cgo", map[string]string{
		"a.go":      "package m\n",
		"raft/a.go": "package raft\n\nimport \"C\"\n\nimport _ \"m.org/m\"\n",
	}, []string{".: belongs to no room", "raft/a.go:3: uses cgo", "raft/a.go:5: imports ., which belongs to no room"}},
	{"Purity", "a pure core", map[string]string{
		"raft/a.go":      "package raft\n\nimport (\n\t\"math/rand/v2\"\n\t\"time\"\n)\n\nvar R = rand.New(rand.NewPCG(1, 2)).IntN(3)\n\nconst D = time.Second\n",
		"raft/a_test.go": "package raft\n\nimport \"os\"\n\nvar C = make(chan int)\n\nvar P = os.Getpid()\n",
		"ledger/a.go":    "package ledger\n\nimport \"os\"\n\nvar C = make(chan int)\n\nvar P = os.Getpid()\n",
	}, nil},
	{"Purity", "an impure core", map[string]string{
		"raft/a.go": "package raft\n\nimport (\n\t\"fmt\"\n\tr \"math/rand/v2\"\n\t\"sync\"\n\t\"time\"\n)\n\nvar M sync.Mutex\n\nvar T = time.Now()\n\nvar N = r.IntN(3)\n\n" +
			"func F(c chan int) {\n\tgo F(c)\n\tfmt.Println()\n}\n",
		"raft/quorum/a.go": "package quorum\n\nimport \"os\"\n\nvar P = os.Getpid()\n",
	}, []string{
		"raft/a.go:6: the core is pure and may not import sync",
		"raft/a.go:12: uses time.Now; the core is told the time by Tick",
		"raft/a.go:14: uses math/rand/v2.IntN; the core's random numbers come from its seed",
		"raft/a.go:18: uses fmt.Println",
		"raft/a.go:16: the core is pure and has no goroutines or channels",
		"raft/a.go:17: the core is pure and has no goroutines or channels",
		"raft/quorum/a.go:3: the core is pure and may not import os",
	}},
	{"Lengths", "long enough", map[string]string{
		"raft/a.go": "package raft\n\nfunc F() {\n" + strings.Repeat("\n", 68) + "}\n" + strings.Repeat("\n", 600-72),
	}, nil},
	{"Lengths", "too long", map[string]string{
		"raft/a.go":      "package raft\n\nfunc F() {\n" + strings.Repeat("\n", 69) + "}\n\nfunc (t *T[K]) M() {\n" + strings.Repeat("\n", 69) + "}\n",
		"raft/b_test.go": "package raft\n" + strings.Repeat("\n", 600),
	}, []string{"raft/a.go:3: F has 71 lines", "raft/a.go:75: T.M has 71 lines", "raft/b_test.go: has 601 lines, at most 600"}},
	{"Comments", "all said", map[string]string{
		"kv/doc.go": "// Package kv is one.\npackage kv\n",
		"kv/a.go": "package kv\n\n// A and B are said at once.\nfunc A() {}\nfunc B() {}\n\n// T is.\ntype T struct{ Field int }\n\nfunc (T) Error() string { return \"\" }\nfunc (t) Method() {}\n\n" +
			"type t int\n\n// The aliases are described elsewhere.\ntype (\n\tX = T\n\tY = t\n)\n\n// Some numbers.\nconst (\n\tC1 = 1\n\tC2 = 2\n)\n\nvar V = 1 // V counts.\n\n" +
			"// I is.\ntype I interface {\n\t// M does.\n\tM()\n\terror\n}\n",
		"kv/a_test.go":         "package kv\n\nfunc TestIt() {}\n",
		"cmd/ledgerkv/main.go": "// Command ledgerkv runs.\npackage main\n\nfunc Exported() {}\n",
	}, nil},
	{"Comments", "much unsaid", map[string]string{
		"client/a.go": "package client\n",
		"kv/kv.go":    "// Package kv is one.\npackage kv\n",
		"kv/a.go": "package kv\n\n// A alone is said.\nfunc A() {}\nfunc B() {}\n\n// C is said.\nfunc C() {}\n\nfunc D() {}\n\ntype T int\n\nfunc (*T) Method() {}\n\n" +
			"// Types are not covered by their group.\ntype (\n\tX struct{}\n)\n\nconst C1 = 1\n\n// I is.\ntype I interface {\n\tM()\n}\n",
	}, []string{
		"client: the package has no package comment",
		"kv/kv.go: the package comment belongs into doc.go",
		"kv/a.go:5: B is", "kv/a.go:10: D is", "kv/a.go:12: T is", "kv/a.go:14: T.Method is", "kv/a.go:18: X is", "kv/a.go:21: C1 is", "kv/a.go:25: I.M is",
	}},
	{"Habits", "good ones", map[string]string{
		"raft/a.go":      "package raft\n\nimport \"time\"\n\ntype ImplicitTerm int\n\ntype Index int\n\nvar T = time.Second\n",
		"raft/a_test.go": "package raft\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
	}, nil},
	{"Habits", "bad ones", map[string]string{
		"raft/a.go":        "package raft\n\nimport clock \"time\"\n\ntype (\n\tLogManager int\n\tstoreImpl int\n\tIStore int\n)\n\nfunc f() { clock.Sleep(1) }\n",
		"raft/util/a.go":   "package strings\n",
		"raft/text/a.go":   "package helpers\n",
		"raft/common/a.go": "package common\n",
	}, []string{
		"raft/a.go:6: the type name LogManager", "raft/a.go:7: the type name storeImpl", "raft/a.go:8: the type name IStore",
		"raft/a.go:11: uses time.Sleep",
		`raft/common: the package name "common"`, `raft/text: the package name "helpers"`, `raft/util: the package name "util"`,
	}},
	{"Names", "names that exist", map[string]string{
		"raft/a.go": "package raft\n\n// F knows `F`, [T], [T.Method], [*T], `T.Field`, `Field`, `T.Inner`, `T.Deep`, [Inner.Deep], `raft.T`, `raft.T.Method`, `f()`, [T.Name]: all\n" +
			"// of them. But `put`, `NODE`, `LK`, `lower.case`, `a b`, `X=1`, [lo, hi), x[Index], [0], [Link](http://x.y), `os.File`, [testing.T], `bytes.Buffer.Len` it leaves alone.\n" +
			"//\n//go:generate `Nothing`\nfunc F() {}\n\nfunc f() {}\n\n// T is.\ntype T struct {\n\tField int\n\tInner\n\tos.File\n}\n\n// Method is.\nfunc (*T) Method() {}\n\n// Inner is.\ntype Inner struct{ Deep int }\n",
		"raft/b_test.go": "package raft\n\n// Output: `Output`\n",
		"kv/a.go":        "package kv\n\n// Alias has [Alias.Field] and [raft.Inner].\ntype Alias = raft.T\n",
	}, nil},
	{"Names", "names that do not", map[string]string{
		"raft/a.go":      "package raft\n\n// F knows [Gone] [Lost].\n// And `T.Gone`,\n// `raft.Gone`\n// `raft.T.Gone`, `gone()`, [Gone.Field].\nfunc F() {}\n\n// T is.\ntype T struct{ Field int }\n\nfunc (t *T) m() {\n\t// inside too: `Gone`\n}\n",
		"raft/b_test.go": "package raft\n\n/* Here: `Gone`\nand `T.Gone`. */\n",
	}, []string{
		"raft/a.go:3: the comment names Gone", "raft/a.go:3: the comment names Lost", "raft/a.go:4: the comment names T.Gone", "raft/a.go:5: the comment names raft.Gone",
		"raft/a.go:6: the comment names raft.T.Gone", "raft/a.go:6: the comment names gone()", "raft/a.go:6: the comment names Gone.Field",
		"raft/a.go:13: the comment names Gone", "raft/b_test.go:3: the comment names Gone", "raft/b_test.go:4: the comment names T.Gone",
	}},
	{"PageNames", "pages that are right", map[string]string{
		"raft/core.go":     "package raft\n\ntype Core struct{ Term int }\n\nfunc (c *Core) Propose() {}\n\nfunc New() {}\n\nconst Max = 1\n",
		"README.md":        "See `raft/core.go:Core.Propose`, raft/core.go:New (and raft/core.go:Max), `raft/core.go:Core`; raft/core.go:Core.Term, raft/core.go, [docs](docs/a.md#part), [x](https://x.y), [y](#here).\n",
		"docs/a.md":        "[back](../README.md) [adr](adr/0001.md)\n",
		"docs/adr/0001.md": "[up](../a.md)\n",
		"bench/NOTES.md":   "raft/core.go:Gone [none](none.md)\n",
	}, nil},
	{"PageNames", "pages that are wrong", map[string]string{
		"raft/core.go":     "package raft\n\ntype Core int\n",
		"raft/other.go":    "package raft\n\nfunc New() {}\n",
		"README.md":        "`raft/core.go:New`\n`raft/gone.go:New` x\n\nin `kv/gone.go` and [none](docs/none.md#part)\n",
		"docs/adr/0001.md": "raft/core.go:Core.Propose.\n",
	}, []string{
		"README.md:1: names raft/core.go:New, but raft/core.go does not declare New",
		"README.md:2: names raft/gone.go:New, but there is no file raft/gone.go",
		"README.md:4: names kv/gone.go, which does not exist",
		"README.md:4: links to docs/none.md, which does not exist",
		"docs/adr/0001.md:1: names raft/core.go:Core.Propose, but",
	}},
	{"Linked", "lean", map[string]string{
		"raft/a.go":        "package raft\n\nimport _ \"m.org/m/raft/quorum\"\n",
		"raft/quorum/a.go": "package quorum\n\nimport _ \"fmt\"\n",
		"ledger/a.go":      "package ledger\n\nimport _ \"m.org/m/raft\"\n",
	}, nil},
	{"Linked", "not lean", map[string]string{
		"raft/a.go":        "package raft\n\nimport _ \"m.org/m/raft/quorum\"\n",
		"raft/quorum/a.go": "package quorum\n\nimport _ \"m.org/m/kv\"\n",
		"kv/a.go":          "package kv\n",
		"ledger/a.go":      "package ledger\n\nimport _ \"m.org/m/raft\"\nimport _ \"x.org/x\"\n",
	}, []string{"raft: links m.org/m/kv;", "raft/quorum: links m.org/m/kv;", "ledger: links m.org/m/kv;", "ledger: links x.org/x;"}},
}
