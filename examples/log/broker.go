package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ledgerkv/ledgerkv/ledger"
	"github.com/ledgerkv/ledgerkv/node"
	"github.com/ledgerkv/ledgerkv/raft"
)

// groupOptions is the one log group that carries all topics. A large broker runs a few such groups, about one for each device; a topic is never a group.
var groupOptions = node.GroupOptions{ID: 1, Name: "commitlog"}

// Place says where a message's payload stands in the log: the same place on every replica.
type Place struct {
	Index    node.Index
	Position node.Position
	Length   int
}

// Broker is a broker's storage: a replica of the log, and for each topic where its messages are. The topics are derived from the log alone, so every
// replica has them, and a restart builds them again.
type Broker struct {
	node  *node.Node
	group *node.Group
	// stop ends the goroutines, loops waits for them.
	stop  context.CancelFunc
	loops sync.WaitGroup

	mu sync.Mutex
	// topics holds the places of each topic's messages in log order, as far as this replica has seen them committed.
	topics map[string][]Place
	// dispatched is the last entry that went into topics; changed is closed when it moves, or when dispatching has ended with err.
	dispatched node.Index
	changed    chan struct{}
	err        error
}

// Role is what a broker is at the moment.
type Role struct {
	Master bool
	Term   node.Term
	// Leader is the node that leads, if one is known.
	Leader node.NodeID
}

// OpenBroker opens a node with the log group. follow, when not nil, is told each change of role, on one goroutine.
func OpenBroker(opts node.Options, follow func(Role)) (*Broker, error) {
	n, err := node.Open(opts)
	if err != nil {
		return nil, err
	}
	group, err := n.OpenGroup(groupOptions)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Broker{node: n, group: group, stop: stop, topics: map[string][]Place{}, changed: make(chan struct{})}
	b.loops.Go(func() { b.dispatch(ctx) })
	if follow != nil {
		b.loops.Go(func() { b.followRole(ctx, follow) })
	}
	return b, nil
}

// Produce appends a message and returns where it is, once a quorum has flushed it. It fails with *node.NotLeaderError on a slave; the error names the master.
func (b *Broker) Produce(ctx context.Context, topic string, payload []byte) (Place, error) {
	if len(topic) == 0 || len(topic) > 255 {
		return Place{}, fmt.Errorf("a topic has 1 to 255 bytes, found %d", len(topic))
	}
	body := append(append([]byte{byte(len(topic))}, topic...), payload...)
	out, err := b.group.Propose(ctx, body)
	if err != nil {
		return Place{}, err
	}
	return placeOf(out.Index, out.Position, len(topic), len(body)), nil
}

// placeOf is where the payload stands: the record's header, the topic's length and the topic come before it.
func placeOf(i node.Index, record node.Position, topicBytes, bodyBytes int) Place {
	before := 1 + topicBytes
	return Place{Index: i, Position: record + node.Position(raft.RecordHeaderSize+before), Length: bodyBytes - before}
}

// Fetch reads a payload in place, on any replica that has it. The bytes must not be changed.
func (b *Broker) Fetch(p Place) ([]byte, error) { return b.group.Ledger().ReadAt(p.Position, p.Length) }

// Topic gives the places of a topic's messages, once this replica has dispatched the log up to an entry.
func (b *Broker) Topic(ctx context.Context, topic string, upTo node.Index) ([]Place, error) {
	for {
		b.mu.Lock()
		places, at, changed, err := b.topics[topic], b.dispatched, b.changed, b.err
		b.mu.Unlock()
		if at >= upTo {
			return places[:len(places):len(places)], nil
		}
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dispatch follows the committed log and notes where each topic's messages are.
func (b *Broker) dispatch(ctx context.Context) {
	reader := b.group.Ledger().Reader(1)
	defer reader.Close()
	err := b.node.WaitAdmitted(ctx) // a new cluster begins when every initial member is there
	for err == nil {
		if err = b.group.WaitApplied(ctx, reader.Index()); err == nil {
			err = b.dispatchNext(reader)
		}
	}
	b.note(0, "", Place{}, err)
}

func (b *Broker) dispatchNext(reader *ledger.Reader) error {
	record, err := reader.Next(b.group.Applied())
	var compacted *ledger.CompactedError
	if errors.As(err, &compacted) {
		reader.Seek(compacted.FirstIndex) // retention has removed what came before
		return nil
	}
	if err != nil {
		return err
	}
	if record.Kind != raft.KindData { // the log's own entries: the beginning of a term, a trim
		b.note(record.ID.Index, "", Place{}, nil)
		return nil
	}
	if len(record.Body) == 0 || len(record.Body) < 1+int(record.Body[0]) {
		return fmt.Errorf("entry %s is not one of a broker: expected a topic's length and a topic, found %d bytes", record.ID, len(record.Body))
	}
	topic := string(record.Body[1 : 1+int(record.Body[0])])
	b.note(record.ID.Index, topic, placeOf(record.ID.Index, record.Position, len(topic), len(record.Body)), nil)
	return nil
}

// note says how far dispatching has come, or why it has ended.
func (b *Broker) note(at node.Index, topic string, p Place, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err = err; err == nil {
		b.dispatched = at
	}
	if topic != "" {
		b.topics[topic] = append(b.topics[topic], p)
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// followRole passes role changes on: a replica that leads and has applied all earlier leaders' entries is master, any other a slave.
func (b *Broker) followRole(ctx context.Context, follow func(Role)) {
	var last Role
	for seq := uint64(0); ; {
		s, err := b.group.AwaitRole(ctx, seq)
		if err != nil {
			return
		}
		seq = s.Seq
		if now := (Role{Master: s.Ready, Term: s.Term, Leader: s.Leader}); now != last {
			last = now
			follow(now)
		}
	}
}

// Transfer hands the mastership to another broker and returns when that has it.
func (b *Broker) Transfer(ctx context.Context, to node.NodeID) error {
	return b.group.Transfer(ctx, to)
}

// Close stops the broker; its log stays.
func (b *Broker) Close() error {
	b.stop()
	b.loops.Wait()
	return b.node.Close()
}
