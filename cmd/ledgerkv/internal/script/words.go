package script

import (
	"fmt"
	"strconv"
	"strings"
)

// words splits a line at spaces and tabs, outside of quotes, up to a comment. A "#" begins a comment where a word would begin.
func words(line string) ([]string, error) {
	var out []string
	for {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			return out, nil
		}
		if line[0] != '"' {
			n := strings.IndexAny(line, " \t\r")
			if n < 0 {
				n = len(line)
			}
			if strings.Contains(line[:n], `"`) {
				return nil, fmt.Errorf("a quote within the word %s: quote the whole word, and write \\\" for a quote in it", line[:n])
			}
			out, line = append(out, line[:n]), line[n:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			return nil, fmt.Errorf("expected a quoted word to end, or an escape that Go's strings know, in %s", line)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("expected a quoted word, found %s", quoted)
		}
		out, line = append(out, word), line[len(quoted):]
		if line != "" && !strings.ContainsAny(line[:1], " \t\r") {
			return nil, fmt.Errorf("expected a space behind %s, found %q", quoted, line[:1])
		}
	}
}
