package main

import (
	"bytes"
	"crypto/sha3"
	"fmt"
	"maps"
)

// some is SHAKE256 of a name: the content of that size.
func some(name string, size int) []byte { return sha3.SumSHAKE256([]byte(name), size) }

func checkPadding(r *report) {
	var v struct {
		Padme     [][2]number
		Documents []struct{ Document, Padded octets }
	}
	r.load(&v)
	for _, pair := range v.Padme {
		r.fact(padme(uint64(pair[0])) == uint64(pair[1]), "padme(%d)", pair[0])
	}
	for _, each := range v.Documents {
		r.same(pad(each.Document), each.Padded, "padded")
		document, err := unpad(each.Padded)
		r.opened(err, "unpad")
		r.same(document, each.Document, "document")
	}
}

func checkKeys(r *report) {
	var v struct {
		Place                                                                placeJSON
		Bip39Seed, RootSecret, RootKey, RootPublicKey                        octets
		Account, DataKey, RecordID, ContentKey, Commitment, Enc, MetadataKey octets
		InboxKeys, ProfileKeys                                               []octets
	}
	r.load(&v)
	p, root := v.Place.place(), rootSecret(v.Bip39Seed)
	r.same(root, v.RootSecret, "root secret")
	r.same(rootKey(root, 1, p), v.RootKey, "root key")
	r.same(suites[1].publicKey(v.RootKey), v.RootPublicKey, "root public key")
	for index, number := range []uint64{0, 1, 1000} {
		r.same(inboxKey(root, 1, p, number), v.InboxKeys[index], "inbox key")
	}
	for number, key := range v.ProfileKeys {
		r.same(profileKey(root, 1, p, v.Account, uint64(number)), key, "profile key")
	}
	r.same(contentKey(v.DataKey, 1, v.RecordID), v.ContentKey, "content key")
	r.same(commitmentOf(v.DataKey, 1, v.RecordID), v.Commitment, "commitment")
	r.same(metadataKey(v.DataKey, 1, v.RecordID, v.Enc), v.MetadataKey, "metadata key")
}

type sealedVector struct{ Seed, PublicKey, Info, Text, Enc, Ciphertext octets }

func checkSuite(r *report) {
	var v sealedVector
	r.load(&v)
	r.sealed(v, suites[1])
}

func (r *report) sealed(v sealedVector, by *suite) {
	r.same(by.publicKey(v.Seed), v.PublicKey, "public key")
	r.opened(by.checkPublicKey(v.PublicKey), "public key")
	text, err := by.open(v.Seed, v.Info, v.Enc, v.Ciphertext)
	r.opened(err, "sealed")
	r.same(text, v.Text, "text")
}

func checkContent(r *report) {
	var v struct {
		DataKey, RecordID, LeafSalt octets
		Cases                       []struct {
			Size           int
			SealedSize     number
			Root, Sealed   octets
			Sha256OfChunks []octets
		}
		Ranges []struct {
			Size, Start, Stop int
			Chunks            []uint64
			Sha256            octets
		}
	}
	r.load(&v)
	for _, c := range v.Cases {
		content := some("content", c.Size)
		chunks, root := sealContent(content, v.DataKey, 1, v.RecordID, v.LeafSalt)
		r.fact(sealedSize(uint64(c.Size)) == uint64(c.SealedSize), "sealed size of %d", c.Size)
		r.fact(len(chunks) == len(c.Sha256OfChunks), "%d chunks of %d bytes", len(chunks), c.Size)
		for index, chunk := range chunks {
			r.same(hash(chunk), c.Sha256OfChunks[index], "chunk")
		}
		r.same(root, c.Root, "root")
		whole := bytes.Join(chunks, nil)
		if c.Sealed != nil {
			r.same(whole, c.Sealed, "sealed")
		}
		opened, err := newContentReader(v.DataKey, 1, v.RecordID, uint64(c.Size)).readAll(whole, v.LeafSalt, c.Root)
		r.opened(err, fmt.Sprintf("content of %d bytes", c.Size))
		r.fact(bytes.Equal(opened, content), "content of %d bytes", c.Size)
	}
	for _, c := range v.Ranges {
		chunks, _ := sealContent(some("content", c.Size), v.DataKey, 1, v.RecordID, v.LeafSalt)
		var found []byte
		for _, index := range c.Chunks {
			octets, err := newContentReader(v.DataKey, 1, v.RecordID, uint64(c.Size)).openChunk(index, chunks[index])
			r.opened(err, "chunk of a range")
			found = append(found, octets...)
		}
		if len(c.Chunks) > 0 {
			first := int(c.Chunks[0]) * chunkSize
			found = found[c.Start-first : c.Stop-first]
		}
		r.same(hash(found), c.Sha256, fmt.Sprintf("bytes %d to %d", c.Start, c.Stop))
	}
}

