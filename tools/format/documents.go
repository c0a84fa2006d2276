package main

import (
	"bytes"
	"encoding/binary"
)

// A rowFormat is a kind of root block with rows: the key that holds its pages, and the bytes of a row.
type rowFormat struct {
	pages   string
	rowSize int
}

var (
	moved  = rowFormat{"pages", 40}
	erased = rowFormat{"erased", 8}
)

// openGrantSeal opens the seal that came with a grant (§7).
func openGrantSeal(block []byte, at place, grantee []byte, version uint64, seed []byte) ([]held, map[uint64]string, error) {
	f := open(block, "the grant's seal", "v", "suite", "chain", "contract", "patient", "grantee", "version", "enc",
		"ciphertext")
	f.version()
	by := f.suite("suite")
	there, its := f.place(), f.octets(f.items["grantee"], 20)
	same := there.equal(at) && bytes.Equal(its, grantee) && f.uint(f.items["version"], 0, maxVersion) == version
	f.check(same, keyringMismatch, "made for another grant")
	enc, ciphertext := f.octets(f.items["enc"], by.encSize), f.octets(f.items["ciphertext"], -1)
	if f.err != nil {
		return nil, nil, f.err
	}
	info := at.bound("medrec/1/grant", []any{by.number}, grantee, version)
	document, err := by.openDocument(seed, info, enc, ciphertext)
	if err != nil {
		return nil, nil, err
	}
	return parseGranted(document)
}

func parseGranted(document []byte) ([]held, map[uint64]string, error) {
	f, found := open(document, "the grant's seal", "epochs", "names"), []held{}
	for _, row := range f.array(f.items["epochs"], -1) {
		items := f.array(row, 4)
		id := epochID{f.uint(items[0], 0, maxCompartment), f.uint(items[1], 1, maxNumber)}
		found = append(found, parseKeys(f, id, items[2], items[3]))
	}
	ordered := ascends(found, func(one, other held) bool { return before(one.id, other.id) })
	f.check(ordered, formatError, "epochs out of order")
	return found, f.names(f.items["names"]), f.err
}

// verifyProfile reads a profile, if its account said so (§8).
func verifyProfile(block []byte, at place, account []byte) (map[any]any, error) {
	f := open(block, "the profile", "v", "suite", "account", "number", "key", "name", "endpoints", "time", "signature")
	f.version()
	by := f.suite("suite")
	key, signature := f.octets(f.items["key"], by.publicKeySize), f.octets(f.items["signature"], -1)
	its := f.octets(f.items["account"], 20)
	f.uint(f.items["number"], 0, maxNumber)
	f.uint(f.items["time"], 0, maxUint)
	f.text(f.items["name"])
	for _, endpoint := range f.array(f.items["endpoints"], -1) {
		f.text(endpoint)
	}
	f.check(len(signature) > 0 && len(signature) <= maxSignature, formatError, "the size of the signature")
	if f.err == nil {
		f.err = by.checkPublicKey(key)
	}
	if f.err != nil {
		return nil, f.err
	}
	content := map[any]any{}
	for name, value := range f.items {
		if name != "signature" {
			content[name] = value
		}
	}
	if !bytes.Equal(its, account) || !isSignedBy(account, profileDigest(content, at, account), signature) {
		return nil, refuse(integrityError, "the profile is not one of its account for this deployment")
	}
	return content, nil
}

func profileDigest(content map[any]any, at place, account []byte) []byte {
	members := []string{"address account", "bytes32 content"}
	return typedDigest(at, "Profile", members, right(account), hash(encode(content)))
}

// A row names a record, and says where its envelope is now if that is what the rows are about.
type row struct {
	entry, leaf uint32
	pointer     []byte
}

// readRows gives all rows of a manifest of moved records, or of a list of erased ones (§9).
func readRows(form rowFormat, block []byte, at place, get fetch) ([]row, error) {
	f := open(block, "the rows", "v", "chain", "contract", "patient", "count", form.pages)
	f.version()
	f.check(f.place().equal(at), integrityError, "made for another chain, contract or patient")
	count, pages := f.uint(f.items["count"], 0, maxUint), []page{}
	for _, item := range f.array(f.items[form.pages], -1) {
		pair := f.array(item, 2)
		pages = append(pages, page{f.uint(pair[0], 0, maxUint), f.octets(pair[1], 32)})
	}
	ordered := ascends(pages, func(one, other page) bool { return one.first < other.first })
	fits := uint64(len(pages)) <= count && count <= uint64(len(pages)*(maxBlock/form.rowSize))
	f.check(ordered && fits, formatError, "pages out of order, or too few or many for the rows")
	if f.err != nil {
		return nil, f.err
	}
	var rows []row
	for index, at := range pages {
		behind := maxUint
		if index+1 < len(pages) {
			behind = pages[index+1].first
		}
		more, err := form.readPage(at, behind, index+1 == len(pages), get)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if uint64(len(rows)) != count {
		return nil, refuse(formatError, "%d rows, and it says %d", len(rows), count)
	}
	return rows, nil
}

func (form rowFormat) readPage(at page, behind uint64, last bool, get fetch) ([]row, error) {
	block, err := fetchBlock(get, at.pointer)
	if err != nil {
		return nil, err
	}
	if len(block) == 0 || len(block)%form.rowSize != 0 {
		return nil, refuse(formatError, "a page is cut off")
	}
	var rows []row
	var numbers []uint64
	for ; len(block) > 0; block = block[form.rowSize:] {
		numbers = append(numbers, binary.BigEndian.Uint64(block))
		entry, leaf := binary.BigEndian.Uint32(block), binary.BigEndian.Uint32(block[4:])
		rows = append(rows, row{entry, leaf, block[8:form.rowSize]})
	}
	ordered := ascends(numbers, func(one, other uint64) bool { return one < other })
	if numbers[0] != at.first || !ordered || (!last && numbers[len(numbers)-1] >= behind) {
		return nil, refuse(formatError, "rows out of order")
	}
	return rows, nil
}

// nextWord is a patient's word after an entry (§10): head (25 bytes) ‖ length (4) ‖ keyring version (3).
func nextWord(previous []byte, keyringEntry bool, words ...[]byte) []byte {
	head := keccak(append([][]byte{previous}, words...)...)[:25]
	length := binary.BigEndian.Uint32(previous[25:]) + 1
	version := binary.BigEndian.Uint32(append([]byte{0}, previous[29:]...))
	if keyringEntry {
		version++
	}
	next := binary.BigEndian.AppendUint32(head, length)
	return append(next, binary.BigEndian.AppendUint32(nil, version)[1:]...)
}
