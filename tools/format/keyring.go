package main

import (
	"bytes"
)

const maxSeals = 256

// A keyring fits its entry (§6).
type keyring struct {
	suite                                  *suite
	place                                  place
	version                                uint64
	epochs                                 []epoch
	holders                                []holder
	pages                                  []page
	rootPublicKey, rootEnc, rootCiphertext []byte
}

type holder struct {
	address []byte
	epochs  []epoch
}

type page struct {
	first   uint64
	pointer []byte
}

// A fetch gives the block that a pointer names; what it gives is checked.
type fetch func(pointer []byte) []byte

func fetchBlock(get fetch, pointer []byte) ([]byte, error) {
	block := get(pointer)
	if len(block) > maxBlock {
		return nil, refuse(formatError, "a block of %d bytes", len(block))
	}
	if !bytes.Equal(hash(block), pointer) {
		return nil, refuse(blockMismatch, "the store returned other bytes")
	}
	return block, nil
}

func parseKeyring(block []byte, at place, version, compartments uint64) (*keyring, error) {
	f := open(block, "the keyring", "v", "suite", "chain", "contract", "patient", "version", "epochs", "holders", "pages",
		"root", "inbox")
	f.version()
	k := &keyring{suite: f.suite("suite"), place: at, version: version}
	f.check(f.place().equal(at), keyringMismatch, "made for another chain, contract or patient")
	f.check(f.uint(f.items["version"], 0, maxVersion) == version, keyringMismatch, "made for another version")
	k.parseEpochs(f, compartments)
	k.parseHolders(f)
	k.parsePages(f)
	root := f.array(f.items["root"], 3)
	k.rootPublicKey = f.octets(root[0], k.suite.publicKeySize)
	k.rootEnc, k.rootCiphertext = f.octets(root[1], k.suite.encSize), f.octets(root[2], -1)
	if f.items["inbox"] != nil {
		inbox := f.array(f.items["inbox"], 2)
		f.uint(inbox[0], 0, maxNumber)
		f.octets(inbox[1], k.suite.publicKeySize)
	}
	return k, f.err
}

func (k *keyring) parseEpochs(f *fields, compartments uint64) {
	var mask uint64
	for _, row := range f.array(f.items["epochs"], -1) {
		items := f.array(row, 5)
		e := epoch{suite: k.suite}
		e.id = epochID{f.uint(items[0], 0, maxCompartment), f.uint(items[1], 1, maxNumber)}
		f.uint(items[2], 0, maxUint)
		e.publicKey = f.octets(items[3], k.suite.publicKeySize)
		for _, row := range f.array(items[4], -1) {
			pair := f.array(row, 2)
			e.back = append(e.back, link{f.uint(pair[0], 1, e.id.number-1), f.octets(pair[1], 64+tagSize)})
		}
		ordered := ascends(e.back, func(one, other link) bool { return one.number < other.number })
		f.check(ordered, formatError, "back-links out of order")
		k.epochs = append(k.epochs, e)
		mask |= 1 << e.id.compartment
	}
	ordered := ascends(k.epochs, func(one, other epoch) bool { return before(one.id, other.id) })
	f.check(ordered, formatError, "epochs out of order")
	f.check(mask == compartments, keyringMismatch, "other compartments than the entry")
}

func (k *keyring) parseHolders(f *fields) {
	for _, row := range f.array(f.items["holders"], -1) {
		pair := f.array(row, 2)
		h, indices := holder{address: f.octets(pair[0], 20)}, []uint64{}
		for _, item := range f.array(pair[1], -1) {
			index := f.uint(item, 0, maxUint)
			f.check(index < uint64(len(k.epochs)), formatError, "a holder's epoch is not there")
			if f.err == nil {
				h.epochs = append(h.epochs, k.epochs[index])
			}
			indices = append(indices, index)
		}
		ordered := ascends(indices, func(one, other uint64) bool { return one < other })
		f.check(ordered && len(indices) > 0, formatError, "a holder's epochs")
		k.holders = append(k.holders, h)
	}
	ordered := ascends(k.holders, func(one, other holder) bool { return bytes.Compare(one.address, other.address) < 0 })
	f.check(ordered, formatError, "holders out of order")
}

