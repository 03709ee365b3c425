package sim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Encode writes a plan as one word, for the command line: what a shrunk plan is replayed from.
func (p Plan) Encode() string {
	b, err := json.Marshal(p)
	if err != nil {
		panic("sim: encoding a plan: " + err.Error()) // it holds numbers alone
	}
	return base64.RawURLEncoding.EncodeToString(squeeze(b))
}

// DecodePlan reads what Encode wrote.
func DecodePlan(word string) (Plan, error) {
	var p Plan
	b, err := base64.RawURLEncoding.DecodeString(word)
	if err == nil {
		b, err = expand(b)
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return Plan{}, fmt.Errorf("sim: expected a plan as the simulator printed it: %w", err)
	}
	return p, nil
}

// Story is a plan that found something once, and what that was.
type Story struct {
	Says string
	Plan Plan
}

// ReadStories reads lines of text: plans as Encode writes them, each after a line that begins with "# " and says what it found.
func ReadStories(text string) ([]Story, error) {
	var all []Story
	told := ""
	for _, line := range strings.Split(text, "\n") {
		if says, comment := strings.CutPrefix(line, "# "); comment || line == "" {
			told = says
			continue
		}
		p, err := DecodePlan(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", told, err)
		}
		all = append(all, Story{told, p})
	}
	return all, nil
}

// Validate says whether a plan can be carried out.
func (p Plan) Validate() error {
	switch {
	case p.Nodes < 1 || p.Nodes > 9 || len(p.Skew) != p.Nodes:
		return fmt.Errorf("sim: expected 1 to 9 nodes and a skew for each, found %d and %d", p.Nodes, len(p.Skew))
	case p.Spares < 0 || p.Spares > 9:
		return fmt.Errorf("sim: expected 0 to 9 nodes to be added, found %d", p.Spares)
	case p.Quiet != 0 && p.Quiet < 75*time.Millisecond:
		return fmt.Errorf("sim: expected silence after a heartbeat's interval at least, or 0 for the default, found %v", p.Quiet)
	case p.Length <= 0 || p.Tick <= 0 || p.Think <= 0 || p.Weather.Jitter <= 0 || p.Weather.LagFor <= 0 || p.Weather.SlowFor <= 0:
		return fmt.Errorf("sim: expected times above 0, found a length of %v, ticks of %v, a pause of %v, and the weather %+v", p.Length, p.Tick, p.Think, p.Weather)
	case p.Clients < 1 || p.Keys < 1:
		return fmt.Errorf("sim: expected at least one client and one key, found %d and %d", p.Clients, p.Keys)
	case p.Lease < 0 || p.Lease > electionTimeout || p.Lease > 0 && p.Lease < 100*time.Millisecond:
		return fmt.Errorf("sim: expected no leases, or some of 100 ms to %v, found %v", electionTimeout, p.Lease)
	}
	for _, skew := range p.Skew {
		if skew <= -1_000_000 || p.Lease > 0 && (skew > mostSkew || skew < -mostSkew) {
			return fmt.Errorf("sim: expected a skew above -1,000,000 ppm, and with leases of at most %d, found %d", mostSkew, skew)
		}
	}
	for i, f := range p.Faults {
		if f.Kind >= faultKinds || f.At < 0 || f.For < 0 || f.For == 0 && pace[f.Kind].most > 0 {
			return fmt.Errorf("sim: fault %d can't be: %+v", i, f)
		}
	}
	return nil
}

// MarshalText writes a kind by its name, so that a plan's word outlives a new order of the kinds.
func (k FaultKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalJSON reads a kind by its name, or, as older words have it, by its number.
func (k *FaultKind) UnmarshalJSON(b []byte) error {
	var name string
	if json.Unmarshal(b, &name) != nil {
		var number uint8
		err := json.Unmarshal(b, &number)
		*k = FaultKind(number)
		return err
	}
	at := slices.Index(faultNames[:], name)
	if at < 0 {
		return fmt.Errorf("there is no fault %q", name)
	}
	*k = FaultKind(at)
	return nil
}

// squeeze and expand are DEFLATE, so that a plan fits a line.
func squeeze(b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("sim: compressing a plan: " + err.Error()) // memory does not fail
	}
	return out.Bytes()
}

func expand(b []byte) ([]byte, error) {
	const most = 1 << 20
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), most))
}
