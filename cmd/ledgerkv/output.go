package main

import (
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode/utf8"
)

// format is the value of the flag -o.
type format string

const (
	asText format = "text"
	asJSON format = "json"
)

// String gives the format's name.
func (f *format) String() string { return string(*f) }

// Set takes a format's name.
func (f *format) Set(s string) error {
	if s != string(asText) && s != string(asJSON) {
		return fmt.Errorf("expected text or json")
	}
	*f = format(s)
	return nil
}

func (f *format) define(flags *flag.FlagSet) {
	*f = asText
	flags.Var(f, "o", "`format` of what is printed: text or json")
}

// writeJSON prints one JSON value on lines of its own.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// writeJSONLine prints one JSON value on one line, for streams.
func writeJSONLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// textOrBase64 gives bytes as JSON has them: as text, or, when they are not UTF-8, in base64. One of the two results is nil.
func textOrBase64(b []byte) (text, base *string) {
	s := string(b)
	if utf8.ValidString(s) {
		return &s, nil
	}
	s = base64.StdEncoding.EncodeToString(b)
	return nil, &s
}

// onLine gives bytes as they stand on a line with others: as they are when they are printable and can't be taken for anything
// else, otherwise in quotes, as Go writes strings.
func onLine(b []byte) string {
	s := string(b)
	if s == "" || s[0] == '"' || !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}

// raw prints bytes and nothing else. On a terminal a newline follows, so that the prompt stands on a line of its own.
func raw(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	if isTerminal(w) && (len(b) == 0 || b[len(b)-1] != '\n') {
		_, err := io.WriteString(w, "\n")
		return err
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