func (k *keyring) parsePages(f *fields) {
	var bounds []uint64
	for _, row := range f.array(f.items["pages"], -1) {
		pair := f.array(row, 2)
		k.pages = append(k.pages, page{f.uint(pair[0], 0, maxUint), f.octets(pair[1], 32)})
		bounds = append(bounds, k.pages[len(k.pages)-1].first)
	}
	bounds = append(bounds, uint64(len(k.holders)))
	ordered := ascends(bounds, func(one, other uint64) bool { return one < other && other-one <= maxSeals })
	f.check(bounds[0] == 0 && ordered, formatError, "pages that do not divide the holders")
}

// openAsReader gives the keys that the keyring holds for a reader.
func (k *keyring) openAsReader(reader, seed []byte, get fetch) ([]held, error) {
	for index, h := range k.holders {
		if bytes.Equal(h.address, reader) {
			enc, ciphertext, err := k.fetchSeal(uint64(index), get)
			if err != nil {
				return nil, err
			}
			info := k.place.bound("medrec/1/keyring-seal", []any{k.suite.number}, k.version, reader)
			document, err := k.suite.openDocument(seed, info, enc, ciphertext)
			if err != nil {
				return nil, err
			}
			rows, err := decode(document)
			if err != nil {
				return nil, err
			}
			return match(h.epochs, rows)
		}
	}
	return nil, refuse(keysMissing, "nothing is sealed to this reader")
}

func (k *keyring) fetchSeal(index uint64, get fetch) (enc, ciphertext []byte, err error) {
	number, behind := len(k.pages)-1, uint64(len(k.holders))
	for k.pages[number].first > index {
		behind = k.pages[number].first
		number--
	}
	block, err := fetchBlock(get, k.pages[number].pointer)
	if err != nil {
		return nil, nil, err
	}
	value, err := decode(block)
	f := &fields{what: "a page of the keyring", err: err}
	seal := f.array(f.array(value, int(behind-k.pages[number].first))[index-k.pages[number].first], 2)
	return f.octets(seal[0], k.suite.encSize), f.octets(seal[1], -1), f.err
}

// openAsRoot gives all keys of the keyring and the names of all compartments.
func (k *keyring) openAsRoot(seed []byte) ([]held, map[uint64]string, error) {
	info := k.place.bound("medrec/1/keyring-root", []any{k.suite.number}, k.version)
	padded, err := k.suite.open(seed, info, k.rootEnc, k.rootCiphertext)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(k.suite.publicKey(seed), k.rootPublicKey) {
		return nil, nil, refuse(keyringMismatch, "another root public key than the one it is sealed to")
	}
	document, err := unpad(padded)
	if err != nil {
		return nil, nil, err
	}
	f := open(document, "the root's seal", "epochs", "names")
	if f.err != nil {
		return nil, nil, f.err
	}
	keys, err := match(k.epochs, f.items["epochs"])
	if err != nil {
		return nil, nil, err
	}
	complete := all(keys, func(keys held) bool { return keys.history != nil })
	f.check(complete, formatError, "a history key is missing")
	return keys, f.names(f.items["names"]), f.err
}

// match holds the rows of a seal against the epochs that they are for.
func match(epochs []epoch, value any) ([]held, error) {
	f := &fields{what: "a keyring's seal"}
	rows, found := f.array(value, len(epochs)), []held{}
	for index, e := range epochs {
		pair := f.array(rows[index], 2)
		found = append(found, parseKeys(f, e.id, pair[0], pair[1]))
	}
	for index, keys := range found {
		if f.err == nil {
			f.err = epochs[index].check(keys)
		}
	}
	return found, f.err
}
