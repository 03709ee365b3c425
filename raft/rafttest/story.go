package rafttest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/raft"
)

// story is a script under execution.
type story struct {
	*cluster
	out  strings.Builder
	said map[raft.NodeID]raft.Output
}

func (s *story) flush() string {
	text := s.out.String()
	s.out.Reset()
	return text
}

func (s *story) print(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// arguments are a command's words: plain ones and key=value ones.
type arguments struct {
	plain []string
	named map[string]string
}

func parse(words []string) arguments {
	a := arguments{named: map[string]string{}}
	for _, w := range words {
		if key, value, ok := strings.Cut(w, "="); ok {
			a.named[key] = value
		} else {
			a.plain = append(a.plain, w)
		}
	}
	return a
}

// nodes splits a list like n1,n2.
func (a arguments) nodes(key string) []raft.NodeID {
	var ids []raft.NodeID
	for _, id := range strings.FieldsFunc(a.named[key], func(r rune) bool { return r == ',' }) {
		ids = append(ids, raft.NodeID(id))
	}
	return ids
}

func (a arguments) number(key string, def uint64) (uint64, error) {
	if a.named[key] == "" {
		return def, nil
	}
	return strconv.ParseUint(a.named[key], 10, 64)
}

// node is the first word, or none.
func (a arguments) node() raft.NodeID {
	if len(a.plain) == 0 {
		return raft.None
	}
	return raft.NodeID(a.plain[0])
}

func (a arguments) has(word string) bool {
	for _, w := range a.plain {
		if w == word {
			return true
		}
	}
	return false
}

// execute runs a command; what a core refuses is output, not an error.
func (s *story) execute(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("a command is missing")
	}
	name, args := words[0], parse(words[1:])
	if name == "cluster" {
		return s.create(args)
	}
	if s.cluster == nil {
		return fmt.Errorf("a script begins with a cluster")
	}
	for _, commands := range []map[string]func(arguments) error{s.onAll(), s.onPackets()} {
		if command, ok := commands[name]; ok {
			return command(args)
		}
	}
	command, ok := s.onOne()[name]
	if !ok {
		return fmt.Errorf("there is no such command")
	}
	if len(args.plain) == 0 {
		return fmt.Errorf("it needs a node")
	}
	r := s.replica(raft.NodeID(args.plain[0]))
	if r == nil {
		return fmt.Errorf("there is no node %q", args.plain[0])
	}
	if r.core == nil && name != "restart" && name != "log" {
		return fmt.Errorf("%s is down", r.id)
	}
	args.plain = args.plain[1:]
	return command(r, args)
}

func (s *story) create(args arguments) error {
	settings, err := readSettings(args)
	if err != nil {
		return err
	}
	var voters []raft.NodeID
	for _, id := range args.plain {
		if id != "logonly" {
			voters = append(voters, raft.NodeID(id))
		}
	}
	config := membership(voters, nil, args.nodes("learners"))
	if id, priority, ok := strings.Cut(args.named["priority"], ":"); ok {
		p, err := strconv.ParseUint(priority, 10, 16)
		if err != nil {
			return err
		}
		for i := range config.Members {
			if string(config.Members[i].ID) == id {
				config.Members[i].Priority = uint16(p)
			}
		}
	}
	s.said = map[raft.NodeID]raft.Output{}
	if s.cluster, err = newCluster(config, settings); err != nil {
		return err
	}
	for _, id := range args.nodes("spare") {
		if err := s.add(id, raft.Configuration{}, settings); err != nil {
			return err
		}
	}
	return s.begin(args)
}

// begin settles, with a leader if one is asked for. Nothing of that is part of the story.
func (s *story) begin(args arguments) error {
	if err := s.settle(false); err != nil {
		return err
	}
	if r := s.replica(raft.NodeID(args.named["leader"])); r != nil {
		if err := s.elect(r, arguments{}); err != nil {
			return err
		}
		if err := s.tick(2*tick, s.replicas, func() error { return s.settle(false) }); err != nil {
			return err
		}
	}
	s.out.Reset() // nothing to tell
	return nil
}

