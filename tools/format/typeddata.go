package main

import (
	"bytes"
	"math/big"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"
)

const maxSignature = 4096

func keccak(octets ...[]byte) []byte {
	hasher := sha3.NewLegacyKeccak256()
	for _, part := range octets {
		hasher.Write(part)
	}
	return hasher.Sum(nil)
}

func left(octets []byte) []byte { return append(bytes.Clone(octets), make([]byte, 32-len(octets))...) }

func right(octets []byte) []byte { return append(make([]byte, 32-len(octets)), octets...) }

func word(number uint64) []byte { return new(big.Int).SetUint64(number).FillBytes(make([]byte, 32)) }

// typedDigest is the EIP-712 digest in the contract's domain of a struct whose members are words (§5).
func typedDigest(p place, name string, members []string, words ...[]byte) []byte {
	domain := keccak(
		keccak([]byte("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")),
		keccak([]byte("MedRec")), keccak([]byte("1")), word(p.chain), right(p.contract),
	)
	kind := keccak([]byte(name + "(" + strings.Join(members, ",") + ")"))
	return keccak([]byte{0x19, 0x01}, domain, keccak(append([][]byte{kind}, words...)...))
}

// recoverSigner gives the address whose key made a signature r ‖ s ‖ v, with low s and v 27 or 28.
func recoverSigner(digest, signature []byte) ([]byte, error) {
	if len(signature) != 65 || (signature[64] != 27 && signature[64] != 28) {
		return nil, refuse(formatError, "a signature must be r ‖ s ‖ v, with v 27 or 28")
	}
	order := secp256k1.S256().N
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:64])
	half := new(big.Int).Rsh(order, 1)
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(order) >= 0 || s.Cmp(half) > 0 {
		return nil, refuse(formatError, "r or s of a signature is out of range")
	}
	key, _, err := ecdsa.RecoverCompact(append([]byte{signature[64]}, signature[:64]...), digest)
	if err != nil {
		return nil, refuse(formatError, "a signature belongs to no key: %v", err)
	}
	return keccak(key.SerializeUncompressed()[1:])[12:], nil
}

// isSignedBy tells whether an account's key signed a digest; accounts with code are not asked here.
func isSignedBy(account, digest, signature []byte) bool {
	signer, err := recoverSigner(digest, signature)
	return err == nil && bytes.Equal(signer, account)
}
