package config

import (
	"fmt"
	"slices"
	"strings"
)

// ParsePeers reads the initial members in one of two forms:
//
//	n1=127.0.0.1:7412,n2=127.0.0.1:7422
//	n0-127.0.0.1:40911;n1-127.0.0.1:40912
//
// The second is DLedger's: the id goes up to the first dash, and the host may have dashes of its own. The port follows the last
// colon; an IPv6 address stands in brackets. A separator at the end and spaces around members are allowed.
func ParsePeers(text string) ([]Peer, error) {
	separator, mark := ",", "="
	if !strings.Contains(text, "=") {
		separator, mark = ";", "-"
	}
	parts := strings.Split(text, separator)
	if last := len(parts) - 1; last > 0 && strings.TrimSpace(parts[last]) == "" {
		parts = parts[:last]
	}
	var peers []Peer
	for _, part := range parts {
		id, address, ok := strings.Cut(strings.TrimSpace(part), mark)
		if !ok || id == "" || strings.ContainsAny(id, " \t,;") {
			return nil, fmt.Errorf("expected peers as id=host:port,… or id-host:port;…, found %q", strings.TrimSpace(part))
		}
		if err := checkAddress(address); err != nil {
			return nil, fmt.Errorf("peer %s: %w", id, err)
		}
		if slices.ContainsFunc(peers, func(p Peer) bool { return p.ID == id }) {
			return nil, fmt.Errorf("peer %s is named twice", id)
		}
		peers = append(peers, Peer{ID: id, Peer: address})
	}
	return peers, nil
}

// FormatPeers writes peers in the first form of ParsePeers.
func FormatPeers(peers []Peer) string {
	var parts []string
	for _, p := range peers {
		parts = append(parts, p.ID+"="+p.Peer)
	}
	return strings.Join(parts, ",")
}

// ParseGroups reads groups as id:name:kind, separated by commas: 1:kv:kv,2:log:log.
func ParseGroups(text string) ([]Group, error) {
	var groups []Group
	for _, part := range strings.Split(text, ",") {
		var g Group
		fields := strings.Split(part, ":")
		if len(fields) != 3 {
			return nil, fmt.Errorf("expected groups as id:name:kind,…, found %q", part)
		}
		if _, err := fmt.Sscanf(fields[0]+"\n", "%d\n", &g.ID); err != nil {
			return nil, fmt.Errorf("expected a number as the group's id, found %q", fields[0])
		}
		g.Name, g.Kind = fields[1], fields[2]
		groups = append(groups, g)
	}
	return groups, nil
}