func checkMerkle(r *report) {
	var v struct {
		LeafSalt              octets
		Chunks, Leaves, Roots []octets
		Paths                 [][]octets
	}
	r.load(&v)
	var leaves [][]byte
	for index, chunk := range v.Chunks {
		leaves = append(leaves, leafHash(v.LeafSalt, uint64(index), chunk))
		r.same(leaves[index], v.Leaves[index], "leaf")
		r.same(merkleRoot(leaves), v.Roots[index], "root")
	}
	for index, wanted := range v.Paths {
		path := inclusionPath(leaves, index)
		r.fact(len(path) == len(wanted), "path of %d", index)
		for step, sibling := range path {
			r.same(sibling, wanted[step], "step of a path")
		}
		r.opened(verifyInclusion(v.Roots[6], leaves[index], index, 7, path), "path")
	}
}

func checkStatement(r *report) {
	var v struct {
		Place                                                       placeJSON
		TypedData                                                   struct{ Message struct{ RecordID octets } }
		MetadataDigest, Digest, Signer, Signature, ClaimSalt, Claim octets
		SealedMetadataDocument                                      octets
	}
	r.load(&v)
	a, err := parseAttestation(v.SealedMetadataDocument)
	if !r.opened(err, "attestation") {
		return
	}
	p, recordID := v.Place.place(), v.TypedData.Message.RecordID
	r.same(hash(encode(a.metadata)), v.MetadataDigest, "metadata digest")
	r.same(a.statementDigest(p, recordID), v.Digest, "digest")
	signer, err := recoverSigner(v.Digest, v.Signature)
	r.opened(err, "signature")
	r.same(signer, v.Signer, "signer")
	r.same(a.signature, v.Signature, "signature")
	r.same(a.claimSalt, v.ClaimSalt, "claim salt")
	r.same(a.claim(p, recordID), v.Claim, "claim")
	r.opened(a.verify(p, recordID), "attestation")
}

type envelopeVectors struct {
	Place                                 placeJSON
	DataKey, RecordID, Author, OnBehalfOf octets
	Replaces                              number
	Cases                                 []struct {
		To                                   [3]uint64
		Seed, Block, Pointer, Claim, Content octets
		Title                                string
	}
}

func checkEnvelopes(r *report) {
	var v envelopeVectors
	r.load(&v)
	r.envelopes(v)
}

func (r *report) envelopes(v envelopeVectors) {
	for _, c := range v.Cases {
		e, err := parseEnvelope(c.Block)
		if !r.opened(err, "envelope") {
			continue
		}
		r.fact([3]uint64{e.kind, e.compartment, e.number} == c.To, "destination")
		data, err := e.openDataKey(v.Place.place(), c.Seed)
		r.opened(err, "data key")
		r.same(data, v.DataKey, "data key")
		on := entry{c.Pointer, v.Author, v.OnBehalfOf, c.Claim, 1 << c.To[1], uint64(v.Replaces)}
		a, err := e.verify(v.DataKey, v.Place.place(), on, c.Block)
		if !r.opened(err, "record") {
			continue
		}
		r.fact(a.metadata["title"] == c.Title, "title")
		if c.Content != nil {
			content, err := e.content(v.DataKey, a, nil)
			r.opened(err, "content")
			r.same(content, c.Content, "content")
		}
	}
}

type keyringVector struct {
	Place                     placeJSON
	Version, Compartments     number
	Block, RootSeed, BackLink octets
	Pages                     []octets
	Readers                   []struct {
		Address, Seed octets
		Epochs        [][2]uint64
		History       bool
	}
	Keys  []keysJSON
	Names map[uint64]string
}

func checkKeyring(r *report) {
	var v keyringVector
	r.load(&v)
	r.keyring(v)
}

func (r *report) keyring(v keyringVector) {
	k, err := parseKeyring(v.Block, v.Place.place(), uint64(v.Version), uint64(v.Compartments))
	if !r.opened(err, "keyring") {
		return
	}
	for _, reader := range v.Readers {
		wanted := []keysJSON{}
		for _, keys := range v.Keys {
			for _, id := range reader.Epochs {
				if keys.id == (epochID{id[0], id[1]}) {
					if !reader.History {
						keys.history = nil
					}
					wanted = append(wanted, keys)
				}
			}
		}
		found, err := k.openAsReader(reader.Address, reader.Seed, storeOf(v.Pages))
		r.opened(err, "keyring as reader")
		r.fact(allEqual(found, wanted), "keys of a reader")
	}
	found, names, err := k.openAsRoot(v.RootSeed)
	r.opened(err, "keyring as root")
	r.fact(allEqual(found, v.Keys[1:]), "keys of the root")
	r.fact(maps.Equal(names, v.Names), "names: %v", names)
	r.same(sealBack(v.Place.place(), held(v.Keys[1]), held(v.Keys[0])), v.BackLink, "back-link")
}

