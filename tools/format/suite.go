package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hpke"
)

const (
	nonceSize = 12
	tagSize   = 16
)

// A suite is one choice of algorithms (§1).
type suite struct {
	number                 uint64
	kem                    hpke.KEM
	kdf                    hpke.KDF
	publicKeySize, encSize int
}

var suites = map[uint64]*suite{
	1: {1, hpke.MLKEM768X25519(), hpke.HKDFSHA256(), 1216, 1120},
	2: {2, hpke.MLKEM1024P384(), hpke.HKDFSHA384(), 1665, 1665},
}

func suiteOf(number uint64) (*suite, error) {
	if found := suites[number]; found != nil {
		return found, nil
	}
	return nil, refuse(unknownSuite, "suite %d", number)
}

func (s *suite) publicKey(seed []byte) []byte {
	return must(s.kem.NewPrivateKey(seed)).PublicKey().Bytes()
}

// checkPublicKey refuses a key that nothing should be sealed to; Go's HPKE does, once something is sealed.
func (s *suite) checkPublicKey(octets []byte) error {
	key, err := s.kem.NewPublicKey(octets)
	if err == nil {
		_, err = hpke.Seal(key, s.kdf, hpke.AES256GCM(), nil, nil)
	}
	if err != nil {
		return refuse(formatError, "nothing can be sealed to a public key: %v", err)
	}
	return nil
}

func (s *suite) open(seed, info, enc, ciphertext []byte) ([]byte, error) {
	key := must(s.kem.NewPrivateKey(seed))
	if len(enc) != s.encSize {
		return nil, refuse(wrongKey, "an encapsulation of %d bytes", len(enc))
	}
	text, err := hpke.Open(key, s.kdf, hpke.AES256GCM(), info, append(append([]byte{}, enc...), ciphertext...))
	if err != nil {
		return nil, refuse(wrongKey, "a sealed document does not open: %v", err)
	}
	return text, nil
}

// openDocument opens a sealed document and takes its padding off.
func (s *suite) openDocument(seed, info, enc, ciphertext []byte) ([]byte, error) {
	padded, err := s.open(seed, info, enc, ciphertext)
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

func gcm(key []byte) cipher.AEAD { return must(cipher.NewGCM(must(aes.NewCipher(key)))) }

func encrypt(key, nonce, text, associated []byte) []byte {
	return gcm(key).Seal(nil, nonce, text, associated)
}

func decrypt(key, nonce, ciphertext, associated []byte) ([]byte, error) {
	text, err := gcm(key).Open(nil, nonce, ciphertext, associated)
	if err != nil {
		return nil, refuse(contentTampered, "a ciphertext does not authenticate")
	}
	return text, nil
}
