package rafttest

import (
	"fmt"
	"strings"
)

// Run executes a script and returns it with the output that its commands gave now; it is unchanged if everything came out as
// expected. A line that begins with "> " is a command; the lines below it, up to an empty line, are its output; everything else is
// prose. An error is a broken law, or a script that can't be understood.
//
// Commands, with D a duration, N a node and L a link N->N; nothing happens between two of them unless one says so:
//
//	cluster N... [leader=N] [learners=N,N] [spare=N,N] [priority=N:P] [append=BYTES] [inflight=BYTES] [messages=N] [uncommitted=BYTES] [logonly]
//	                  [lease=D] [quiet=D]
//	                  leader: elected already; spare: nodes that know of no membership
//	elect N           let N's clock alone run until it asks for votes, then settle
//	tick D [N...]     let clocks run in ticks of 10 ms; nothing is delivered
//	jump D [N...]     let one tick be that late
//	run D             let all clocks run, and settle after each tick
//	settle [trace]    take, sync and deliver everything until nothing is left; trace shows the messages
//	take N            take an output, without a sync
//	sync N [COUNT]    make the oldest outputs durable
//	deliver [L] [TYPE] [COUNT], drop …, repeat …
//	                  hand over, lose, or hand over and keep the messages under way that fit
//	propose N [COUNT] [size=BYTES], read N, forward N, lease N, transfer N N, resign N REASON, unreachable N N, unreadable N N [image]
//	change N [learner:N] [auto:N[:N]] [voter:N[:ADDRESS]] [remove:N] [promote:N] [demote:N] [address:N:ADDRESS] [priority:N:P] [seen=I(tT)]
//	                  auto: a learner that is promoted by itself, then replacing the second node; seen: if that is still in force
//	cut L|N, heal     lose everything on a link, or on all links of a node, from now on
//	crash N, kill N, restart N, compact N INDEX, install N, fail N
//	                  kill: the others see their connections to it break; install, fail: how the installation under way ends
//	stall N           from now on, or no longer, settle leaves N's disk alone
//	wake N
//	slow N [no]       tell N's core that its disk stalls, or does no longer
//	status [N...], peers N, log N, network
func Run(script string) (string, error) {
	var out strings.Builder
	s := &story{}
	lines := strings.Split(script, "\n")
	for n := 0; n < len(lines); n++ {
		out.WriteString(lines[n])
		if n < len(lines)-1 {
			out.WriteString("\n")
		}
		command, ok := strings.CutPrefix(lines[n], "> ")
		if !ok {
			continue
		}
		if err := s.execute(strings.Fields(command)); err != nil {
			return out.String(), fmt.Errorf("line %d: %s: %w", n+1, command, err)
		}
		out.WriteString(s.flush())
		for n+1 < len(lines) && lines[n+1] != "" && !strings.HasPrefix(lines[n+1], "> ") {
			n++
		}
	}
	return out.String(), nil
}
