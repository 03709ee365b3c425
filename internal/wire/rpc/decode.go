package rpc

import (
	"bytes"
	"fmt"
	"reflect"

	"github.com/vmihailenco/msgpack/v5"
)

// decode fills v, a pointer, from exactly one msgpack value; what v held before is gone. The result has its own memory. A
// struct takes an array that is shorter, the fields left out being zero, or longer, what it does not know being skipped: so
// fields may be added at the end. Numbers that do not fit are refused.
func decode(data []byte, v any, s shape) error {
	if err := s.check(data); err != nil {
		return err
	}
	dec := msgpack.GetDecoder()
	defer msgpack.PutDecoder(dec)
	dec.Reset(bytes.NewReader(data))
	into := reflect.ValueOf(v).Elem()
	into.SetZero()
	if err := decodeValue(dec, into); err != nil {
		return fmt.Errorf("%w: %T: %w", ErrMalformed, v, err)
	}
	return nil
}

func decodeValue(dec *msgpack.Decoder, v reflect.Value) error {
	code, err := dec.PeekCode()
	if err != nil {
		return err
	}
	if code == 0xc0 { // nil
		return dec.DecodeNil()
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(dec, v)
	case reflect.Slice:
		return decodeSlice(dec, v)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(dec, v.Elem())
	case reflect.String:
		text, err := dec.DecodeString()
		v.SetString(text)
		return err
	case reflect.Bool:
		yes, err := dec.DecodeBool()
		v.SetBool(yes)
		return err
	}
	return decodeNumber(dec, code, v)
}

func decodeStruct(dec *msgpack.Decoder, v reflect.Value) error {
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return err
	}
	for i := range n {
		if i < v.NumField() {
			err = decodeValue(dec, v.Field(i))
		} else {
			err = dec.Skip()
		}
		if err != nil {
			return fmt.Errorf("field %d of %v: %w", i, v.Type(), err)
		}
	}
	return nil
}

func decodeSlice(dec *msgpack.Decoder, v reflect.Value) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b, err := dec.DecodeBytes()
		v.SetBytes(b)
		return err
	}
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		if err := decodeValue(dec, v.Index(i)); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// decodeNumber refuses what the field can't hold, which the library would cut off.
func decodeNumber(dec *msgpack.Decoder, code byte, v reflect.Value) error {
	if code >= 0xd0 && code <= 0xd3 || code >= 0xe0 { // a signed number
		n, err := dec.DecodeInt64()
		if err != nil {
			return err
		}
		if v.CanUint() {
			if n < 0 || v.OverflowUint(uint64(n)) {
				return fmt.Errorf("%d does not fit %v", n, v.Type())
			}
			v.SetUint(uint64(n))
			return nil
		}
		v.SetInt(n)
		return nil
	}
	n, err := dec.DecodeUint64()
	if err != nil {
		return err
	}
	if v.CanUint() {
		if v.OverflowUint(n) {
			return fmt.Errorf("%d does not fit %v", n, v.Type())
		}
		v.SetUint(n)
		return nil
	}
	if n > 1<<63-1 {
		return fmt.Errorf("%d does not fit %v", n, v.Type())
	}
	v.SetInt(int64(n))
	return nil
}
