package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// inputs are those of a group in refusals.json, as the file has them.
type inputs map[string]json.RawMessage

// readings say what is done with the inputs of each kind of group.
var readings = map[string]func(inputs) error{
	"cbor":        reading(func(i struct{ Bytes octets }) error { return second(decode(i.Bytes)) }),
	"block":       reading(readBlock),
	"padding":     reading(func(i struct{ Padded octets }) error { return second(unpad(i.Padded)) }),
	"publicKey":   reading(readPublicKey),
	"seal":        reading(readSeal),
	"signature":   reading(func(i struct{ Digest, Signature octets }) error { return second(recoverSigner(i.Digest, i.Signature)) }),
	"attestation": reading(readAttestation),
	"content":     reading(readContent),
	"merkle":      reading(readMerkle),
	"envelope":    reading(readEnvelope),
	"keyring":     reading(readKeyring),
	"backLinks":   reading(readBackLinks),
	"grantSeal":   reading(readGrantSeal),
	"profile":     reading(readProfile),
	"manifest":    reading(func(i rowsInputs) error { return i.read(moved) }),
	"erasure":     reading(func(i rowsInputs) error { return i.read(erased) }),
}

func reading[T any](read func(T) error) func(inputs) error {
	return func(given inputs) error {
		var typed T
		if err := json.Unmarshal(must(json.Marshal(given)), &typed); err != nil {
			return err
		}
		return read(typed)
	}
}

func second[T any](_ T, err error) error { return err }

func checkRefusals(r *report) {
	var v struct {
		Groups []struct {
			Of     string
			Inputs inputs
			Cases  []struct {
				What    string
				Change  inputs
				Refusal *string
			}
		}
	}
	r.load(&v)
	for _, group := range v.Groups {
		read := readings[group.Of]
		if read == nil {
			r.fact(false, "there is no reading of %s", group.Of)
			continue
		}
		r.opened(read(group.Inputs), group.Of)
		for _, c := range group.Cases {
			wanted := ""
			if c.Refusal != nil {
				wanted = *c.Refusal
			}
			found, err := kindOf(read(changed(group.Inputs, c.Change)))
			r.fact(err == nil && found == wanted, "%s, %s: %q, not %q; %v", group.Of, c.What, found, wanted, err)
		}
	}
}

// changed are the inputs after a change. `{"splice": [offset, length, digits]}` replaces so many bytes of what was there.
func changed(given, change inputs) inputs {
	after := inputs{}
	for name, value := range given {
		after[name] = value
	}
	for name, value := range change {
		after[name] = spliced(given[name], value)
	}
	return after
}

func spliced(old, value json.RawMessage) json.RawMessage {
	if !bytes.HasPrefix(value, []byte("{")) {
		return value
	}
	var edit struct{ Splice []json.RawMessage }
	if err := json.Unmarshal(value, &edit); err != nil || edit.Splice == nil {
		return value
	}
	var offset, length int
	var inserted, was octets
	must(0, json.Unmarshal(must(json.Marshal(edit.Splice)), &[]any{&offset, &length, &inserted}))
	must(0, json.Unmarshal(old, &was))
	return must(json.Marshal(hex.EncodeToString(bytes.Join([][]byte{was[:offset], inserted, was[offset+length:]}, nil))))
}

func readBlock(i struct{ Block, Pointer octets }) error {
	return second(fetchBlock(func([]byte) []byte { return i.Block }, i.Pointer))
}

func readPublicKey(i struct {
	Suite     number
	PublicKey octets
}) error {
	by, err := suiteOf(uint64(i.Suite))
	if err != nil {
		return err
	}
	return by.checkPublicKey(i.PublicKey)
}

func readSeal(i struct {
	Suite                       number
	Seed, Info, Enc, Ciphertext octets
}) error {
	by, err := suiteOf(uint64(i.Suite))
	if err != nil {
		return err
	}
	return second(by.open(i.Seed, i.Info, i.Enc, i.Ciphertext))
}