func checkBackLinks(r *report) {
	var v struct {
		Place  placeJSON
		Epochs []epochJSON
		Keys   []keysJSON
	}
	r.load(&v)
	found, err := walkBack(v.Place.place(), published(v.Epochs), held(v.Keys[0]))
	r.opened(err, "way back")
	r.fact(allEqual(found, v.Keys[1:]), "keys on the way back")
}

type grantVector struct {
	Place                placeJSON
	Grantee, Seed, Block octets
	Version              number
	Epochs               []keysJSON
	Names                map[uint64]string
}

func checkGrantSeal(r *report) {
	var v grantVector
	r.load(&v)
	r.grantSeal(v)
}

func (r *report) grantSeal(v grantVector) {
	found, names, err := openGrantSeal(v.Block, v.Place.place(), v.Grantee, uint64(v.Version), v.Seed)
	r.opened(err, "grant's seal")
	r.fact(allEqual(found, v.Epochs), "keys granted")
	r.fact(maps.Equal(names, v.Names), "names: %v", names)
}

type profileVector struct {
	Place                  placeJSON
	Account, Block, Digest octets
}

func checkProfile(r *report) {
	var v profileVector
	r.load(&v)
	r.profile(v)
}

func (r *report) profile(v profileVector) {
	content, err := verifyProfile(v.Block, v.Place.place(), v.Account)
	r.opened(err, "profile")
	r.same(profileDigest(content, v.Place.place(), v.Account), v.Digest, "digest")
}

func checkManifest(r *report) {
	var v struct {
		Place placeJSON
		Block octets
		Pages []octets
		Rows  []rowJSON
	}
	r.load(&v)
	rows, err := readRows(moved, v.Block, v.Place.place(), storeOf(v.Pages))
	r.opened(err, "manifest")
	r.fact(len(rows) == len(v.Rows), "%d rows", len(rows))
	for index, found := range rows {
		wanted := v.Rows[index]
		r.fact(found.entry == wanted.entry && found.leaf == wanted.leaf, "row %d", index)
		r.same(found.pointer, wanted.pointer, "pointer")
	}
}

func checkErasure(r *report) {
	var v struct {
		Place   placeJSON
		Block   octets
		Pages   []octets
		Entries []uint32
	}
	r.load(&v)
	rows, err := readRows(erased, v.Block, v.Place.place(), storeOf(v.Pages))
	r.opened(err, "list of erased records")
	r.fact(len(rows) == len(v.Entries), "%d entries", len(rows))
	for index, found := range rows {
		r.fact(found.entry == v.Entries[index] && found.leaf == 0, "entry %d", found.entry)
	}
}

func checkHeads(r *report) {
	var v struct {
		Histories []struct {
			Patient octets
			Entries []struct {
				Previous, Author, OnBehalfOf, Pointer, Claim, Word octets
				Kind, Compartments, Time, Replaces                 number
			}
		}
	}
	r.load(&v)
	for _, history := range v.Histories {
		for _, e := range history.Entries {
			next := nextWord(e.Previous, e.Kind == 3, right(history.Patient), word(uint64(e.Kind)),
				word(uint64(e.Compartments)), right(e.Author), right(e.OnBehalfOf), word(uint64(e.Time)), e.Pointer, e.Claim,
				word(uint64(e.Replaces)))
			r.same(next, e.Word, "word")
		}
	}
}

func checkSuite2(r *report) {
	var v struct {
		RootKey, RootPublicKey, ContentKey, Commitment octets
		Sealed                                         sealedVector
		Envelope                                       envelopeVectors
		Keyring                                        keyringVector
		GrantSeal                                      grantVector
		Profile                                        profileVector
	}
	r.load(&v)
	seed, data, recordID := some("bip-39 seed", 64), v.Envelope.DataKey, v.Envelope.RecordID
	r.same(rootKey(rootSecret(seed), 2, v.Envelope.Place.place()), v.RootKey, "root key")
	r.same(suites[2].publicKey(v.RootKey), v.RootPublicKey, "root public key")
	r.same(contentKey(data, 2, recordID), v.ContentKey, "content key")
	r.same(commitmentOf(data, 2, recordID), v.Commitment, "commitment")
	r.sealed(v.Sealed, suites[2])
	r.envelopes(v.Envelope)
	r.keyring(v.Keyring)
	r.grantSeal(v.GrantSeal)
	r.profile(v.Profile)
}
