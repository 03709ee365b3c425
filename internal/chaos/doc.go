// Package chaos runs real server processes over real disks and sockets, does to them what machines do (SIGKILL, SIGSTOP), and holds
// what clients were told against what is there afterwards.
package chaos
