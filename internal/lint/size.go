package lint

import (
	"fmt"
	"go/ast"
	"path"
)

// MaxFileLines and MaxFunctionLines are the lengths past which something wants out.
const (
	MaxFileLines     = 600
	MaxFunctionLines = 70
)

// Exceptions are the functions (path:name, path:Type.name) that may be longer than MaxFunctionLines, each with the reason.
// One that is no longer needed is a finding too.
var Exceptions = map[string]string{}

// Lengths finds files and functions that are too long.
func (t *Tree) Lengths() []Finding { return t.lengths(Exceptions) }

func (t *Tree) lengths(exceptions map[string]string) []Finding {
	var found []Finding
	used := map[string]bool{}
	for _, p := range t.Packages {
		for _, f := range p.Files {
			if f.Lines > MaxFileLines {
				found = append(found, Finding{f.Path, 0, fmt.Sprintf("has %d lines, at most %d are allowed; split it by ideas", f.Lines, MaxFileLines)})
			}
			for _, decl := range f.AST.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				lines := t.line(fn.End()) - t.line(fn.Pos()) + 1
				name := f.Path + ":" + funcName(fn)
				if lines <= MaxFunctionLines {
					continue
				}
				used[name] = true
				if exceptions[name] == "" {
					found = append(found, Finding{f.Path, t.line(fn.Pos()), fmt.Sprintf(
						"%s has %d lines, at most %d are allowed; split it, or write the reason into internal/lint/size.go:Exceptions",
						funcName(fn), lines, MaxFunctionLines)})
				}
			}
		}
	}
	for _, name := range sortedKeys(exceptions) {
		if !used[name] {
			found = append(found, Finding{path.Join("internal/lint", "size.go"), 0, "the exception for " + name + " is not needed; remove it"})
		}
	}
	return found
}

// funcName gives Name or Type.Name.
func funcName(fn *ast.FuncDecl) string {
	if recv := receiver(fn); recv != "" {
		return recv + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// receiver gives the name of a method's type, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	return typeName(fn.Recv.List[0].Type)
}

// typeName gives the last name in a type expression: Type for *Type, Type[K] and pkg.Type.
func typeName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.ParenExpr:
		return typeName(e.X)
	}
	return ""
}
