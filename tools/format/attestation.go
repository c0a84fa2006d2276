package main

import (
	"regexp"
)

const maxContent = 1 << 62

var mediaType = regexp.MustCompile(
	`\A[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}` +
		`(?:; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*\z`,
)

// An attestation is what an envelope holds beside the content (§4).
type attestation struct {
	metadata                                map[any]any
	size                                    uint64
	claimSalt, leafSalt, author, onBehalfOf []byte
	time, replaces                          uint64
	content, signature                      []byte
}

// parseAttestation reads the padded document.
func parseAttestation(padded []byte) (*attestation, error) {
	document, err := unpad(padded)
	if err != nil {
		return nil, err
	}
	f := open(document, "the sealed metadata", "metadata", "claimSalt", "leafSalt", "author", "onBehalfOf", "time",
		"replaces", "content", "signature")
	a := &attestation{
		claimSalt:  f.octets(f.items["claimSalt"], 32),
		leafSalt:   f.octets(f.items["leafSalt"], 32),
		author:     f.octets(f.items["author"], 20),
		onBehalfOf: f.octets(f.items["onBehalfOf"], 20),
		time:       f.uint(f.items["time"], 0, maxUint),
		replaces:   f.uint(f.items["replaces"], 0, maxUint),
		content:    f.octets(f.items["content"], 32),
		signature:  f.octets(f.items["signature"], -1),
	}
	f.check(len(a.signature) > 0 && len(a.signature) <= maxSignature, formatError, "the size of the signature")
	a.readMetadata(f)
	return a, f.err
}

func (a *attestation) readMetadata(f *fields) {
	m := fieldsOf(f.items["metadata"], "the metadata", []string{"title", "type", "size"}, []string{"created"})
	a.metadata = m.items
	kind := m.text(m.items["type"])
	a.size = m.uint(m.items["size"], 0, maxContent)
	if _, there := m.items["created"]; there {
		m.uint(m.items["created"], 0, maxUint)
	}
	m.check(len(m.text(m.items["title"])) <= 1024, formatError, "the title is too long")
	m.check(len(kind) <= 255 && mediaType.MatchString(kind), formatError, "not a media type")
	if f.err == nil {
		f.err = m.err
	}
}

// statementDigest is what the author signed, if this belongs to that record of that patient (§5).
func (a *attestation) statementDigest(p place, recordID []byte) []byte {
	members := []string{"address patient", "bytes16 recordId", "address onBehalfOf", "uint64 time", "bytes32 metadata",
		"bytes32 content", "uint64 replaces"}
	return typedDigest(p, "Statement", members, right(p.patient), left(recordID), right(a.onBehalfOf), word(a.time),
		hash(encode(a.metadata)), a.content, word(a.replaces))
}

func (a *attestation) claim(p place, recordID []byte) []byte {
	return hash([]byte("medrec/1/claim"), a.claimSalt, a.statementDigest(p, recordID), a.signature)
}

func (a *attestation) verify(p place, recordID []byte) error {
	if !isSignedBy(a.author, a.statementDigest(p, recordID), a.signature) {
		return refuse(statementMismatch, "the author named did not sign")
	}
	return nil
}
