package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

func leafSaltOf(salt []byte, index uint64) []byte {
	mac := hmac.New(sha256.New, salt)
	mac.Write(binary.BigEndian.AppendUint64(nil, index))
	return mac.Sum(nil)
}

func leafHash(salt []byte, index uint64, chunk []byte) []byte {
	return hash([]byte{0}, leafSaltOf(salt, index), chunk)
}

func nodeHash(left, right []byte) []byte { return hash([]byte{1}, left, right) }

// merkleRoot is RFC 6962's, by its definition (§5).
func merkleRoot(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	split := splitOf(len(leaves))
	return nodeHash(merkleRoot(leaves[:split]), merkleRoot(leaves[split:]))
}

func inclusionPath(leaves [][]byte, index int) [][]byte {
	if len(leaves) == 1 {
		return [][]byte{}
	}
	split := splitOf(len(leaves))
	if index < split {
		return append(inclusionPath(leaves[:split], index), merkleRoot(leaves[split:]))
	}
	return append(inclusionPath(leaves[split:], index-split), merkleRoot(leaves[:split]))
}

func verifyInclusion(root, leaf []byte, index, count int, path [][]byte) error {
	if index < 0 || index >= count || !bytes.Equal(climb(leaf, index, count, path), root) {
		return refuse(statementMismatch, "leaf %d of %d is not part of the content", index, count)
	}
	return nil
}

// climb gives the root that a path leads to, or nil if it has another length than the place asks for.
func climb(leaf []byte, index, count int, path [][]byte) []byte {
	if count == 1 || len(path) == 0 {
		if count != 1 || len(path) != 0 {
			return nil
		}
		return leaf
	}
	split, last := splitOf(count), len(path)-1
	if index < split {
		below := climb(leaf, index, split, path[:last])
		return nodeOver(below, below, path[last])
	}
	below := climb(leaf, index-split, count-split, path[:last])
	return nodeOver(below, path[last], below)
}

func nodeOver(below, left, right []byte) []byte {
	if below == nil {
		return nil
	}
	return nodeHash(left, right)
}

// splitOf is the largest power of two below count.
func splitOf(count int) int {
	split := 1
	for 2*split < count {
		split *= 2
	}
	return split
}
