package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/ledgerkv/ledgerkv/cmd/ledgerkv/internal/cli"
)

// decodeStrict fills v, a pointer to a struct, from a JSON object that may have only the keys that v knows, each once.
func decodeStrict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if err := checkKeys(d, reflect.TypeOf(v).Elem(), ""); err != nil {
		return explain(data, err)
	}
	if d.More() {
		return fmt.Errorf("line %d: expected nothing behind the closing brace", lineAt(data, d.InputOffset()))
	}
	return explain(data, json.Unmarshal(data, v))
}

// keyError is a key that should not be there.
type keyError struct {
	offset int64
	text   string
}

// Error says which.
func (e *keyError) Error() string { return e.text }

// checkKeys walks over the next JSON value and compares the keys of objects with the fields of structs. Values of other types it passes over;
// decoding finds those that don't fit.
func checkKeys(d *json.Decoder, t reflect.Type, place string) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	switch {
	case !ok:
		return nil
	case delim == '[':
		for i := 0; d.More(); i++ {
			if err := checkKeys(d, element(t), fmt.Sprintf("%s[%d]", place, i)); err != nil {
				return err
			}
		}
	default:
		if err := checkObject(d, t, place); err != nil {
			return err
		}
	}
	_, err = d.Token() // what closes it
	return err
}

func checkObject(d *json.Decoder, t reflect.Type, place string) error {
	fields := fieldsOf(t)
	var seen []string
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		key := token.(string)
		where := strings.TrimPrefix(place+"."+key, ".")
		inner, known := fields[key]
		switch {
		case fields != nil && !known:
			return &keyError{d.InputOffset(), fmt.Sprintf("unknown key %q%s%s", key, inPlace(place), nearestKey(key, fields))}
		case slices.Contains(seen, key):
			return &keyError{d.InputOffset(), fmt.Sprintf("the key %q%s is there twice", key, inPlace(place))}
		}
		seen = append(seen, key)
		if err := checkKeys(d, inner, where); err != nil {
			return err
		}
	}
	return nil
}

func inPlace(place string) string {
	if place == "" {
		return ""
	}
	return " in " + place
}

// fieldsOf gives the keys of a struct with the types of their values; nil for what is no struct.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if t == nil || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return nil
	}
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	return fields
}

func element(t reflect.Type) reflect.Type {
	if t == nil || t.Kind() != reflect.Slice {
		return nil
	}
	return t.Elem()
}

func nearestKey(key string, fields map[string]reflect.Type) string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := cli.Nearest(key, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return "; expected one of " + strings.Join(names, ", ")
}

// explain puts the line in front of an error, and says in plain words what was expected.
func explain(data []byte, err error) error {
	var (
		syntax *json.SyntaxError
		typ    *json.UnmarshalTypeError
		key    *keyError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &key):
		return fmt.Errorf("line %d: %w", lineAt(data, key.offset), err)
	case errors.As(err, &syntax):
		return fmt.Errorf("line %d: expected JSON: %w", lineAt(data, syntax.Offset), err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("line %d: expected a JSON object, found an end too early", lineAt(data, int64(len(data))))
	case errors.As(err, &typ):
		place := ""
		if typ.Field != "" {
			place = typ.Field + ": "
		}
		return fmt.Errorf("line %d: %sexpected %s, found %s", lineAt(data, typ.Offset), place, wanted(typ.Type), found(typ.Value))
	}
	return fmt.Errorf("expected a JSON object: %w", err)
}

// wanted is what JSON has to give for a type.
func wanted(t reflect.Type) string {
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "text"
	case t.Kind() == reflect.Pointer:
		return wanted(t.Elem())
	}
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<t.Bits()-1)
	case reflect.Uint, reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	}
	return "an object"
}

// found is what package json says was there, in words: "string", "number 3" and so on.
func found(value string) string {
	switch value {
	case "string":
		return "text"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	case "number":
		return "a number"
	}
	return "the " + value
}

func lineAt(data []byte, offset int64) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte("\n"))
}
