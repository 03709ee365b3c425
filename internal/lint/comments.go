package lint

import (
	"go/ast"
	"path"
	"regexp"
)

// obvious are methods whose name and signature say all there is to say.
var obvious = map[string]bool{"Error": true, "Unwrap": true, "Is": true, "As": true, "String": true, "Len": true, "Less": true, "Swap": true}

// Comments finds packages without a doc.go and exported symbols without a comment. A comment also covers what follows on the next
// lines, when it names it; that of a group of constants, variables or aliases covers the group. Struct fields are left to the
// eye, and so are programs, tests and methods like Error that explain themselves.
func (t *Tree) Comments() []Finding {
	var found []Finding
	for _, p := range t.Packages {
		code := p.code()
		if len(code) == 0 {
			continue
		}
		if f := packageComment(code); f == nil {
			found = append(found, Finding{p.Dir, 0, "the package has no package comment; say in its doc.go what it is for, who calls it, and what to beware of"})
		} else if p.Name != "main" && path.Base(f.Path) != "doc.go" {
			found = append(found, Finding{f.Path, 0, "the package comment belongs into doc.go"})
		}
		if p.Name == "main" {
			continue
		}
		for _, f := range code {
			c := commented{t: t, f: f}
			for _, decl := range f.AST.Decls {
				c.decl(decl)
			}
			found = append(found, c.found...)
		}
	}
	return found
}

func packageComment(files []*File) *File {
	for _, f := range files {
		if f.AST.Doc != nil {
			return f
		}
	}
	return nil
}

// commented goes through a file and remembers the last comment, for what follows it directly.
type commented struct {
	t     *Tree
	f     *File
	text  string // of the comment in force
	end   int    // the line on which what it belongs to ends
	found []Finding
}

// covered tells whether a symbol has a comment: one of its own, or the one in force.
func (c *commented) covered(n ast.Node, name string, own ...*ast.CommentGroup) bool {
	first := c.t.line(n.Pos())
	for _, doc := range own {
		if doc != nil {
			c.text, c.end = doc.Text(), c.t.line(n.End())
			return true
		}
	}
	if first != c.end+1 || !regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).MatchString(c.text) {
		return false
	}
	c.end = c.t.line(n.End())
	return true
}

// need asks for a comment.
func (c *commented) need(n ast.Node, owner, name string, own ...*ast.CommentGroup) {
	if c.covered(n, name, own...) || !ast.IsExported(name) || owner != "" && (!ast.IsExported(owner) || obvious[name]) {
		return
	}
	if owner != "" {
		name = owner + "." + name
	}
	c.found = append(c.found, Finding{c.f.Path, c.t.line(n.Pos()), name + " is exported and has no comment"})
}

func (c *commented) decl(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		c.need(d, receiver(d), d.Name.Name, d.Doc)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			c.spec(d, spec)
		}
	}
}

func (c *commented) spec(d *ast.GenDecl, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			c.need(s, "", name.Name, s.Doc, s.Comment, d.Doc)
		}
	case *ast.TypeSpec:
		group := d.Doc
		if d.Lparen.IsValid() && !s.Assign.IsValid() {
			group = nil
		}
		c.need(s, "", s.Name.Name, s.Doc, s.Comment, group)
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, name := range m.Names {
					c.need(m, s.Name.Name, name.Name, m.Doc, m.Comment)
				}
			}
		}
	}
}

// symbols are the names that a package declares.
type symbols struct {
	// top holds the names at package level.
	top map[string]bool
	// members holds the fields and methods of each type, by "Type.Name".
	members map[string]bool
	// embedded holds the types embedded in each type; one that is not of this package is "".
	embedded map[string][]string
	// byFile holds, for each file, the names that it declares: Name and Type.Name.
	byFile map[string]map[string]bool
}

// collect lists what a package and its tests declare.
func collect(p *Package) *symbols {
	s := &symbols{top: map[string]bool{}, members: map[string]bool{}, embedded: map[string][]string{}, byFile: map[string]map[string]bool{}}
	for _, f := range p.Files {
		in := map[string]bool{}
		s.byFile[f.Path] = in
		for _, decl := range f.AST.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				s.add(in, receiver(d), d.Name.Name)
			case *ast.GenDecl:
				s.addSpecs(in, d)
			}
		}
	}
	return s
}

// add notes a name of a file: a member of a type, or, with no type, one at package level.
func (s *symbols) add(in map[string]bool, typ, name string) {
	if typ == "" {
		s.top[name] = true
		in[name] = true
		return
	}
	s.members[typ+"."+name] = true
	in[typ+"."+name] = true
}

func (s *symbols) addSpecs(in map[string]bool, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				s.add(in, "", name.Name)
			}
		case *ast.TypeSpec:
			s.add(in, "", spec.Name.Name)
			s.addMembers(in, spec.Name.Name, spec.Type, spec.Assign.IsValid())
		}
	}
}

func (s *symbols) addMembers(in map[string]bool, typ string, expr ast.Expr, alias bool) {
	var fields *ast.FieldList
	switch e := expr.(type) {
	case *ast.StructType:
		fields = e.Fields
	case *ast.InterfaceType:
		fields = e.Methods
	default:
		if alias {
			s.embed(typ, expr)
		}
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			s.add(in, typ, name.Name)
		}
		if len(field.Names) == 0 {
			s.add(in, typ, typeName(field.Type))
			s.embed(typ, field.Type)
		}
	}
}

// embed notes that a type has the members of another one too.
func (s *symbols) embed(typ string, expr ast.Expr) {
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if id, ok := expr.(*ast.Ident); ok {
		s.embedded[typ] = append(s.embedded[typ], id.Name)
		return
	}
	s.embedded[typ] = append(s.embedded[typ], "")
}

// has tells whether a type has a member, its own or an embedded one. What a type of another package brings is believed.
func (s *symbols) has(typ, member string) bool {
	if s.members[typ+"."+member] {
		return true
	}
	for _, e := range s.embedded[typ] {
		if e == "" || e != typ && s.has(e, member) {
			return true
		}
	}
	return false
}
