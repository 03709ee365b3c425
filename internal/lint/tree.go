package lint

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Finding is one violation of a rule: where, what was found, and what to do about it.
type Finding struct {
	// Path is relative to the module's root, with slashes.
	Path string
	// Line counts from 1; 0 means the whole file or directory.
	Line int
	Text string
}

// String gives path:line: text.
func (f Finding) String() string {
	if f.Line == 0 {
		return f.Path + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.Path, f.Line, f.Text)
}

// Tree is the parsed source of a module. It is not changed after Load.
type Tree struct {
	// Root is the directory of go.mod.
	Root string
	// Module is the module's path.
	Module string
	// Packages is sorted by Dir.
	Packages []*Package
	// Pages are the Markdown files, relative to Root, sorted.
	Pages []string

	fset    *token.FileSet
	symbols map[string]*symbols // by Package.Dir
}

// Package is a directory with Go files, those of its external tests included.
type Package struct {
	// Dir is relative to the module's root; "." is the root.
	Dir string
	// Name is the package's name; "" when there are only external tests.
	Name  string
	Files []*File
}

// File is a parsed Go file.
type File struct {
	// Path is relative to the module's root.
	Path  string
	Lines int
	// Test says that the name ends in _test.go.
	Test    bool
	AST     *ast.File
	Imports []Import
}

// Import is one import of a file.
type Import struct {
	Path string
	Line int
}

// Load parses the module whose go.mod is in root. Directories that the go tool skips (testdata, vendor, names that begin with a
// dot or an underscore) and modules within the module are left out. A file that does not parse is an error.
func Load(root string) (*Tree, error) {
	module, err := modulePath(filepath.Join(root, "go.mod"))
	if err != nil {
		return nil, err
	}
	t := &Tree{Root: root, Module: module, fset: token.NewFileSet(), symbols: map[string]*symbols{}}
	byDir := map[string]*Package{}
	err = filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if entry.IsDir() {
			if rel != "." && t.skips(name, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		switch path.Ext(rel) {
		case ".go":
			return t.addFile(byDir, rel)
		case ".md":
			t.Pages = append(t.Pages, rel)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(t.Packages, func(a, b *Package) int { return strings.Compare(a.Dir, b.Dir) })
	for _, p := range t.Packages {
		t.symbols[p.Dir] = collect(p)
	}
	return t, nil
}

func (t *Tree) skips(name, base string) bool {
	if base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(name, "go.mod"))
	return err == nil
}

func modulePath(name string) (string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "module "); ok {
			return strings.Trim(strings.TrimSpace(rest), `"`), nil
		}
	}
	return "", fmt.Errorf("%s: expected a module line, found none", name)
}

func (t *Tree) addFile(byDir map[string]*Package, rel string) error {
	src, err := os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(t.fset, rel, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	f := &File{Path: rel, Lines: bytes.Count(src, []byte("\n")), Test: strings.HasSuffix(rel, "_test.go"), AST: parsed}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", rel, spec.Path.Value, err)
		}
		f.Imports = append(f.Imports, Import{imported, t.line(spec.Pos())})
	}
	dir := path.Dir(rel)
	p := byDir[dir]
	if p == nil {
		p = &Package{Dir: dir}
		byDir[dir] = p
		t.Packages = append(t.Packages, p)
	}
	if name := parsed.Name.Name; !f.Test || !strings.HasSuffix(name, "_test") {
		p.Name = name
	}
	p.Files = append(p.Files, f)
	return nil
}

func (t *Tree) line(pos token.Pos) int { return t.fset.Position(pos).Line }

// code gives the package's files that are not tests.
func (p *Package) code() []*File {
	return slices.DeleteFunc(slices.Clone(p.Files), func(f *File) bool { return f.Test })
}