func readSettings(args arguments) (raft.Config, error) {
	settings := raft.Config{Seed: 1, LogOnly: args.has("logonly")}
	messages, err := args.number("messages", 0)
	if err != nil {
		return settings, err
	}
	settings.MaxInflightMessages = int(messages)
	for key, d := range map[string]*time.Duration{"lease": &settings.LeaseDuration, "quiet": &settings.QuietAfter} {
		if args.named[key] != "" {
			if *d, err = time.ParseDuration(args.named[key]); err != nil {
				return settings, err
			}
		}
	}
	var errs [3]error
	settings.MaxAppendBytes, errs[0] = args.number("append", 0)
	settings.MaxInflightBytes, errs[1] = args.number("inflight", 0)
	settings.MaxUncommittedBytes, errs[2] = args.number("uncommitted", 0)
	return settings, errors.Join(errs[:]...)
}

// membership makes a configuration from lists of ids.
func membership(voters, outgoing, learners []raft.NodeID) raft.Configuration {
	c := raft.Configuration{Joint: len(outgoing) > 0}
	for _, list := range [][]raft.NodeID{voters, outgoing, learners} {
		for _, id := range list {
			at := 0
			for at < len(c.Members) && c.Members[at].ID < id {
				at++
			}
			if at < len(c.Members) && c.Members[at].ID == id {
				continue
			}
			rest := append([]raft.Member{{ID: id}}, c.Members[at:]...)
			c.Members = append(c.Members[:at:at], rest...)
		}
	}
	for i := range c.Members {
		m := &c.Members[i]
		m.Voter, m.WasVoter = contains(voters, m.ID), contains(outgoing, m.ID)
	}
	return c
}

// note says what changed with an output; "" when there is nothing but messages.
func (s *story) note(r *replica, o *raft.Output) string {
	before, known := s.said[r.id]
	s.said[r.id] = *o
	var parts []string
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	leader := o.Leader
	if leader == raft.None {
		leader = "none"
	}
	add(!known || before.Role != o.Role || before.Term != o.Term || before.Leader != o.Leader, "%s in term %d, leader %s", o.Role, o.Term, leader)
	add(o.Truncate != 0, "truncate %d", o.Truncate)
	if n := len(o.Append); n > 0 {
		add(n == 1, "append %s", o.Append[0].ID)
		add(n > 1, "append %s to %s", o.Append[0].ID, o.Append[n-1].ID)
	}
	add(o.ConfigurationChanged, "configuration %s", o.Configuration.Configuration)
	add(o.Quiet && !before.Quiet, "quiet")
	add(!o.Quiet && before.Quiet, "awake")
	add(o.Removed && !before.Removed, "removed")
	add(o.Install != nil, "install")
	add(o.Commit != before.Commit, "commit %d", o.Commit)
	for _, read := range o.Reads {
		parts = append(parts, fmt.Sprintf("read %d at %d", read.ID.Counter, read.Index))
	}
	for _, id := range o.ReadsFailed {
		parts = append(parts, fmt.Sprintf("read %d failed", id.Counter))
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s", r.id, strings.Join(parts, ", "))
}

// settle takes, syncs and delivers until nothing is left to do.
func (s *story) settle(trace bool) error {
	for turn := 0; turn < 10_000; turn++ {
		idle := len(s.network) == 0
		for _, r := range s.replicas {
			if r.core == nil || !r.core.HasOutput() && (len(r.unsynced) == 0 || r.stalled) {
				continue
			}
			idle = false
			o, err := s.take(r)
			if err != nil {
				return err
			}
			if note := s.note(r, &o); note != "" {
				s.print("%s", note)
			}
			if r.stalled {
				continue
			}
			if err := s.sync(r, len(r.unsynced)); err != nil {
				return err
			}
			r.install()
		}
		if idle {
			return nil
		}
		for n := len(s.network); n > 0; n-- {
			p := s.remove(0)
			lost := s.lost(&p)
			if trace {
				s.show(&p, lost)
			}
			if err := s.arrive(p, false); err != nil {
				s.print("  %v", err)
			}
		}
	}
	return fmt.Errorf("it does not settle")
}

func (s *story) show(p *packet, lost bool) {
	mark := ""
	if lost {
		mark = " (lost)"
	}
	s.print("  %s%s", describe(&p.Message), mark)
}

// tick lets the clocks of some replicas run for a while, in steps.
func (s *story) tick(d time.Duration, replicas []*replica, after func() error) error {
	for ; d > 0; d -= tick {
		for _, r := range replicas {
			r.clock = r.clock.Add(tick)
			if r.core != nil {
				r.core.Tick(r.clock)
			}
		}
		if err := after(); err != nil {
			return err
		}
	}
	return nil
}
