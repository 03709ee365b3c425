package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ledgerkv/ledgerkv/client"
	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// endpointsVariable names the cluster where --endpoints does not.
const endpointsVariable = "LEDGERKV_ENDPOINTS"

// defaultEndpoints are those of the cluster that dev starts.
const defaultEndpoints = "127.0.0.1:7411,127.0.0.1:7421,127.0.0.1:7431"

// connection is how a verb reaches a cluster.
type connection struct {
	endpoints, cluster, group string
	timeout                   time.Duration
	// nearest: reads go to the first endpoint that answers.
	nearest bool
}

func (c *connection) define(flags *flag.FlagSet, group string) {
	flags.StringVar(&c.endpoints, "endpoints", "", "client ports of the cluster, `host:port,...`; otherwise $"+endpointsVariable+", otherwise the cluster of ledgerkv dev")
	flags.StringVar(&c.cluster, "cluster", "", "the cluster's `name`, refused by nodes of another one; any when nothing is said")
	flags.StringVar(&c.group, "group", group, "the group's `name`")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "how long to try")
}

// named reports whether the endpoints were named, by the flag or the variable.
func (c *connection) named() bool { return c.endpoints != "" || os.Getenv(endpointsVariable) != "" }

// addresses are the endpoints in force.
func (c *connection) addresses() []string {
	text := c.endpoints
	if text == "" {
		text = os.Getenv(endpointsVariable)
	}
	if text == "" {
		text = defaultEndpoints
	}
	var out []string
	for _, a := range strings.Split(text, ",") {
		if a = strings.TrimSpace(a); a != "" {
			out = append(out, a)
		}
	}
	return out
}

// open connects, and gives a context that ends with the timeout.
func (c *connection) open(ctx context.Context) (*client.Client, context.Context, context.CancelFunc, error) {
	if c.timeout <= 0 {
		return nil, nil, nil, cli.Misuse("--timeout can't be %v: expected more than 0", c.timeout)
	}
	opts := client.Options{Endpoints: c.addresses(), Group: c.group, Cluster: c.cluster, Agent: "ledgerkv", RetryTimeout: c.timeout,
		AttemptTimeout: min(c.timeout, 5*time.Second)}
	if c.nearest {
		opts.ReadFrom = client.Any
	}
	cl, err := client.Open(opts)
	if err != nil {
		return nil, nil, nil, cli.Misuse("%v", err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	return cl, limited, cancel, nil
}

// with runs f with a client, and gives its error an exit status.
func (c *connection) with(ctx context.Context, f func(context.Context, *client.Client) error) error {
	cl, limited, cancel, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	defer cl.Close()
	return c.explain(f(limited, cl))
}

// explain gives an error its exit status, and says what may help.
func (c *connection) explain(err error) error {
	var compacted *client.CompactedError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrNoEntry), errors.As(err, &compacted):
		return cli.Exit(cli.ExitNotFound, err)
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, client.ErrUncertain):
		return fmt.Errorf("%w\ntried %s; is the cluster running? ledgerkv dev starts one, --endpoints or $%s names another",
			err, strings.Join(c.addresses(), ", "), endpointsVariable)
	}
	return err
}

// maxInputBytes bounds what is read from standard input as one value: far more than a group takes.
const maxInputBytes = 256 << 20

// argument gives an argument's bytes: those of standard input for "-".
func argument(call *cli.Call, text string) ([]byte, error) {
	if text != "-" {
		return []byte(text), nil
	}
	b, err := io.ReadAll(io.LimitReader(call.In, maxInputBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	if len(b) > maxInputBytes {
		return nil, fmt.Errorf("standard input has more than %d bytes", maxInputBytes)
	}
	return b, nil
}
