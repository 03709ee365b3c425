package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/ledgerkv/ledgerkv/kv"
	"github.com/ledgerkv/ledgerkv/kv/server"
	"github.com/ledgerkv/ledgerkv/node"
)

// A program that embeds a node can serve the client port and the admin pages, too, as the binary does.
func Example() {
	dir, err := os.MkdirTemp("", "ledgerkv")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	metrics := server.NewMetrics()
	n, err := node.Open(node.Options{Dir: dir, Hooks: metrics.Hooks(), Logger: silent})
	if err != nil {
		panic(err)
	}
	defer n.Close()
	factory, err := kv.NewFactory(kv.BTree, kv.EngineOptions{})
	if err != nil {
		panic(err)
	}
	group, err := n.OpenGroup(node.GroupOptions{ID: 1, Name: "kv", Factory: factory})
	if err != nil {
		panic(err)
	}
	store, err := kv.Attach(group)
	if err != nil {
		panic(err)
	}

	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s, err := server.New(server.Options{Node: n, Metrics: metrics, Logger: silent, Groups: []server.Group{{ID: 1, Name: "kv", Group: group, Store: store, Engine: "btree"}},
		Members: []server.Member{{ID: n.ID(), Client: port.Addr().String()}}})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	go s.Serve(port) // clients connect here

	admin := httptest.NewServer(s.Admin())
	defer admin.Close()
	answer, err := http.Get(admin.URL + "/healthz")
	if err != nil {
		panic(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %s", answer.Status, body)
	// Output: 200 OK: ok
}