func readAttestation(i struct {
	Place                     placeJSON
	Document, RecordID, Claim octets
}) error {
	a, err := parseAttestation(i.Document)
	if err != nil {
		return err
	}
	if err := a.verify(i.Place.place(), i.RecordID); err != nil {
		return err
	}
	if !bytes.Equal(a.claim(i.Place.place(), i.RecordID), i.Claim) {
		return refuse(statementMismatch, "another claim")
	}
	return nil
}

func readContent(i struct {
	DataKey, RecordID, LeafSalt, ReaderKey, ReaderRecordID, ReaderSalt, Root octets
	Size, Cut, Added                                                         int
	Order                                                                    []int
	Flipped                                                                  *int
	ReaderSize                                                               number
}) error {
	chunks, _ := sealContent(some("content", i.Size), i.DataKey, 1, i.RecordID, i.LeafSalt)
	var presented []byte
	for _, number := range i.Order {
		presented = append(presented, chunks[number]...)
	}
	presented = append(presented[:len(presented)-i.Cut], make([]byte, i.Added)...)
	if i.Flipped != nil {
		presented[*i.Flipped] ^= 1
	}
	reader := newContentReader(i.ReaderKey, 1, i.ReaderRecordID, uint64(i.ReaderSize))
	return second(reader.readAll(presented, i.ReaderSalt, i.Root))
}

func readMerkle(i struct {
	Root, Leaf   octets
	Index, Count int
	Path         []octets
}) error {
	var path [][]byte
	for _, sibling := range i.Path {
		path = append(path, sibling)
	}
	return verifyInclusion(i.Root, i.Leaf, i.Index, i.Count, path)
}

func readEnvelope(i struct {
	Place                                           placeJSON
	Block, Seed, Pointer, Author, OnBehalfOf, Claim octets
	Compartments, Replaces                          number
}) error {
	if i.Pointer == nil {
		i.Pointer = hash(i.Block)
	}
	e, err := parseEnvelope(i.Block)
	if err != nil {
		return err
	}
	data, err := e.openDataKey(i.Place.place(), i.Seed)
	if err != nil {
		return err
	}
	on := entry{i.Pointer, i.Author, i.OnBehalfOf, i.Claim, uint64(i.Compartments), uint64(i.Replaces)}
	a, err := e.verify(data, i.Place.place(), on, i.Block)
	if err != nil {
		return err
	}
	return second(e.content(data, a, nil))
}

func readKeyring(i struct {
	Place                         placeJSON
	Version, Compartments         number
	Block, Reader, Seed, RootSeed octets
	Pages                         []octets
}) error {
	k, err := parseKeyring(i.Block, i.Place.place(), uint64(i.Version), uint64(i.Compartments))
	if err != nil {
		return err
	}
	if _, err := k.openAsReader(i.Reader, i.Seed, storeOf(i.Pages)); err != nil {
		return err
	}
	_, _, err = k.openAsRoot(i.RootSeed)
	return err
}

func readBackLinks(i struct {
	Place            placeJSON
	Epochs           []epochJSON
	Start            [2]uint64
	Seed, HistoryKey octets
}) error {
	start := held{epochID{i.Start[0], i.Start[1]}, i.Seed, i.HistoryKey}
	return second(walkBack(i.Place.place(), published(i.Epochs), start))
}

func readGrantSeal(i struct {
	Place                placeJSON
	Grantee, Seed, Block octets
	Version              number
}) error {
	_, _, err := openGrantSeal(i.Block, i.Place.place(), i.Grantee, uint64(i.Version), i.Seed)
	return err
}

func readProfile(i struct {
	Place          placeJSON
	Account, Block octets
}) error {
	return second(verifyProfile(i.Block, i.Place.place(), i.Account))
}

type rowsInputs struct {
	Place placeJSON
	Block octets
	Pages []octets
}

func (i rowsInputs) read(form rowFormat) error {
	return second(readRows(form, i.Block, i.Place.place(), storeOf(i.Pages)))
}

// rowJSON is `[entry, leaf, pointer]`.
type rowJSON row

func (r *rowJSON) UnmarshalJSON(text []byte) error {
	var pointer octets
	err := json.Unmarshal(text, &[]any{&r.entry, &r.leaf, &pointer})
	r.pointer = pointer
	if err != nil {
		return fmt.Errorf("a row: %w", err)
	}
	return nil
}
