package disk

import "path"

// Misplacement is a write that the disk says it has done and has not: it is lost, or done elsewhere in the file. No sync is told.
type Misplacement struct {
	// Path is a pattern of path.Match for the last part of the file's path.
	Path string
	// Skip lets so many writes pass first.
	Skip int
	// Lose drops the write; otherwise it goes Shift bytes further on, or, if that is beyond the file's end, as far back.
	Lose  bool
	Shift int64
}

// Misplace lets one write go wrong. It replaces a misplacement that has not come about yet. The kernel shows what is on the disk: the page
// cache is taken to have been dropped meanwhile. It panics on a pattern that path.Match refuses.
func (d *Disk) Misplace(m Misplacement) {
	if _, err := path.Match(m.Path, ""); err != nil {
		panic("disk: misplacement with the path pattern " + m.Path + ": " + err.Error())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.misplaced = &m
}

// misplace gives where a write of n bytes at off really goes; ok is false when it is lost. The lock is held.
func (d *Disk) misplace(op Op, size, n int64) (off int64, ok bool) {
	m := d.misplaced
	if m == nil || op.Kind != OpWrite {
		return op.Off, true
	}
	if fits, _ := path.Match(m.Path, path.Base(op.Path)); !fits {
		return op.Off, true
	}
	if m.Skip > 0 {
		m.Skip--
		return op.Off, true
	}
	d.misplaced = nil
	switch {
	case m.Lose:
		return op.Off, false
	case op.Off+m.Shift+n <= size:
		return op.Off + m.Shift, true
	}
	return max(op.Off-m.Shift, 0), true
}
