package main

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutant is a bug to be put back.
type mutant struct {
	name string
	// breaks says which law or issue of another project it is, shows what a user would see.
	breaks, shows string
	// by names the driver that it is given to, why says why that is not the simulator.
	by, why string
	edits   []edit
	// where is the file and line that define it.
	where string
}

// edit replaces whole lines of a file.
type edit struct {
	file     string // relative to the module's root, with slashes
	old, new string
}

var mutantName = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// readMutants reads all mutants of a directory, sorted by file and place, and reports everything that is wrong with them.
func readMutants(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var all []mutant
	var faults []error
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		found, err := parseMutants(filepath.Base(f), string(text))
		all, faults = append(all, found...), append(faults, err)
	}
	seen := map[string]string{}
	for _, m := range all {
		if other, known := seen[m.name]; known {
			faults = append(faults, fmt.Errorf("%s: the mutant %s is defined at %s already; give it another name", m.where, m.name, other))
		}
		seen[m.name] = m.where
	}
	return all, errors.Join(faults...)
}

// parseMutants reads one file.
func parseMutants(file, text string) ([]mutant, error) {
	p := reading{file: file}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		p.line = i + 1
		p.take(line)
	}
	if p.in != outside {
		p.fault("the file ends within the mutant %s; expected end", p.mutant.name)
	}
	return p.found, errors.Join(p.faults...)
}

// section is where a reading is.
type section int

const (
	outside section = iota
	head
	inOld
	inNew
)

type reading struct {
	file   string
	line   int
	in     section
	mutant mutant
	edit   edit
	text   []string
	found  []mutant
	faults []error
}

func (p *reading) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("%s:%d: "+format, append([]any{p.file, p.line}, args...)...))
}

// take takes the next line.
func (p *reading) take(line string) {
	switch p.in {
	case outside:
		p.begin(line)
	case head:
		p.header(line)
	case inOld:
		if line == "new:" {
			p.edit.old, p.text, p.in = strings.Join(p.text, "\n"), nil, inNew
			return
		}
		p.text = append(p.text, line)
	case inNew:
		file, more := strings.CutPrefix(line, "file: ")
		if line != "end" && line != "old:" && !more {
			p.text = append(p.text, line)
			return
		}
		p.edit.new, p.text = strings.Join(p.text, "\n"), nil
		p.mutant.edits = append(p.mutant.edits, p.edit)
		switch {
		case line == "end":
			p.end()
		case more:
			p.edit, p.in = edit{file: file}, head
		default:
			p.edit, p.in = edit{file: p.edit.file}, inOld
		}
	}
}

func (p *reading) begin(line string) {
	name, ok := strings.CutPrefix(line, "mutant ")
	switch {
	case line == "" || strings.HasPrefix(line, "#"):
	case !ok:
		p.fault("expected mutant NAME, a comment or an empty line, found %q", line)
	default:
		p.mutant, p.edit, p.in = mutant{name: name, where: fmt.Sprintf("%s:%d", p.file, p.line), by: simulator}, edit{}, head
		if !mutantName.MatchString(name) {
			p.fault("the name %q; expected lower-case words joined by hyphens", name)
		}
	}
}

func (p *reading) header(line string) {
	key, value, _ := strings.Cut(line, ": ")
	switch {
	case key == "breaks":
		p.mutant.breaks = value
	case key == "shows":
		p.mutant.shows = value
	case key == "by":
		p.mutant.by, p.mutant.why, _ = strings.Cut(value, "; ")
		if !slices.ContainsFunc(drivers, func(d driver) bool { return d.name == p.mutant.by }) || p.mutant.why == "" {
			p.fault("found %q; expected a driver, a semicolon, and why the simulator can't see it", line)
		}
	case key == "file":
		p.edit.file = value
	case line == "old:":
		p.in = inOld
	default:
		p.fault("found %q; expected breaks:, shows:, by:, file: or old:", line)
	}
}

func (p *reading) end() {
	m := p.mutant
	p.in = outside
	if m.breaks == "" || m.shows == "" {
		p.fault("the mutant %s does not say what it breaks and what that shows", m.name)
	}
	for _, e := range m.edits {
		if e.file == "" || e.old == "" || e.old == e.new {
			p.fault("the mutant %s has an edit without a file, without old text, or that changes nothing", m.name)
		}
	}
	p.found = append(p.found, m)
}

// apply gives the changed files by their names. It fails when an old text does not occur exactly once, or the result is no Go file.
func (m *mutant) apply(root string) (map[string]string, error) {
	changed := map[string]string{}
	for _, e := range m.edits {
		src, ok := changed[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
			if err != nil {
				return nil, fmt.Errorf("%s: mutant %s: %w", m.where, m.name, err)
			}
			src = string(b)
		}
		lines, old := "\n"+src, "\n"+e.old+"\n"
		if n := strings.Count(lines, old); n != 1 {
			return nil, fmt.Errorf("%s: mutant %s: its old text occurs %d times in %s, expected once; bring it up to date with the code, or remove it if its bug can't be made any more:\n%s",
				m.where, m.name, n, e.file, e.old)
		}
		replacement := "\n" + e.new + "\n"
		if e.new == "" {
			replacement = "\n"
		}
		changed[e.file] = strings.Replace(lines, old, replacement, 1)[1:]
	}
	for _, name := range m.files() {
		if _, err := parser.ParseFile(token.NewFileSet(), name, changed[name], 0); err != nil {
			return nil, fmt.Errorf("%s: mutant %s is no Go: %w", m.where, m.name, err)
		}
	}
	return changed, nil
}

// files names what it changes, in order.
func (m *mutant) files() []string {
	var files []string
	for _, e := range m.edits {
		if !slices.Contains(files, e.file) {
			files = append(files, e.file)
		}
	}
	return files
}
