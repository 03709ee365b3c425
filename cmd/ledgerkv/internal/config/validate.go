package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/ledgerkv/ledgerkv/kv"
)

// Validate reports every fault at once. REQUIRES: defaults are filled in.
func (c *Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, a := range []struct{ name, address string }{{"client", c.Client}, {"peer", c.Peer}, {"admin", c.Admin}} {
		if err := checkAddress(a.address); err != nil {
			fault("%s: %w", a.name, err)
		}
	}
	if err := c.Engine.Validate(); err != nil {
		fault("engine: expected %q or %q, found %q", kv.BTree, kv.Pebble, string(c.Engine))
	}
	if _, err := c.Level(); err != nil {
		fault("log_level: expected debug, info, warn or error, found %q", c.LogLevel)
	}
	if n := c.Limits.ScrubBytesPerSecond; n != nil && *n < 0 {
		fault("limits.scrub_bytes_per_second: expected 0 (never) or more, found %d", *n)
	}
	faults = append(faults, c.checkPeers()...)
	faults = append(faults, c.checkGroups()...)
	return errors.Join(faults...)
}

// Level is LogLevel as slog has it.
func (c *Config) Level() (slog.Level, error) {
	var l slog.Level
	err := l.UnmarshalText([]byte(c.LogLevel))
	return l, err
}

func (c *Config) checkPeers() []error {
	var faults []error
	if _, ok := c.peer(c.ID); len(c.Peers) > 0 && !ok {
		faults = append(faults, fmt.Errorf("peers: expected this node, %s, among them", c.ID))
	}
	used := map[string]string{}
	seen := map[string]bool{}
	for i, p := range c.Peers {
		if p.ID == "" || seen[p.ID] {
			faults = append(faults, fmt.Errorf("peers[%d]: expected an id that no other peer has, found %q", i, p.ID))
		}
		seen[p.ID] = true
		for _, a := range []struct{ name, address string }{{"peer", p.Peer}, {"client", p.Client}, {"admin", p.Admin}} {
			if a.address == "" && a.name != "peer" {
				continue // not known: a port derived from a high peer port, for instance; clients try the other endpoints then
			}
			what := fmt.Sprintf("%s of %s", a.name, p.ID)
			if err := checkAddress(a.address); err != nil {
				faults = append(faults, fmt.Errorf("%s: %w", what, err))
			} else if other := used[a.address]; other != "" {
				faults = append(faults, fmt.Errorf("%s: %s is the %s already", what, a.address, other))
			}
			used[a.address] = what
		}
	}
	return faults
}

func (c *Config) checkGroups() []error {
	var faults []error
	ids, names := map[uint64]bool{}, map[string]bool{}
	for i, g := range c.Groups {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("groups[%d]: %s", i, fmt.Sprintf(format, args...)))
		}
		if g.ID == 0 || ids[g.ID] {
			fault("expected an id of at least 1 that no other group has, found %d", g.ID)
		}
		if g.Name == "" || len(g.Name) > 255 || names[g.Name] {
			fault("expected a name of 1 to 255 bytes that no other group has, found %q", g.Name)
		}
		if g.Kind != KindKV && g.Kind != KindLog {
			fault("expected the kind %q or %q, found %q", KindKV, KindLog, g.Kind)
		}
		if g.Kind == KindLog && (g.ImageBytes != 0 || g.ImageCount != 0) {
			fault("expected no image settings for a log, which has no images")
		}
		if g.Kind == KindKV && g.KeepFor != 0 {
			fault("expected no keep_for for a key-value group: its log is kept by bytes behind the newest image")
		}
		ids[g.ID], names[g.Name] = true, true
	}
	return faults
}

// checkAddress says whether an address is host:port with a port that can be reached.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return fmt.Errorf("expected host:port, found %q", address)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("expected a port from 1 to 65535 in %q", address)
	}
	return nil
}
