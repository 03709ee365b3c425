package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// detour is what a read has learned of nodes that can't serve it: what it asks for is damaged on their disks. Others may have it. The zero
// value is the straight way. It belongs to one goroutine.
type detour struct {
	// closed are the endpoints not to be asked again.
	closed []*endpoint
	// damage is what the first of them has said.
	damage error
}

// avoid notes that an endpoint has damaged what is asked for, and learns of others from it the first time.
func (d *detour) avoid(ctx context.Context, e *endpoint, damage error) {
	if d.damage == nil {
		d.damage = damage
		e.client.statusesOf(ctx, []*endpoint{e})
	}
	d.close(e)
}

func (d *detour) close(e *endpoint) {
	if !slices.Contains(d.closed, e) {
		d.closed = append(d.closed, e)
	}
}

// misled notes that an endpoint knows no better than to send the read to one with damage.
func (d *detour) misled(from, to *endpoint) {
	if slices.Contains(d.closed, to) {
		d.close(from)
	}
}

// explain puts the damage, if there was any, into the error that a read ends with. Together with ErrUnavailable or a context's error that
// says why asking others was of no use.
func (d *detour) explain(err error) error {
	if d.damage == nil || err == nil || errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w; and no other node could serve the request: %w", d.damage, err)
}
