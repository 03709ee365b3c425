package raft_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/raft"
)

func voter(id raft.NodeID) raft.Member { return raft.Member{ID: id, Voter: true} }

func members(m ...raft.Member) raft.Configuration { return raft.Configuration{Members: m} }

// randomConfiguration makes a valid configuration.
func randomConfiguration(rng *rand.Rand) raft.Configuration {
	c := raft.Configuration{Joint: rng.IntN(2) == 0}
	for i := range 1 + rng.IntN(6) {
		c.Members = append(c.Members, raft.Member{
			ID: raft.NodeID(fmt.Sprintf("node-%d-%s", i, strings.Repeat("x", rng.IntN(20)))), Address: strings.Repeat("a", rng.IntN(30)),
			Voter: i == 0 || rng.IntN(2) == 0, WasVoter: c.Joint && (i == 0 || rng.IntN(2) == 0), Priority: uint16(rng.IntN(raft.MaxPriority + 1)),
		})
		m := &c.Members[i]
		m.Leaves = m.WasVoter && !m.Voter && rng.IntN(2) == 0
		if m.Promote = !m.WasVoter && !m.Voter && rng.IntN(2) == 0; m.Promote && rng.IntN(2) == 0 {
			m.Replaces = c.Members[rng.IntN(i)].ID
		}
		if rng.IntN(2) == 0 {
			m.Directory = [16]byte{1: byte(1 + rng.IntN(255))}
		}
	}
	return c
}

func TestConfigurationSurvivesEncoding(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		c := randomConfiguration(rng)
		require.NoError(t, c.Validate(), "seed %d", seed)
		encoded := raft.AppendConfiguration([]byte("before"), c)
		decoded, err := raft.DecodeConfiguration(encoded[len("before"):])
		require.NoError(t, err, "seed %d", seed)
		require.True(t, c.Equal(decoded), "seed %d: %s became %s", seed, c, decoded)
	}
	empty, err := raft.DecodeConfiguration(raft.AppendConfiguration(nil, raft.Configuration{}))
	require.NoError(t, err)
	require.Empty(t, empty.Members)
}

func TestConfigurationEncodingIsAsDrawn(t *testing.T) {
	c := raft.Configuration{Joint: true, Members: []raft.Member{
		{ID: "a", Address: "h:1", Voter: true, Priority: 0xfe}, {ID: "bc", Voter: true, WasVoter: true},
		{ID: "d", WasVoter: true, Leaves: true}, {ID: "e", Promote: true, Replaces: "a"}, {ID: "f", Directory: [16]byte{7, 15: 9}},
	}}
	require.Equal(t, []byte{
		1, 1, 5, 0,
		1, 'a', 3, 0, 'h', ':', '1', 1, 0xfe, 0,
		2, 'b', 'c', 0, 0, 3, 0, 0,
		1, 'd', 0, 0, 10, 0, 0,
		1, 'e', 0, 0, 20, 0, 0, 1, 'a',
		1, 'f', 0, 0, 32, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9,
	}, raft.AppendConfiguration(nil, c))
}

func TestDecodeConfigurationRefusesEverythingElse(t *testing.T) {
	good := raft.AppendConfiguration(nil, members(voter("n1"), voter("n2")))
	bad := map[string][]byte{
		"empty": {}, "trailing": append(append([]byte{}, good...), 0), "version": {2, 0, 0, 0}, "flags": {1, 2, 0, 0}, "count": {1, 0, 0xff, 0xff},
		"joint without members": {1, 1, 0, 0},
		"role bits":             {1, 0, 1, 0, 1, 'a', 0, 0, 65, 0, 0},
		"no directory":          append([]byte{1, 0, 1, 0, 1, 'a', 0, 0, 33, 0, 0}, make([]byte, 16)...),
		"priority":              {1, 0, 1, 0, 1, 'a', 0, 0, 1, 0, 1},
		"voter to be promoted":  {1, 0, 1, 0, 1, 'a', 0, 0, 5, 0, 0},
		"leaves, not joint":     {1, 0, 2, 0, 1, 'a', 0, 0, 1, 0, 0, 1, 'b', 0, 0, 8, 0, 0},
		"replaces nobody":       {1, 0, 2, 0, 1, 'a', 0, 0, 1, 0, 0, 1, 'b', 0, 0, 20, 0, 0, 0},
		"replaces no member":    {1, 0, 2, 0, 1, 'a', 0, 0, 1, 0, 0, 1, 'b', 0, 0, 20, 0, 0, 1, 'c'},
		"replaces itself":       {1, 0, 2, 0, 1, 'a', 0, 0, 1, 0, 0, 1, 'b', 0, 0, 20, 0, 0, 1, 'b'},
		"voter replaces":        {1, 0, 2, 0, 1, 'a', 0, 0, 17, 0, 0, 1, 'b', 0, 0, 0, 0, 0, 1, 'b'},
		"no id":                 {1, 0, 1, 0, 0, 0, 0, 1, 0, 0},
		"id not UTF-8":          {1, 0, 1, 0, 1, 0xff, 0, 0, 1, 0, 0},
		"no voter":              {1, 0, 1, 0, 1, 'a', 0, 0, 0, 0, 0},
		"was voter, not joint":  {1, 0, 1, 0, 1, 'a', 0, 0, 3, 0, 0},
		"unsorted":              {1, 0, 2, 0, 1, 'b', 0, 0, 1, 0, 0, 1, 'a', 0, 0, 1, 0, 0},
		"repeated":              {1, 0, 2, 0, 1, 'a', 0, 0, 1, 0, 0, 1, 'a', 0, 0, 1, 0, 0},
	}
	for n := range good {
		bad[fmt.Sprintf("cut to %d bytes", n)] = good[:n]
	}
	for name, src := range bad {
		_, err := raft.DecodeConfiguration(src)
		require.ErrorIs(t, err, raft.ErrMalformed, name)
	}
}

