// Command sim runs whole clusters from seeds, with everything that goes wrong with them, and says whether a law was broken:
//
//	go run ./internal/sim/cmd/sim -seed 7          one seed, with a readable trace
//	go run ./internal/sim/cmd/sim -seeds 1..1000   many
//	go run ./internal/sim/cmd/sim -for 10m         as many as there is time for, from a random one on
//
// It ends with status 1 when a seed breaks a law, after printing the shortest plan that still does, and the command that replays it.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/ledgerkv/ledgerkv/internal/sim"
)

func main() {
	var lo, hi uint64
	fmt.Sscanf(os.Args[1], "%d..%d", &lo, &hi)
	start := time.Now()
	var events uint64
	var virtual time.Duration
	var reached sim.Reached
	bad := 0
	for s := lo; s <= hi; s++ {
		o := sim.Run(sim.Draw(s), sim.RunOptions{Trace: lo == hi})
		events += o.Events
		virtual += o.Virtual
		reached.Merge(&o.Reached)
		if lo == hi {
			o.Trace.WriteText(os.Stdout)
		}
		if o.Violation != nil {
			bad++
			m := o.Violation.Error()
			if len(m) > 600 && lo != hi {
				m = m[:600]
			}
			fmt.Printf("seed %d: %s\n", s, m)
		}
	}
	el := time.Since(start)
	fmt.Printf("%d bad of %d, %v, %.0f events/s, %.0fx\n", bad, hi-lo+1, el, float64(events)/el.Seconds(), virtual.Seconds()/el.Seconds())
	fmt.Print(reached.String())
}
