package main

import (
	"bytes"
	"math/big"
	"slices"
)

type epochID struct{ compartment, number uint64 }

// An epoch is what everybody sees of it (§6).
type epoch struct {
	id        epochID
	suite     *suite
	publicKey []byte
	back      []link
}

type link struct {
	number uint64
	sealed []byte
}

// Held are the keys of an epoch; history is nil for a reader without HISTORY.
type held struct {
	id            epochID
	seed, history []byte
}

func before(one, other epochID) bool {
	return one.compartment < other.compartment || (one.compartment == other.compartment && one.number < other.number)
}

// ascends tells whether items come in order, none twice.
func ascends[T any](items []T, less func(T, T) bool) bool {
	for index := 1; index < len(items); index++ {
		if !less(items[index-1], items[index]) {
			return false
		}
	}
	return true
}

func parseKeys(f *fields, id epochID, seed, history any) held {
	keys := held{id: id, seed: f.octets(seed, 32)}
	if history != nil {
		keys.history = f.octets(history, 32)
	}
	return keys
}

func (e epoch) check(keys held) error {
	if !bytes.Equal(e.suite.publicKey(keys.seed), e.publicKey) {
		return refuse(keyringMismatch, "the public key of an epoch does not belong to its seed")
	}
	return nil
}

func backNonce(number uint64) []byte {
	return new(big.Int).SetUint64(number).FillBytes(make([]byte, nonceSize))
}

func backAssociated(p place, from epochID, number uint64) []byte {
	return p.bound("medrec/1/back", nil, from.compartment, from.number, number)
}

func sealBack(p place, from held, earlier held) []byte {
	number := earlier.id.number
	text := append(bytes.Clone(earlier.seed), earlier.history...)
	return encrypt(from.history, backNonce(number), text, backAssociated(p, from.id, number))
}

func (e epoch) openBack(p place, keys held, to link) (held, error) {
	if keys.history == nil {
		return held{}, refuse(keysMissing, "without HISTORY there is no way back")
	}
	text, err := decrypt(keys.history, backNonce(to.number), to.sealed, backAssociated(p, e.id, to.number))
	if err != nil {
		return held{}, refuse(keyringMismatch, "a way back does not open")
	}
	return held{epochID{e.id.compartment, to.number}, text[:32], text[32:]}, nil
}

// walkBack gives all epochs that the history key of start leads to, nearest first, and the first link that is bad.
// It ends its own way alone.
func walkBack(p place, published map[epochID]epoch, start held) ([]held, error) {
	reached, ends, found := map[epochID]bool{start.id: true}, []held{start}, []held{}
	var bad error
	for ; len(ends) > 0; ends = ends[1:] {
		from, ok := published[ends[0].id]
		if !ok {
			return found, refuse(keyringMismatch, "an epoch was not published")
		}
		for _, to := range slices.Backward(from.back) {
			id := epochID{from.id.compartment, to.number}
			if reached[id] {
				continue
			}
			keys, err := from.follow(p, published, ends[0], to)
			if err != nil {
				if bad == nil {
					bad = err
				}
				continue
			}
			reached[id] = true
			ends, found = append(ends, keys), append(found, keys)
		}
	}
	return found, bad
}

// follow opens a back-link, and checks what it gives against the epoch that it names.
func (e epoch) follow(p place, published map[epochID]epoch, from held, to link) (held, error) {
	keys, err := e.openBack(p, from, to)
	if err != nil {
		return held{}, err
	}
	earlier, ok := published[keys.id]
	if !ok {
		return held{}, refuse(keyringMismatch, "an epoch was not published")
	}
	return keys, earlier.check(keys)
}
