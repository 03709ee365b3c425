package config_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/config"
)

func TestParsePeers(t *testing.T) {
	t.Parallel()
	p := func(pairs ...string) (peers []config.Peer) {
		for i := 0; i < len(pairs); i += 2 {
			peers = append(peers, config.Peer{ID: pairs[i], Peer: pairs[i+1]})
		}
		return peers
	}
	for text, want := range map[string][]config.Peer{
		"n1=127.0.0.1:7412":                                 p("n1", "127.0.0.1:7412"),
		"n1=127.0.0.1:7412,n2=host-b.example.com:7422":      p("n1", "127.0.0.1:7412", "n2", "host-b.example.com:7422"),
		" n1=a:1 , n-2=b:2 ,":                               p("n1", "a:1", "n-2", "b:2"),
		"n1=[::1]:7412,n2=[fe80::1%eth-0]:7412":             p("n1", "[::1]:7412", "n2", "[fe80::1%eth-0]:7412"),
		"n0-127.0.0.1:40911;n1-127.0.0.1:40912":             p("n0", "127.0.0.1:40911", "n1", "127.0.0.1:40912"),
		"n0-my-host-1.local:40911;n1-other-host:40912;":     p("n0", "my-host-1.local:40911", "n1", "other-host:40912"),
		"n0-[2001:db8::1]:40911; n1-broker-a-rack-2:40912 ": p("n0", "[2001:db8::1]:40911", "n1", "broker-a-rack-2:40912"),
		"n0-localhost:65535":                                p("n0", "localhost:65535"),
	} {
		got, err := config.ParsePeers(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestParsePeersSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "expected peers as",
		"n1":                          "expected peers as",
		"n1=":                         `peer n1: expected host:port, found ""`,
		"=a:1":                        "expected peers as",
		"-a:1":                        "expected peers as",
		"n1=a":                        `expected host:port, found "a"`,
		"n1=a:0":                      "expected a port from 1 to 65535",
		"n1=a:65536":                  "expected a port from 1 to 65535",
		"n1=a:x":                      "expected a port from 1 to 65535",
		"n1=:7412":                    "expected host:port",
		"n1=::1:7412":                 "expected host:port",
		"n1=a:1,n1=b:2":               "peer n1 is named twice",
		"n0-a:1;n0-b:2":               "peer n0 is named twice",
		"n1=a:1,,n2=b:2":              "expected peers as",
		"n1=a:1;n2=b:2":               "expected host:port",
		"n0-a:1,n1-b:2":               "expected host:port",
		"n 1=a:1":                     "expected peers as",
		"n0-127.0.0.1:40911;n1=b:912": "expected peers as",
	} {
		_, err := config.ParsePeers(text)
		require.ErrorContains(t, err, want, text)
	}
}

// FuzzParsePeers: what is read are peers that can be dialed, and writing them reads as the same.
func FuzzParsePeers(f *testing.F) {
	for _, seed := range []string{"n1=127.0.0.1:7412,n2=host-b:7422", "n0-127.0.0.1:40911;n1-a-b-c:40912;", "n0-[::1]:1", "n1==:1", ";", "n1=[a:1]:2", "a-b-c:1", "x=y=z:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		peers, err := config.ParsePeers(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, peers)
		for _, p := range peers {
			require.NotEmpty(t, p.ID)
			host, port, err := net.SplitHostPort(p.Peer)
			require.NoError(t, err)
			require.NotEmpty(t, host)
			require.NotEmpty(t, port)
		}
		if strings.ContainsAny(text, "=") {
			again, err := config.ParsePeers(config.FormatPeers(peers))
			require.NoError(t, err)
			require.Equal(t, peers, again)
		}
	})
}

func TestParseGroups(t *testing.T) {
	t.Parallel()
	got, err := config.ParseGroups("1:kv:kv,7:commit-log:log")
	require.NoError(t, err)
	require.Equal(t, []config.Group{{ID: 1, Name: "kv", Kind: "kv"}, {ID: 7, Name: "commit-log", Kind: "log"}}, got)
	for _, text := range []string{"", "1:kv", "x:kv:kv", "1:kv:kv,", "-1:kv:kv", "1:a:b:c", "1x:kv:kv"} {
		_, err := config.ParseGroups(text)
		require.Error(t, err, text)
	}
}

// FuzzParseGroups: what is read is written, and read again, as the same.
func FuzzParseGroups(f *testing.F) {
	for _, seed := range []string{"1:kv:kv,2:log:log", "7:commit-log:log", "18446744073709551615:a:kv", "1:kv", "-1:a:b", " 1:a:b", "+1:a:b", "0x1:a:b", ",,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		groups, err := config.ParseGroups(text)
		if err != nil {
			require.Empty(t, groups)
			return
		}
		var parts []string
		for _, g := range groups {
			parts = append(parts, fmt.Sprintf("%d:%s:%s", g.ID, g.Name, g.Kind))
		}
		again, err := config.ParseGroups(strings.Join(parts, ","))
		require.NoError(t, err)
		require.Equal(t, groups, again)
	})
}
