package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// badPackages are names that say nothing of what is inside.
var badPackages = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "shared", "lib"}

// badTypes matches type names that say nothing of what the type is.
var badTypes = regexp.MustCompile(`(Manager|Impl|Helper|Util|Utils)$|^I[A-Z][a-z]`)

// Habits finds what we do not do: packages and types with names that say nothing, and code that sleeps.
func (t *Tree) Habits() []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, name := range []string{p.Name, path.Base(p.Dir)} {
			if slices.Contains(badPackages, name) {
				found = append(found, Finding{p.Dir, 0, fmt.Sprintf("the package name %q says nothing; name it for what it holds", name)})
				break
			}
		}
		for _, f := range p.Files {
			found = append(found, t.badTypeNames(f)...)
			if !f.Test {
				found = append(found, t.uses(f, "time", []string{"Sleep"}, "wait for what you wait for, with a timer that can be stopped")...)
			}
		}
	}
	return found
}

func (t *Tree) badTypeNames(f *File) []Finding {
	var found []Finding
	for _, decl := range f.AST.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			if name := spec.(*ast.TypeSpec).Name; badTypes.MatchString(name.Name) {
				found = append(found, Finding{f.Path, t.line(name.Pos()), fmt.Sprintf("the type name %s says nothing; name it for what it is", name.Name)})
			}
		}
	}
	return found
}

// uses finds the names of a package of the standard library that a file uses and should not.
func (t *Tree) uses(f *File, pkg string, names []string, instead string) []Finding {
	local := localName(f, pkg)
	if local == "" {
		return nil
	}
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			found = append(found, Finding{f.Path, t.line(sel.Pos()), fmt.Sprintf("uses %s.%s; %s", pkg, sel.Sel.Name, instead)})
		}
		return true
	})
	return found
}

// localName gives the name under which a file imports a package, "" when it does not.
func localName(f *File, pkg string) string {
	for _, spec := range f.AST.Imports {
		if imported, _ := strconv.Unquote(spec.Path.Value); imported == pkg {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(strings.TrimSuffix(pkg, "/v2"))
		}
	}
	return ""
}

// pureImports is all of the standard library that the core needs. None of it blocks, reads a clock or a file, or has
// a state of its own; of the packages time and math/rand/v2 the parts that do are refused by name.
var pureImports = []string{"bytes", "cmp", "encoding/binary", "errors", "fmt", "hash/crc32", "iter", "maps", "math", "math/bits",
	"math/rand/v2", "slices", "sort", "strconv", "strings", "time", "unicode/utf8"}

// Purity finds what the consensus core, raft and raft/quorum, must not have: goroutines, channels, clocks, files, locks,
// loggers, and random numbers that do not come from its seed.
func (t *Tree) Purity() []Finding {
	var found []Finding
	for _, p := range t.Packages {
		if p.Dir != "raft" && p.Dir != "raft/quorum" {
			continue
		}
		for _, f := range p.code() {
			for _, i := range f.Imports {
				if !strings.HasPrefix(i.Path, t.Module+"/") && !slices.Contains(pureImports, i.Path) {
					found = append(found, Finding{f.Path, i.Line, "the core is pure and may not import " + i.Path})
				}
			}
			found = append(found, t.uses(f, "time", []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"},
				"the core is told the time by Tick")...)
			found = append(found, t.uses(f, "math/rand/v2", []string{"Int", "IntN", "Int64", "Int64N", "Uint32", "Uint64", "Uint64N",
				"N", "Float64", "Perm", "Shuffle", "Int32", "Int32N", "Uint32N", "UintN", "Uint"},
				"the core's random numbers come from its seed")...)
			found = append(found, t.uses(f, "fmt", []string{"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"}, "the core talks to nobody")...)
			found = append(found, t.concurrency(f)...)
		}
	}
	return found
}

// concurrency finds goroutines and channels.
func (t *Tree) concurrency(f *File) []Finding {
	var found []Finding
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.GoStmt, *ast.ChanType, *ast.SelectStmt, *ast.SendStmt:
			found = append(found, Finding{f.Path, t.line(n.Pos()), "the core is pure and has no goroutines or channels"})
		}
		return true
	})
	return found
}