func FuzzDecodeConfiguration(f *testing.F) {
	f.Add(raft.AppendConfiguration(nil, members(voter("n1"), raft.Member{ID: "n2", Address: "host:1"})))
	f.Add([]byte{1, 1, 0, 0})
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := raft.DecodeConfiguration(src)
		if err != nil {
			require.ErrorIs(t, err, raft.ErrMalformed)
			return
		}
		require.Equal(t, src, raft.AppendConfiguration(nil, c), "a configuration has one encoding")
	})
}

func FuzzDecodeTrim(f *testing.F) {
	f.Add(raft.AppendTrim(nil, 1))
	f.Add(raft.AppendTrim(nil, 1<<40))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, src []byte) {
		keep, err := raft.DecodeTrim(src)
		if err != nil {
			require.ErrorIs(t, err, raft.ErrMalformed)
			return
		}
		require.Equal(t, src, raft.AppendTrim(nil, keep), "a trim has one encoding")
	})
}

func TestConfigurationValidateReportsEveryFault(t *testing.T) {
	c := raft.Configuration{Joint: true, Members: []raft.Member{{ID: "b"}, {ID: "a", Address: strings.Repeat("x", 300)}, {ID: ""}}}
	err := c.Validate()
	require.ErrorContains(t, err, "sorted")
	require.ErrorContains(t, err, "address")
	require.ErrorContains(t, err, "node id")
	require.ErrorContains(t, err, "no member votes")
	require.ErrorContains(t, err, "outgoing half")
	require.ErrorContains(t, raft.Configuration{Members: make([]raft.Member, raft.MaxMembers+1)}.Validate(), "at most")
	require.Panics(t, func() { raft.AppendConfiguration(nil, c) }, "what would not be read back must not be written")
}

func TestConfigurationTellsItsMembers(t *testing.T) {
	c := raft.Configuration{Joint: true, Members: []raft.Member{
		{ID: "a", Voter: true, WasVoter: true}, {ID: "b", Voter: true}, {ID: "c", WasVoter: true}, {ID: "d"},
	}}
	require.Equal(t, []raft.NodeID{"a", "b"}, c.Voters())
	require.Equal(t, []raft.NodeID{"a", "c"}, c.Outgoing())
	require.Equal(t, []raft.NodeID{"d"}, c.Learners())
	require.True(t, c.IsVoter("c"))
	require.False(t, c.IsVoter("d"))
	require.False(t, c.IsVoter("e"))
	require.Equal(t, "(a b)&&(a c) learners=(d)", c.String())

	clone := c.Clone()
	clone.Members[0].Priority = 7
	require.False(t, c.Equal(clone))
	require.Zero(t, c.Members[0].Priority)
}

func TestTrim(t *testing.T) {
	keep, err := raft.DecodeTrim(raft.AppendTrim(nil, 1<<40+5))
	require.NoError(t, err)
	require.Equal(t, raft.Index(1<<40+5), keep)
	for _, n := range []int{0, 7, 9} {
		_, err := raft.DecodeTrim(make([]byte, n))
		require.ErrorIs(t, err, raft.ErrMalformed)
	}
}
