package process

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
)

// Limits are settings of the nodes other than the defaults, so that a test meets with little data what others meet with much. Sizes are in
// bytes; 0 is the node's default (docs/operations.md).
type Limits struct {
	// SegmentSize and KeepBytes are those of both groups, ImageEveryBytes that of the store.
	SegmentSize, KeepBytes, ImageEveryBytes uint64
	// ImageBytesPerSecond bounds what a node sends of images.
	ImageBytesPerSecond int64
}

// configure writes where the node listens, and limits, into its configuration file.
func (n *Node) configure(limits Limits) error {
	path := filepath.Join(n.Dir, "config.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	config["peer"] = n.Peer
	groups, _ := config["groups"].([]any)
	for _, g := range groups {
		g, _ := g.(map[string]any)
		set(g, "segment_size", limits.SegmentSize)
		set(g, "keep_bytes", limits.KeepBytes)
		if g["name"] == StoreGroup {
			set(g, "image_every_bytes", limits.ImageEveryBytes)
		}
	}
	if limits.ImageBytesPerSecond != 0 {
		config["limits"] = map[string]any{"image_bytes_per_second": limits.ImageBytesPerSecond}
	}
	if data, err = json.MarshalIndent(config, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o600)
}

func set(settings map[string]any, name string, value uint64) {
	if value != 0 {
		settings[name] = value
	}
}

// Ports are taken from [firstPort, lastPort), below those that systems hand out by themselves: a node that is down for a while must find its
// own port free when it returns.
const firstPort, lastPort = 10_000, 32_000

// freePorts gives addresses that nobody listens on, all held at once so that they differ.
func freePorts(n int) ([]string, error) {
	var addresses []string
	for port, tries := firstPort+rand.IntN(lastPort-firstPort), 0; len(addresses) < n; port++ {
		if tries++; tries > lastPort-firstPort {
			return nil, fmt.Errorf("process: expected %d free ports from %d to %d", n, firstPort, lastPort)
		}
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+(port-firstPort)%(lastPort-firstPort))
		if l, err := net.Listen("tcp", address); err == nil {
			defer l.Close() // held only until all are found
			addresses = append(addresses, address)
		}
	}
	return addresses, nil
}
