package trio

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/bench/load"
)

// Member is a node of a peer that runs in this process. Its methods may be called from any goroutine.
type Member interface {
	// Leads tells whether the node believes to lead a group.
	Leads(group int) bool
	// HandOver asks that another node, by its number, lead a group that this one leads. It returns when that was asked for, not when it is so.
	HandOver(ctx context.Context, group, to int) error
	// Applied is the index of the last entry of a group that the node has applied, counted alike on all nodes.
	Applied(group int) uint64
	// Close closes the node and waits for it.
	Close() error
}

// Open opens a node, and does not wait for others: the cluster may have no leader yet. ctx bounds the opening alone.
type Open[M Member] func(ctx context.Context, spec Spec) (M, error)

// founder is a Member that makes what the groups need, once all nodes are open. Only node 0 is asked to, each time that a cluster is started.
type founder interface {
	Found(ctx context.Context) error
}

// gated is a Member whose writes and flushes pass a Gate; a nil one says that they do not.
type gated interface{ Gate() *Gate }

// The questions that a node answers, here and in a process of its own. A number follows those that are about a group.
const (
	askFound    = "found"
	askLeads    = "leads"
	askHandOver = "hand-over" // to node 0
	askApplied  = "applied"
	askFlushes  = "flushes"
	askStall    = "stall"
	askResume   = "resume"
)

// answer lets a member answer a question with a line; one that begins with "error: " says why it can't.
func answer(ctx context.Context, m Member, question string) string {
	verb, rest, _ := strings.Cut(question, " ")
	group, _ := strconv.Atoi(rest)
	switch verb {
	case askLeads:
		return strconv.FormatBool(m.Leads(group))
	case askFound:
		if f, ok := m.(founder); ok {
			return settled(f.Found(ctx))
		}
		return "nothing to do"
	case askHandOver:
		return settled(m.HandOver(ctx, group, 0))
	case askApplied:
		return strconv.FormatUint(m.Applied(group), 10)
	}
	if g, ok := m.(gated); ok && g.Gate() != nil {
		return answerGate(g.Gate(), verb)
	}
	return "error: this peer's writes pass no gate"
}

func answerGate(g *Gate, verb string) string {
	switch verb {
	case askFlushes:
		return strconv.FormatUint(g.Flushes(), 10)
	case askStall:
		g.Stall()
		return "stalls"
	case askResume:
		g.Resume()
		return "goes on"
	}
	return fmt.Sprintf("error: expected one of the questions of package trio, got %q", verb)
}

// settled is the answer to a question that is a wish.
func settled(err error) string {
	if err != nil {
		return "error: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return "done"
}

// refusal is the error that an answer stands for, nil if none.
func refusal(answer string) error {
	if reason, ok := strings.CutPrefix(answer, "error: "); ok {
		return errors.New(reason)
	}
	return nil
}

// Serve opens a node in this process, which is its own, as a line from Cluster says. It is a peer's load.NodeServer.
func Serve[M Member](ctx context.Context, open Open[M], line string) (load.Node, error) {
	spec, err := parseSpec(line)
	if err != nil {
		return nil, err
	}
	m, err := open(ctx, spec)
	if err != nil {
		return nil, err
	}
	return served{m}, nil
}

// served is a Member as the process that it is in serves it.
type served struct{ Member }

func (s served) Ask(question string) string { return answer(context.Background(), s.Member, question) }
