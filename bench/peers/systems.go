package main

import (
	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/dledger"
	"github.com/ledgerkv/ledgerkv/bench/peers/dragonboat"
	"github.com/ledgerkv/ledgerkv/bench/peers/etcd"
	"github.com/ledgerkv/ledgerkv/bench/peers/hashiraft"
	"github.com/ledgerkv/ledgerkv/bench/peers/jetstream"
	"github.com/ledgerkv/ledgerkv/bench/peers/lone"
)

// peers are the stores that are compared, as far as this machine has what they need.
func peers() []load.System {
	all := []load.System{
		etcd.System{}, hashiraft.System{}, dragonboat.System{Store: dragonboat.Tan}, dragonboat.System{Store: dragonboat.Pebble},
		jetstream.System{}, jetstream.System{Default: true}, lone.Pebble{}, lone.Bolt{},
	}
	if dledger.Present() {
		all = append(all, dledger.System{})
	}
	return all
}
