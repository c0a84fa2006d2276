package main

import (
	"bytes"
)

const maxInline = 32 * 1024

// An envelope has the right form; nothing in it was checked against a key or the chain (§4).
type envelope struct {
	suite, contentSuite                  *suite
	id, enc, key, commitment, body, meta []byte
	kind, compartment, number            uint64
	bodySize                             uint64 // of the sealed content, wherever it is
	header                               map[any]any
}

// An entry is what the chain says about a record.
type entry struct {
	pointer, author, onBehalfOf, claim []byte
	compartments, replaces             uint64
}

func parseEnvelope(block []byte) (*envelope, error) {
	f := open(block, "the envelope", "v", "suite", "contentSuite", "id", "to", "enc", "key", "commitment", "body", "meta")
	f.version()
	own, content := f.suite("suite"), f.suite("contentSuite")
	to := f.array(f.items["to"], 3)
	e := &envelope{
		suite: own, contentSuite: content,
		id:          f.octets(f.items["id"], 16),
		kind:        f.uint(to[0], 0, 1),
		compartment: f.uint(to[1], 0, maxCompartment),
		number:      f.uint(to[2], 0, maxNumber),
		enc:         f.octets(f.items["enc"], own.encSize),
		key:         f.octets(f.items["key"], 32+tagSize),
		commitment:  f.octets(f.items["commitment"], 32),
		meta:        f.octets(f.items["meta"], -1),
		header:      map[any]any{},
	}
	e.parseBody(f)
	for key, value := range f.items {
		if key != "meta" {
			e.header[key] = value
		}
	}
	return e, f.err
}

func (e *envelope) parseBody(f *fields) {
	if body, ok := f.items["body"].([]byte); ok {
		e.body, e.bodySize = body, uint64(len(body))
		f.check(e.bodySize <= maxInline, formatError, "long content stands in the envelope")
		return
	}
	file := f.array(f.items["body"], 2)
	cid := f.octets(file[0], 36)
	e.bodySize = f.uint(file[1], 0, maxUint)
	known := bytes.HasPrefix(cid, []byte{1, 0x55, 0x12, 0x20}) || bytes.HasPrefix(cid, []byte{1, 0x70, 0x12, 0x20})
	f.check(known, formatError, "not a CID of the formats")
	f.check(e.bodySize > maxInline, formatError, "short content stands outside the envelope")
}

// openDataKey opens the data key, and nothing else.
func (e *envelope) openDataKey(p place, seed []byte) ([]byte, error) {
	numbers := []any{e.suite.number, e.contentSuite.number}
	info := p.bound("medrec/1/record", numbers, e.kind, e.compartment, e.number, e.id)
	data, err := e.suite.open(seed, info, e.enc, e.key)
	if err != nil {
		return nil, err
	}
	return data, e.checkCommitment(data)
}

func (e *envelope) checkCommitment(data []byte) error {
	if !bytes.Equal(commitmentOf(data, e.contentSuite.number, e.id), e.commitment) {
		return refuse(contentTampered, "the envelope commits to another data key")
	}
	return nil
}

// verify opens the metadata and checks what can be checked without the content.
func (e *envelope) verify(data []byte, p place, on entry, block []byte) (*attestation, error) {
	if err := e.checkCommitment(data); err != nil {
		return nil, err
	}
	key := metadataKey(data, e.suite.number, e.id, e.enc)
	padded, err := decrypt(key, make([]byte, nonceSize), e.meta, encode(e.header))
	if err != nil {
		return nil, err
	}
	a, err := parseAttestation(padded)
	if err != nil {
		return nil, err
	}
	if err := e.checkEntry(a, p, on, block); err != nil {
		return nil, err
	}
	if err := a.verify(p, e.id); err != nil {
		return nil, err
	}
	if e.bodySize != sealedSize(a.size) {
		return nil, refuse(contentTruncated, "the sealed content has another size than the metadata ask for")
	}
	return a, nil
}

func (e *envelope) checkEntry(a *attestation, p place, on entry, block []byte) error {
	holds := bytes.Equal(hash(block), on.pointer) &&
		on.compartments>>e.compartment&1 == 1 &&
		bytes.Equal(a.author, on.author) &&
		bytes.Equal(a.onBehalfOf, on.onBehalfOf) &&
		a.replaces == on.replaces &&
		bytes.Equal(a.claim(p, e.id), on.claim)
	if !holds {
		return refuse(statementMismatch, "the record is not that of its entry on chain")
	}
	return nil
}

// content reads sealed content, which stands in the envelope or is given.
func (e *envelope) content(data []byte, a *attestation, sealed []byte) ([]byte, error) {
	if e.body != nil {
		sealed = e.body
	}
	reader := newContentReader(data, e.contentSuite.number, e.id, a.size)
	return reader.readAll(sealed, a.leafSalt, a.content)
}
