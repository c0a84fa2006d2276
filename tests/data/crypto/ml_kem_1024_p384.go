// The other side of ml_kem_1024_p384.py: Go's own implementation of suite 2, crypto/hpke (Go 1.26 and later).
//
// It reads messages from standard input, checks that each seed gives the public key named and that its message opens,
// seals an answer to the same key, and writes the answers to standard output.
package main

import (
	"bytes"
	"crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
)

type message struct {
	Seed       string `json:"seed"`
	PublicKey  string `json:"publicKey"`
	Info       string `json:"info"`
	Text       string `json:"text"`
	Enc        string `json:"enc"`
	Ciphertext string `json:"ciphertext"`
}

const encSize = 1665

func octets(text string) []byte {
	decoded, err := hex.DecodeString(text)
	check(err)
	return decoded
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func answer(m message) message {
	kem, kdf, aead := hpke.MLKEM1024P384(), hpke.HKDFSHA384(), hpke.AES256GCM()
	private, err := kem.NewPrivateKey(octets(m.Seed))
	check(err)
	if hex.EncodeToString(private.PublicKey().Bytes()) != m.PublicKey {
		log.Fatalf("the seed %s has another public key here", m.Seed)
	}
	text, err := hpke.Open(private, kdf, aead, octets(m.Info), octets(m.Enc+m.Ciphertext))
	check(err)
	if !bytes.Equal(text, octets(m.Text)) {
		log.Fatalf("the message to %s opens to another text here", m.Seed)
	}
	public, err := kem.NewPublicKey(octets(m.PublicKey))
	check(err)
	sealed, err := hpke.Seal(public, kdf, aead, octets(m.Info), text)
	check(err)
	m.Enc, m.Ciphertext = hex.EncodeToString(sealed[:encSize]), hex.EncodeToString(sealed[encSize:])
	return m
}

func main() {
	var messages []message
	check(json.NewDecoder(os.Stdin).Decode(&messages))
	for i, m := range messages {
		messages[i] = answer(m)
	}
	check(json.NewEncoder(os.Stdout).Encode(messages))
}
