//go:build !linux

package main

import "syscall"

// childAttributes: nothing here; a child notices the end of its parent by its standard input.
func childAttributes() *syscall.SysProcAttr { return nil }
