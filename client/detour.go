package client

import (
	"context"
	"errors"
	"fmt"
)

// detour is what a read has learned of damage on its way: what it asks for is damaged on the disk of a node, and others may have it. The zero
// value is the straight way. It belongs to one goroutine.
type detour struct {
	// damage is what the first node with damage has said.
	damage error
}

// met notes that what is asked for is damaged at an endpoint, and learns of others from it the first time.
func (d *detour) met(ctx context.Context, e *endpoint, damage error) {
	if d.damage == nil {
		d.damage = damage
		e.client.statusesOf(ctx, []*endpoint{e})
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
