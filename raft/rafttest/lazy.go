package rafttest

import (
	"fmt"

	"github.com/ledgerkv/ledgerkv/raft"
)

// tickLazily tells a core the time, and, now and then, sees whether a Tick that its Deadline calls needless was more than that: whoever leaves it
// out has to find the core as it is with it. Not each time, as to ask whether there is an output makes what is left until one is taken.
func tickLazily(core Core, now raft.Monotonic) error {
	lazy, ok := core.(interface{ Deadline() raft.Monotonic })
	if !ok || now/raft.Monotonic(tick)%2 == 0 {
		core.Tick(now)
		return nil
	}
	had := core.HasOutput()
	due := lazy.Deadline()
	core.Tick(now)
	if now >= due {
		return nil
	}
	if !had && core.HasOutput() {
		return fmt.Errorf("a Tick at %d gave an output, and the Deadline before it was %d: %+v", now, due, core.Status())
	}
	if after := lazy.Deadline(); after < due {
		return fmt.Errorf("a Tick at %d brought the Deadline forward from %d to %d: %+v", now, due, after, core.Status())
	}
	return nil
}
