package script

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
	"github.com/ledgerkv/ledgerkv/kv/model"
)

// Error says which line of a script can't be understood, and why.
type Error struct {
	Line int
	Err  error
}

// Error gives the line and the reason.
func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Err }

// MaxLineBytes bounds a line: a value as long as a store takes by default, with every byte of it escaped.
const MaxLineBytes = 20 << 20

// Parse reads a transaction. It fails with *Error, with what reading fails with, or because the script is empty.
func Parse(r io.Reader) (model.Txn, error) {
	var txn model.Txn
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 0, 64<<10), MaxLineBytes)
	line, empty := 0, true
	for scanner.Scan() {
		line++
		w, err := words(scanner.Text())
		if err == nil && len(w) > 0 {
			empty = false
			err = add(&txn, w)
		}
		if err != nil {
			return model.Txn{}, &Error{line, err}
		}
	}
	if err := scanner.Err(); err != nil {
		return model.Txn{}, &Error{line + 1, err}
	}
	if empty {
		return model.Txn{}, fmt.Errorf("the transaction is empty: expected lines that begin with if, then or else")
	}
	if err := txn.Validate(); err != nil {
		return model.Txn{}, err
	}
	return txn, nil
}

// add adds a line's condition or operation.
func add(txn *model.Txn, w []string) error {
	switch w[0] {
	case "if":
		c, err := condition(w[1:])
		if err == nil {
			err = c.Validate()
		}
		txn.Compares = append(txn.Compares, c)
		return err
	case "then", "else":
		op, err := operation(w[0], w[1:])
		if err == nil {
			err = op.Validate()
		}
		if w[0] == "then" {
			txn.Success = append(txn.Success, op)
		} else {
			txn.Failure = append(txn.Failure, op)
		}
		return err
	}
	return fmt.Errorf("expected if, then or else, found %q%s", w[0], meant(w[0], "if", "then", "else"))
}

func meant(word string, candidates ...string) string {
	if near := cli.Nearest(word, candidates); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

var (
	targets = map[string]model.Target{"version": model.TargetVersion, "create": model.TargetCreate, "mod": model.TargetMod, "value": model.TargetValue}
	signs   = map[string]model.Operator{"=": model.Equal, "!=": model.NotEqual, "<": model.Less, ">": model.Greater}
)

// condition reads what follows "if": TARGET KEY SIGN OPERAND.
func condition(w []string) (model.Compare, error) {
	if len(w) != 4 {
		return model.Compare{}, fmt.Errorf("expected if version|create|mod|value KEY =|!=|<|> OPERAND, found %d words behind if", len(w))
	}
	target, ok := targets[w[0]]
	if !ok {
		return model.Compare{}, fmt.Errorf("expected version, create, mod or value behind if, found %q%s", w[0], meant(w[0], "version", "create", "mod", "value"))
	}
	sign, ok := signs[w[2]]
	if !ok {
		return model.Compare{}, fmt.Errorf("expected =, !=, < or > behind the key, found %q", w[2])
	}
	c := model.Compare{Target: target, Operator: sign, Key: []byte(w[1])}
	if target == model.TargetValue {
		c.Value = []byte(w[3])
		return c, nil
	}
	var err error
	if c.Number, err = strconv.ParseUint(w[3], 10, 64); err != nil {
		return model.Compare{}, fmt.Errorf("expected a number to compare %s with, found %q", w[0], w[3])
	}
	return c, nil
}

// operation reads what follows "then" or "else".
func operation(branch string, w []string) (model.Op, error) {
	verb := ""
	if len(w) > 0 {
		verb, w = w[0], w[1:]
	}
	prefix := len(w) == 2 && w[0] == "--prefix"
	switch {
	case verb == "put" && len(w) == 2:
		return model.Put([]byte(w[0]), []byte(w[1])), nil
	case verb == "get" && len(w) == 1:
		return model.Get([]byte(w[0])), nil
	case verb == "del" && len(w) == 1:
		return model.Delete([]byte(w[0])), nil
	case verb == "del" && prefix:
		return model.DeletePrefix([]byte(w[1])), nil
	case verb == "range" && len(w) == 1:
		return model.Range(model.RangeOptions{Prefix: []byte(w[0])}), nil
	case verb == "put" || verb == "get" || verb == "del" || verb == "range":
		return model.Op{}, fmt.Errorf("expected %s behind %s, found %s", map[string]string{"put": "KEY VALUE", "get": "KEY", "del": "KEY or --prefix PREFIX",
			"range": "PREFIX"}[verb], verb, describe(w))
	}
	return model.Op{}, fmt.Errorf("expected put, get, del or range behind %s, found %q%s", branch, verb, meant(verb, "put", "get", "del", "range"))
}

func describe(w []string) string {
	if len(w) == 0 {
		return "nothing"
	}
	return strings.TrimSpace(fmt.Sprintf("%d words", len(w)))
}
