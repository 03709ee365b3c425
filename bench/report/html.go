package report

import "io"

// HTML writes
func HTML(io.Writer, *Report) error { return nil }
