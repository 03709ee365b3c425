package trio

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Spec says which node of a cluster to open, and how. A node in a process of its own gets it as a line of JSON.
type Spec struct {
	// Node is the node's number, from 0.
	Node int `json:"node"`
	// Dir is the node's own directory. What it holds from before is opened again.
	Dir string `json:"dir"`
	// Addresses are those of all nodes, by node and then by what they are for, as "127.0.0.1:port". They stay the same when a cluster is opened again.
	Addresses [][]string `json:"addresses"`
	// Setup is the whole cluster's.
	Setup load.Setup `json:"setup"`
	// Option is the peer's own: which of its variants to run.
	Option string `json:"option,omitempty"`
}

// Address is where this node listens for the purpose with a number.
func (s Spec) Address(purpose int) string { return s.Addresses[s.Node][purpose] }

// Specs gives the specs of a cluster of so many nodes with so many addresses each, below setup.Dir. The addresses that a cluster was given are kept there, so that
// the same directory gives the same specs: peers hold on to their addresses.
func Specs(setup load.Setup, nodes, purposes int, option string) ([]Spec, error) {
	addresses, err := keptAddresses(filepath.Join(setup.Dir, "addresses.json"), nodes, purposes)
	if err != nil {
		return nil, fmt.Errorf("trio: the addresses of the cluster in %s: %w", setup.Dir, err)
	}
	specs := make([]Spec, nodes)
	for i := range specs {
		specs[i] = Spec{Node: i, Dir: filepath.Join(setup.Dir, fmt.Sprintf("node%d", i)), Addresses: addresses, Setup: setup, Option: option}
		if err := os.MkdirAll(specs[i].Dir, 0o755); err != nil {
			return nil, fmt.Errorf("trio: %w", err)
		}
	}
	return specs, nil
}

func keptAddresses(path string, nodes, purposes int) ([][]string, error) {
	kept, err := os.ReadFile(path)
	if err == nil {
		var addresses [][]string
		return addresses, json.Unmarshal(kept, &addresses)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	all, err := freeAddresses(nodes * purposes)
	if err != nil {
		return nil, err
	}
	addresses := make([][]string, nodes)
	for i := range addresses {
		addresses[i] = all[i*purposes : (i+1)*purposes]
	}
	text, err := json.Marshal(addresses)
	if err != nil {
		return nil, err
	}
	return addresses, os.WriteFile(path, text, 0o644)
}

// freeAddresses finds addresses on loopback on which nobody listens. They are below the ports that systems hand out to connections, so that a node which is stopped
// for a while finds its own free again.
func freeAddresses(n int) ([]string, error) {
	var found []string
	for range 1000 {
		if len(found) == n {
			return found, nil
		}
		// Ports of clusters that start side by side must differ, so the choice has no seed.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000)))
		if err != nil {
			continue
		}
		defer l.Close() // all of them at the end: none is found twice
		found = append(found, l.Addr().String())
	}
	return nil, fmt.Errorf("expected %d free ports between 15000 and 30000 on 127.0.0.1, found %d", n, len(found))
}

func parseSpec(line string) (Spec, error) {
	var s Spec
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		return s, fmt.Errorf("trio: expected the spec of a node as JSON: %w", err)
	}
	return s, nil
}
