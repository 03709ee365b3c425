package limits

import (
	"context"
	"io"
	"net"
	"time"
)

// roundTrip sends a message to an echo over loopback and waits for it to come back, again and again.
func roundTrip(ctx context.Context, _ string, d time.Duration) (float64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	go func() { // ends when the other side closes
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	}()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer c.Close()
	message := make([]byte, 64)
	var took []time.Duration
	for began := time.Now(); time.Since(began) < d && ctx.Err() == nil; {
		start := time.Now()
		if _, err := c.Write(message); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(c, message); err != nil {
			return 0, err
		}
		took = append(took, time.Since(start))
	}
	if len(took) == 0 {
		return 0, ctx.Err()
	}
	return median(took), nil
}
