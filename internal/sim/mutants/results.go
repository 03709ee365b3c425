package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// result is what is known of a mutant, a line of the results file.
type result struct {
	Mutant string `json:"mutant"`
	Driver string `json:"driver"`
	// Of is a checksum of the driver on the unchanged tree and of what the mutant changes: what it says is true of nothing else.
	Of string `json:"of"`
	// Killed by Seed, as far as the driver says, which breaks Law; otherwise it survived the first Ranges ranges of seeds.
	Killed bool   `json:"killed"`
	Seed   int    `json:"seed,omitempty"`
	Law    string `json:"law,omitempty"`
	Ranges int    `json:"ranges,omitempty"`
	// CPU is how many seconds the driver ran.
	CPU float64 `json:"cpu"`
}

// results are what is known, in memory and in a file, so that a trial that was stopped goes on where it was.
type results struct {
	mu    sync.Mutex
	known map[string]result // by Of
	file  io.WriteCloser    // nil: none
}

// openResults reads a results file, and makes it when it is not there. Without a path results are kept in memory.
func openResults(path string) (*results, error) {
	r := &results{known: map[string]result{}}
	if path == "" {
		return r, nil
	}
	if old, err := os.Open(path); err == nil {
		defer old.Close()
		lines := bufio.NewScanner(old)
		for lines.Scan() {
			var x result
			if json.Unmarshal(lines.Bytes(), &x) == nil { // the last line may be torn
				r.known[x.Of] = x
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	r.file = file
	_, err = file.WriteString("\n") // a torn line ends here
	return r, err
}

// get gives what is known under a checksum.
func (r *results) get(of string) (result, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.known[of]
	return x, ok
}

// put keeps what is known now.
func (r *results) put(x result) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known[x.Of] = x
	if r.file == nil {
		return nil
	}
	line, err := json.Marshal(x)
	if err != nil {
		return err
	}
	_, err = r.file.Write(append(line, '\n'))
	return err
}

func (r *results) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// fingerprint is a checksum of a driver on the unchanged tree and of what a mutant changes.
func fingerprint(d *reference, m *mutant) string {
	h := sha256.New()
	h.Write(d.sum)
	for _, e := range m.edits {
		fmt.Fprintf(h, "%q %q %q\n", e.file, e.old, e.new)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
