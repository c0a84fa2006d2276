package main

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
)

const (
	maxCompartment = 63
	maxNumber      = 1<<32 - 1
	maxVersion     = 1<<24 - 1
)

// A place is a patient of a deployment: what every seal is bound to (§1).
type place struct {
	chain             uint64
	contract, patient []byte
}

func (p place) items() []any { return []any{p.chain, p.contract, p.patient} }

func (p place) equal(other place) bool {
	return p.chain == other.chain && bytes.Equal(p.contract, other.contract) && bytes.Equal(p.patient, other.patient)
}

// bound is an info that starts with a label and numbers, then has the place, then more.
func (p place) bound(label string, numbers []any, more ...any) []byte {
	return context(label, append(append(append([]any{}, numbers...), p.items()...), more...)...)
}

// derive is HKDF-SHA256 with 32 bytes of output.
func derive(secret, info, salt []byte) []byte {
	return must(hkdf.Key(sha256.New, secret, salt, string(info), 32))
}

func hash(octets ...[]byte) []byte {
	digest := sha256.Sum256(bytes.Join(octets, nil))
	return digest[:]
}

// rootSecret is the root secret of a BIP-39 seed (§2).
func rootSecret(seed []byte) []byte { return derive(seed, context("medrec/1/root-secret"), nil) }

func rootKey(root []byte, suite uint64, p place) []byte {
	return derive(root, p.bound("medrec/1/root-key", []any{suite}), nil)
}

func inboxKey(root []byte, suite uint64, p place, number uint64) []byte {
	return derive(root, p.bound("medrec/1/inbox-key", []any{suite}, number), nil)
}

func profileKey(root []byte, suite uint64, p place, account []byte, number uint64) []byte {
	return derive(root, context("medrec/1/profile-key", suite, p.chain, p.contract, account, number), nil)
}

// contentKey, commitment and metadataKey come from a data key (§3).
func contentKey(data []byte, suite uint64, recordID []byte) []byte {
	return derive(data, context("medrec/1/content", suite, recordID), nil)
}

func commitmentOf(data []byte, suite uint64, recordID []byte) []byte {
	return derive(data, context("medrec/1/commitment", suite, recordID), nil)
}

func metadataKey(data []byte, suite uint64, recordID, enc []byte) []byte {
	return derive(data, context("medrec/1/metadata", suite, recordID), hash(enc))
}
