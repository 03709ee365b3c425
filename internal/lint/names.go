package lint

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var (
	// ticked matches what stands in backticks, and linked what may be a link of Go's doc comments.
	ticked = regexp.MustCompile("`([^`]+)`")
	linked = regexp.MustCompile(`\[\*?([\pL_][\w.]*)\]`)
)

// identifier matches what is read as a Go name: Name, Type.Member, pkg.Name or pkg.Type.Member, maybe with () behind it.
var identifier = regexp.MustCompile(`^\*?([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?(?:\.([A-Za-z_]\w*))?(\(\))?$`)

// Names finds names in comments that do not exist. A name counts when it stands in backticks or is a doc link, and looks like one
// of ours: it has an upper-case part that also has lower-case letters (`Tree.Names`, [Finding]), or ends in (). Names of other
// modules and of the standard library are believed.
func (t *Tree) Names() []Finding {
	var found []Finding
	for _, p := range t.Packages {
		for _, f := range p.Files {
			for _, group := range f.AST.Comments {
				for _, c := range group.List {
					found = append(found, t.mentions(p, f, c)...)
				}
			}
		}
	}
	return found
}

func (t *Tree) mentions(p *Package, f *File, c *ast.Comment) []Finding {
	var found []Finding
	for i, line := range strings.Split(c.Text, "\n") {
		if strings.HasPrefix(line, "//go:") {
			continue
		}
		for _, name := range mentioned(line) {
			if parts := looksOurs(name); parts != nil && !t.resolves(p, f, parts) {
				found = append(found, Finding{f.Path, t.line(c.Pos()) + i, fmt.Sprintf("the comment names %s, which does not exist", name)})
			}
		}
	}
	return found
}

// mentioned gives what a line of a comment says to be a name.
func mentioned(line string) []string {
	var names []string
	for _, m := range ticked.FindAllStringSubmatch(line, -1) {
		names = append(names, m[1])
	}
	line = ticked.ReplaceAllString(line, " ")
	for _, m := range linked.FindAllStringSubmatchIndex(line, -1) {
		before, after := line[:m[0]], line[m[1]:]
		opens := before == "" || strings.ContainsAny(before[len(before)-1:], " \t(")
		if opens && (after == "" || strings.ContainsAny(after[:1], " \t.,:;!?)'")) {
			names = append(names, line[m[2]:m[3]])
		}
	}
	return names
}

// looksOurs splits a name into its parts, or gives nil when it is none that has to resolve.
func looksOurs(name string) []string {
	m := identifier.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	parts := slices.DeleteFunc(m[1:4], func(s string) bool { return s == "" })
	call := m[4] != ""
	if !call && !slices.ContainsFunc(parts, mixedCase) {
		return nil
	}
	return parts
}

func mixedCase(s string) bool {
	return ast.IsExported(s) && strings.ToUpper(s) != s
}

// resolves tells whether a name mentioned in a file exists.
func (t *Tree) resolves(p *Package, f *File, parts []string) bool {
	if t.symbols[p.Dir].resolves(parts) {
		return true
	}
	if len(parts) == 1 {
		return predeclared[parts[0]]
	}
	known := false
	for _, other := range t.Packages {
		if other.Name == parts[0] || path.Base(other.Dir) == parts[0] {
			known = true
			if t.symbols[other.Dir].resolves(parts[1:]) {
				return true
			}
		}
	}
	for _, i := range f.Imports {
		if !within(i.Path, t.Module) && (path.Base(i.Path) == parts[0] || localName(f, i.Path) == parts[0]) {
			return true
		}
	}
	// A lower-case first part that is no package of ours is one of somebody else, or a variable.
	return !known && !ast.IsExported(parts[0])
}

// predeclared are names with capitals that are Go's own and need no package.
var predeclared = map[string]bool{"Output": true}

// resolves finds Name, Name.Member, or a member alone, as a comment on a type may mention it.
func (s *symbols) resolves(parts []string) bool {
	switch len(parts) {
	case 1:
		if s.top[parts[0]] {
			return true
		}
		for member := range s.members {
			if strings.HasSuffix(member, "."+parts[0]) {
				return true
			}
		}
	case 2:
		return s.top[parts[0]] && s.has(parts[0], parts[1])
	}
	return false
}

var (
	// placed matches path/file.go:Name and path/file.go:Type.Name on a page.
	placed = regexp.MustCompile(`([\w./-]*\w\.go):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)`)
	// goFile matches a Go file with its directory on a page.
	goFile = regexp.MustCompile(`(?:^|[\s(\x60*])((?:[\w.-]+/)+[\w-]+\.go)\b`)
	// link matches a relative link on a page.
	link = regexp.MustCompile(`\]\(([^)\s:#]+)(?:#[^)\s]*)?\)`)
)

// PageNames finds what the pages (README.md and docs, down to the decisions) name and does not exist: path/file.go:Name, path/file.go, and the
// targets of relative links.
func (t *Tree) PageNames() ([]Finding, error) {
	var found []Finding
	for _, page := range t.Pages {
		if page != "README.md" && !within(page, "docs") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(page)))
		if err != nil {
			return nil, err
		}
		for i, line := range strings.Split(string(data), "\n") {
			for _, text := range t.pageLine(page, line) {
				found = append(found, Finding{page, i + 1, text})
			}
		}
	}
	return found, nil
}

// pageLine says what is wrong with a line of a page.
func (t *Tree) pageLine(page, line string) []string {
	var wrong []string
	for _, m := range placed.FindAllStringSubmatch(line, -1) {
		if s := t.symbols[path.Dir(m[1])]; s == nil || s.byFile[m[1]] == nil {
			wrong = append(wrong, fmt.Sprintf("names %s, but there is no file %s", m[0], m[1]))
		} else if !s.byFile[m[1]][m[2]] {
			wrong = append(wrong, fmt.Sprintf("names %s, but %s does not declare %s", m[0], m[1], m[2]))
		}
	}
	for _, m := range goFile.FindAllStringSubmatch(placed.ReplaceAllString(line, ""), -1) {
		if !t.exists(m[1]) {
			wrong = append(wrong, fmt.Sprintf("names %s, which does not exist", m[1]))
		}
	}
	for _, m := range link.FindAllStringSubmatch(line, -1) {
		if !t.exists(path.Join(path.Dir(page), m[1])) {
			wrong = append(wrong, fmt.Sprintf("links to %s, which does not exist", m[1]))
		}
	}
	return wrong
}

func (t *Tree) exists(name string) bool {
	_, err := os.Stat(filepath.Join(t.Root, filepath.FromSlash(name)))
	return err == nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
