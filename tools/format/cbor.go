package main

import (
	"bytes"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

const (
	maxBlock = 1 << 20
	maxUint  = ^uint64(0)
)

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		IndefLength:     cbor.IndefLengthForbidden,
		TagsMd:          cbor.TagsForbidden,
		MaxNestedLevels: 8,
	}.DecMode())
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// encode gives the one encoding of a value that was decoded or put together here.
func encode(value any) []byte { return must(encoding.Marshal(value)) }

// context is an info or associated data: the array of a label and what something is bound to.
func context(label string, items ...any) []byte { return encode(append([]any{label}, items...)) }

// decode reads untrusted bytes: exactly one value, in its one deterministic encoding (§1).
func decode(octets []byte) (any, error) {
	var value any
	if len(octets) > maxBlock {
		return nil, refuse(formatError, "more than a block")
	}
	if err := decoding.Unmarshal(octets, &value); err != nil {
		return nil, refuse(formatError, "not valid CBOR: %v", err)
	}
	if !isPlain(value) {
		return nil, refuse(formatError, "a type that the formats leave out")
	}
	if again, err := encoding.Marshal(value); err != nil || !bytes.Equal(again, octets) {
		return nil, refuse(formatError, "not in its deterministic form")
	}
	return value, nil
}

// isPlain tells whether a value has only types that the formats use.
func isPlain(value any) bool {
	switch v := value.(type) {
	case nil, bool, uint64, int64, big.Int, []byte, string:
		return true
	case []any:
		return all(v, isPlain)
	case map[any]any:
		for key, item := range v {
			switch key.(type) {
			case uint64, int64, string:
			default:
				return false
			}
			if !isPlain(item) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

func all[T any](items []T, holds func(T) bool) bool {
	for _, item := range items {
		if !holds(item) {
			return false
		}
	}
	return true
}

// fields gives typed access to a map that must have exactly the given text keys. The first error stays, and what is
// asked for after it is empty.
type fields struct {
	what  string
	items map[any]any
	err   error
}

func open(octets []byte, what string, keys ...string) *fields {
	value, err := decode(octets)
	f := fieldsOf(value, what, keys, nil)
	if err != nil {
		f.err = err
	}
	return f
}

func fieldsOf(value any, what string, keys, optional []string) *fields {
	items, ok := value.(map[any]any)
	f := &fields{what: what, items: items}
	known := map[any]bool{}
	for _, key := range keys {
		_, there := items[key]
		ok = ok && there
		known[key] = true
	}
	for _, key := range optional {
		known[key] = true
	}
	for key := range items {
		ok = ok && known[key]
	}
	if !ok {
		f.fail("not a map, or it lacks a key or has one that is unknown")
	}
	return f
}

func (f *fields) fail(problem string) {
	if f.err == nil {
		f.err = refuse(formatError, "%s: %s", f.what, problem)
	}
}

// check keeps a refusal of another kind than FormatError.
func (f *fields) check(holds bool, why kind, problem string) {
	if f.err == nil && !holds {
		f.err = refuse(why, "%s: %s", f.what, problem)
	}
}

func (f *fields) uint(value any, minimum, maximum uint64) uint64 {
	number, ok := value.(uint64)
	if !ok || number < minimum || number > maximum {
		f.fail("an integer is missing or out of bounds")
		return 0
	}
	return number
}

// octets is a byte string of size bytes, or of any if size is negative.
func (f *fields) octets(value any, size int) []byte {
	octets, ok := value.([]byte)
	if !ok || (size >= 0 && len(octets) != size) {
		f.fail("bytes are missing or have another size")
		return make([]byte, max(size, 0))
	}
	return octets
}

func (f *fields) text(value any) string {
	text, ok := value.(string)
	if !ok {
		f.fail("a text is missing")
	}
	return text
}

// array is an array of size items, or of any number if size is negative.
func (f *fields) array(value any, size int) []any {
	items, ok := value.([]any)
	if !ok || (size >= 0 && len(items) != size) {
		f.fail("an array is missing or has another size")
		return make([]any, max(size, 0))
	}
	return items
}

func (f *fields) names(value any) map[uint64]string {
	items, ok := value.(map[any]any)
	if !ok {
		f.fail("names are missing")
	}
	names := map[uint64]string{}
	for number, name := range items {
		names[f.uint(number, 0, maxCompartment)] = f.text(name)
	}
	return names
}

func (f *fields) version() {
	if f.uint(f.items["v"], 0, maxUint) != 1 {
		f.fail("another version")
	}
}

// suite is the suite that the map names under a key. Nothing else is read after one that is unknown.
func (f *fields) suite(key string) *suite {
	found, err := suiteOf(f.uint(f.items[key], 0, maxUint))
	if f.err == nil {
		f.err = err
	}
	if found == nil {
		found = suites[1]
	}
	return found
}

// place is the place that the map names.
func (f *fields) place() place {
	return place{
		f.uint(f.items["chain"], 0, maxUint),
		f.octets(f.items["contract"], 20),
		f.octets(f.items["patient"], 20),
	}
}
