package jetstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	api "github.com/nats-io/nats.go/jetstream"

	"github.com/ledgerkv/ledgerkv/bench/load"
	"github.com/ledgerkv/ledgerkv/bench/peers/trio"
)

// connections is how many a cluster's callers share, as for every system.
const connections = 4

// client is a connection, and what it knows of the groups. Its methods may be called from any goroutine.
type client struct {
	conn   *nats.Conn
	js     api.JetStream
	log    bool
	groups []handle
}

// handle is a group as a connection sees it, looked up at its first use: a bucket or a stream.
type handle struct {
	mu      sync.Mutex
	bucket  api.KeyValue
	logged  api.Stream
	subject string
}

func dial(spec trio.Spec, urls []string, opts ...nats.Option) (*client, error) {
	opts = append(opts, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.DontRandomize(),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(2)) // it looks for another server when its own stands still; by default after minutes
	if len(urls) > 0 {
		opts = append(opts, func(o *nats.Options) error { o.Servers = urls; return nil })
	}
	conn, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("jetstream: connecting to %v: %w", urls, err)
	}
	js, err := api.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	c := &client{conn: conn, js: js, log: spec.Setup.Log, groups: make([]handle, max(spec.Setup.Groups, 1))}
	for g := range c.groups {
		c.groups[g].subject = fmt.Sprintf("log.%d", g)
	}
	return c, nil
}

func bucket(group int) string { return fmt.Sprintf("bench%d", group) }

// stream is the name of the stream that a group is, or that is below its bucket.
func (c *client) stream(group int) string {
	if c.log {
		return bucket(group)
	}
	return "KV_" + bucket(group)
}

// create makes a group, if it is not there.
func (c *client) create(ctx context.Context, group, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var err error
	if c.log {
		_, err = c.js.CreateOrUpdateStream(ctx, api.StreamConfig{Name: bucket(group), Subjects: []string{c.groups[group].subject}, Storage: api.FileStorage,
			Replicas: replicas, AllowDirect: true})
	} else {
		_, err = c.js.CreateOrUpdateKeyValue(ctx, api.KeyValueConfig{Bucket: bucket(group), History: 1, Storage: api.FileStorage, Replicas: replicas})
	}
	return err
}

func (c *client) bucket(ctx context.Context, group int) (api.KeyValue, error) {
	h := &c.groups[group]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bucket == nil {
		found, err := c.js.KeyValue(ctx, bucket(group))
		if err != nil {
			return nil, err
		}
		h.bucket = found
	}
	return h.bucket, nil
}

func (c *client) logged(ctx context.Context, group int) (api.Stream, error) {
	h := &c.groups[group]
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.logged == nil {
		found, err := c.js.Stream(ctx, bucket(group))
		if err != nil {
			return nil, err
		}
		h.logged = found
	}
	return h.logged, nil
}

func (c *client) do(ctx context.Context, op *load.Op) (load.Done, error) {
	switch op.Kind {
	case load.Put, load.GetLocal:
		b, err := c.bucket(ctx, op.Group)
		if err != nil {
			return load.Done{}, err
		}
		if op.Kind == load.Put {
			_, err = b.Put(ctx, string(op.Key), op.Value)
			return load.Done{Items: 1, Bytes: len(op.Value)}, err
		}
		return get(ctx, b, string(op.Key))
	case load.Append:
		_, err := c.js.Publish(ctx, c.groups[op.Group].subject, op.Value)
		return load.Done{Items: 1, Bytes: len(op.Value)}, err
	case load.LogGet:
		s, err := c.logged(ctx, op.Group)
		if err != nil {
			return load.Done{}, err
		}
		message, err := s.GetMsg(ctx, op.Index+1) // they count from 1
		if err != nil {
			return load.Done{}, err
		}
		return load.Done{Items: 1, Bytes: len(message.Data)}, nil
	}
	return load.Done{}, load.ErrUnsupported
}

func get(ctx context.Context, b api.KeyValue, key string) (load.Done, error) {
	found, err := b.Get(ctx, key)
	if errors.Is(err, api.ErrKeyNotFound) {
		return load.Done{}, nil
	}
	if err != nil {
		return load.Done{}, err
	}
	return load.Done{Items: 1, Bytes: len(found.Value())}, nil
}
