//go:build !unix

package main

import "time"

var processStart = time.Now()

// cpuTime is the time since the process began, where its processor time is not known.
func cpuTime() time.Duration { return time.Since(processStart) }
