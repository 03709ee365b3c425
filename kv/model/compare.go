package model

import (
	"bytes"
	"cmp"
	"fmt"
)

// Target is what a comparison looks at. Its numbers are stored in the log.
type Target uint8

const (
	// TargetVersion is Item.Version, 0 for a missing key.
	TargetVersion Target = 1
	// TargetCreate is Item.CreateRevision, 0 for a missing key.
	TargetCreate Target = 2
	// TargetMod is Item.ModRevision, 0 for a missing key.
	TargetMod Target = 3
	// TargetValue is Item.Value. A missing key has no value: no comparison of it holds.
	TargetValue Target = 4
)

// String gives the target's name.
func (t Target) String() string {
	switch t {
	case TargetVersion:
		return "version"
	case TargetCreate:
		return "create"
	case TargetMod:
		return "mod"
	case TargetValue:
		return "value"
	}
	return fmt.Sprintf("target(%d)", uint8(t))
}

// Operator is how a comparison compares. Its numbers are stored in the log.
type Operator uint8

const (
	// Equal is =.
	Equal Operator = 1
	// NotEqual is !=.
	NotEqual Operator = 2
	// Less is <: what the key has is less than the operand.
	Less Operator = 3
	// Greater is >: what the key has is greater than the operand.
	Greater Operator = 4
)

// String gives the operator's sign.
func (o Operator) String() string {
	switch o {
	case Equal:
		return "="
	case NotEqual:
		return "!="
	case Less:
		return "<"
	case Greater:
		return ">"
	}
	return fmt.Sprintf("operator(%d)", uint8(o))
}

// Compare is a condition on one key. Make it with Version, CreateRevision, ModRevision or Value.
type Compare struct {
	Target   Target
	Operator Operator
	Key      []byte
	// Number is the operand of every target but TargetValue, where it is 0.
	Number uint64
	// Value is the operand of TargetValue, and nil for every other target.
	Value []byte
}

// Version begins a comparison of a key's version: Version(key).Equals(0) holds when the key does not exist.
func Version(key []byte) VersionOf { return VersionOf{key} }

// CreateRevision begins a comparison of the revision at which a key came into being, 0 for a missing key.
func CreateRevision(key []byte) RevisionOf { return RevisionOf{TargetCreate, key} }

// ModRevision begins a comparison of the revision of a key's last change, 0 for a missing key.
func ModRevision(key []byte) RevisionOf { return RevisionOf{TargetMod, key} }

// Value begins a comparison of a key's value, byte by byte. No comparison of a missing key's value holds, not even
// NotEquals: ask for Version(key).Equals(0) as well where that matters.
func Value(key []byte) ValueOf { return ValueOf{key} }

// VersionOf is the version of a key, about to be compared.
type VersionOf struct{ key []byte }

// Equals holds when the version is n.
func (v VersionOf) Equals(n uint64) Compare { return v.compare(Equal, n) }

// NotEquals holds when the version is not n.
func (v VersionOf) NotEquals(n uint64) Compare { return v.compare(NotEqual, n) }

// Less holds when the version is less than n.
func (v VersionOf) Less(n uint64) Compare { return v.compare(Less, n) }

// Greater holds when the version is greater than n.
func (v VersionOf) Greater(n uint64) Compare { return v.compare(Greater, n) }

func (v VersionOf) compare(op Operator, n uint64) Compare {
	return Compare{Target: TargetVersion, Operator: op, Key: v.key, Number: n}
}

// RevisionOf is the create or mod revision of a key, about to be compared.
type RevisionOf struct {
	target Target
	key    []byte
}

// Equals holds when the revision is r.
func (v RevisionOf) Equals(r Revision) Compare { return v.compare(Equal, r) }

// NotEquals holds when the revision is not r.
func (v RevisionOf) NotEquals(r Revision) Compare { return v.compare(NotEqual, r) }

// Less holds when the revision is less than r.
func (v RevisionOf) Less(r Revision) Compare { return v.compare(Less, r) }

// Greater holds when the revision is greater than r.
func (v RevisionOf) Greater(r Revision) Compare { return v.compare(Greater, r) }

func (v RevisionOf) compare(op Operator, r Revision) Compare {
	return Compare{Target: v.target, Operator: op, Key: v.key, Number: uint64(r)}
}

// ValueOf is the value of a key, about to be compared.
type ValueOf struct{ key []byte }

// Equals holds when the key exists and its value is value.
func (v ValueOf) Equals(value []byte) Compare { return v.compare(Equal, value) }

// NotEquals holds when the key exists and its value is not value.
func (v ValueOf) NotEquals(value []byte) Compare { return v.compare(NotEqual, value) }

// Less holds when the key exists and its value sorts before value.
func (v ValueOf) Less(value []byte) Compare { return v.compare(Less, value) }

// Greater holds when the key exists and its value sorts after value.
func (v ValueOf) Greater(value []byte) Compare { return v.compare(Greater, value) }

func (v ValueOf) compare(op Operator, value []byte) Compare {
	return Compare{Target: TargetValue, Operator: op, Key: v.key, Value: value}
}

// Validate says whether the comparison can be carried out, with an *InvalidError.
func (c Compare) Validate() error {
	if err := checkKey(c.Key); err != nil {
		return err
	}
	if c.Target < TargetVersion || c.Target > TargetValue {
		return &InvalidError{Field: "target", Problem: fmt.Sprintf("expected version, create, mod or value, found %v", c.Target)}
	}
	if c.Operator < Equal || c.Operator > Greater {
		return &InvalidError{Field: "operator", Problem: fmt.Sprintf("expected =, !=, < or >, found %v", c.Operator)}
	}
	if c.Target == TargetValue && c.Number != 0 || c.Target != TargetValue && len(c.Value) != 0 {
		return &InvalidError{Field: "operand", Problem: fmt.Sprintf("expected that of %v alone, found a number and a value", c.Target)}
	}
	return nil
}

// Holds says whether the comparison is true of a key's item; found is false for a key that does not exist, whatever item holds
// then. REQUIRES: c is valid.
func (c Compare) Holds(item Item, found bool) bool {
	if !found {
		item = Item{}
	}
	var order int
	switch c.Target {
	case TargetVersion:
		order = cmp.Compare(item.Version, c.Number)
	case TargetCreate:
		order = cmp.Compare(uint64(item.CreateRevision), c.Number)
	case TargetMod:
		order = cmp.Compare(uint64(item.ModRevision), c.Number)
	case TargetValue:
		if !found {
			return false
		}
		order = bytes.Compare(item.Value, c.Value)
	}
	switch c.Operator {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Less:
		return order < 0
	}
	return order > 0
}
