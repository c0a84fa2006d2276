// Command format checks the vectors of tests/vectors against docs/format.md, on Go's own HPKE and another CBOR than
// Python's and TypeScript's:
//
//	go run . ../../tests/vectors
//
// It writes one line of JSON for each file: how many facts were checked, and which did not hold.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

var checks = []struct {
	file  string
	check func(*report)
}{
	{"padding.json", checkPadding},
	{"keys.json", checkKeys},
	{"suite.json", checkSuite},
	{"content.json", checkContent},
	{"merkle.json", checkMerkle},
	{"statement.json", checkStatement},
	{"envelope.json", checkEnvelopes},
	{"keyring.json", checkKeyring},
	{"back_links.json", checkBackLinks},
	{"grant_seal.json", checkGrantSeal},
	{"profile.json", checkProfile},
	{"manifest.json", checkManifest},
	{"erasure.json", checkErasure},
	{"head.json", checkHeads},
	{"suite_2.json", checkSuite2},
	{"refusals.json", checkRefusals},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: format FOLDER-OF-VECTORS")
		os.Exit(2)
	}
	failed := false
	for _, c := range checks {
		r := &report{File: c.file, Failures: []string{}, path: filepath.Join(os.Args[1], c.file)}
		c.check(r)
		failed = failed || len(r.Failures) > 0 || r.Facts == 0
		fmt.Println(string(must(json.Marshal(r))))
	}
	if failed {
		os.Exit(1)
	}
}

// A report is what was found about one file.
type report struct {
	File     string   `json:"file"`
	Facts    int      `json:"facts"`
	Failures []string `json:"failures"`
	path     string
}

// load reads the file into a struct; a name that the file does not have is a fault of this program.
func (r *report) load(into any) {
	if err := json.Unmarshal(must(os.ReadFile(r.path)), into); err != nil {
		panic(fmt.Errorf("%s: %w", r.path, err))
	}
}

func (r *report) fact(holds bool, format string, arguments ...any) {
	r.Facts++
	if !holds {
		r.Failures = append(r.Failures, fmt.Sprintf(format, arguments...))
	}
}

func (r *report) same(found, wanted []byte, what string) {
	r.fact(bytes.Equal(found, wanted), "%s: %x, not %x", what, found, wanted)
}

// opened notes that something opened, or why it did not.
func (r *report) opened(err error, what string) bool {
	r.fact(err == nil, "%s: %v", what, err)
	return err == nil
}

// octets are bytes in hexadecimal digits, with or without 0x.
type octets []byte

func (o *octets) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(strings.TrimPrefix(string(text), "0x"))
	*o = decoded
	return err
}

// number is an integer of up to 64 bits: a JSON number, or a text of decimal or hexadecimal digits.
type number uint64

func (n *number) UnmarshalJSON(text []byte) error {
	parsed, err := strconv.ParseUint(strings.Trim(string(text), `"`), 0, 64)
	*n = number(parsed)
	return err
}

// placeJSON is a place.
type placeJSON struct {
	Chain             number
	Contract, Patient octets
}

func (p placeJSON) place() place { return place{uint64(p.Chain), p.Contract, p.Patient} }

// keysJSON is `[compartment, number, seed, history key or null]`.
type keysJSON held

func (k *keysJSON) UnmarshalJSON(text []byte) error {
	var seed, history octets
	var id epochID
	err := json.Unmarshal(text, &[]any{&id.compartment, &id.number, &seed, &history})
	*k = keysJSON{id, seed, history}
	return err
}

func (k keysJSON) equal(other held) bool {
	return k.id == other.id && bytes.Equal(k.seed, other.seed) && bytes.Equal(k.history, other.history)
}

func allEqual(found []held, wanted []keysJSON) bool {
	if len(found) != len(wanted) {
		return false
	}
	for index, keys := range wanted {
		if !keys.equal(found[index]) {
			return false
		}
	}
	return true
}

// epochJSON is `[compartment, number, public key, [[number, back-link]]]`.
type epochJSON epoch

func (e *epochJSON) UnmarshalJSON(text []byte) error {
	var publicKey octets
	var links []linkJSON
	e.suite = suites[1]
	err := json.Unmarshal(text, &[]any{&e.id.compartment, &e.id.number, &publicKey, &links})
	e.publicKey = publicKey
	for _, each := range links {
		e.back = append(e.back, link(each))
	}
	return err
}

type linkJSON link

func (l *linkJSON) UnmarshalJSON(text []byte) error {
	var sealed octets
	err := json.Unmarshal(text, &[]any{&l.number, &sealed})
	l.sealed = sealed
	return err
}

func published(epochs []epochJSON) map[epochID]epoch {
	found := map[epochID]epoch{}
	for _, each := range epochs {
		found[each.id] = epoch(each)
	}
	return found
}

// storeOf is a store of the pages, which answers with the first one if it is asked for another.
func storeOf(pages []octets) fetch {
	return func(pointer []byte) []byte {
		for _, page := range pages {
			if bytes.Equal(hash(page), pointer) {
				return page
			}
		}
		return pages[0]
	}
}
