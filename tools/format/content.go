package main

import (
	"bytes"
	"math/big"
)

const chunkSize = maxBlock - tagSize

// paddedContentSize, chunkCount and sealedSize follow from the size of content alone (§3).
func paddedContentSize(size uint64) uint64 { return max(256, padme(size)) }

func chunkCount(size uint64) uint64 { return (paddedContentSize(size) + chunkSize - 1) / chunkSize }

func sealedSize(size uint64) uint64 { return paddedContentSize(size) + chunkCount(size)*tagSize }

func chunkNonce(index uint64, last bool) []byte {
	nonce := new(big.Int).SetUint64(index).FillBytes(make([]byte, nonceSize-1))
	if last {
		return append(nonce, 1)
	}
	return append(nonce, 0)
}

// sealContent gives the sealed chunks and the Merkle root.
func sealContent(content, data []byte, suite uint64, recordID, salt []byte) (chunks [][]byte, root []byte) {
	key := contentKey(data, suite, recordID)
	padded := make([]byte, paddedContentSize(uint64(len(content))))
	copy(padded, content)
	var leaves [][]byte
	for index := uint64(0); len(padded) > 0; index++ {
		chunk := padded[:min(chunkSize, len(padded))]
		padded = padded[len(chunk):]
		chunks = append(chunks, encrypt(key, chunkNonce(index, len(padded) == 0), chunk, recordID))
		if used := content[:min(chunkSize, len(content))]; len(used) > 0 || index == 0 {
			leaves = append(leaves, leafHash(salt, index, used))
			content = content[len(used):]
		}
	}
	return chunks, merkleRoot(leaves)
}

// A contentReader opens the sealed chunks of one record.
type contentReader struct {
	key, recordID []byte
	size          uint64
}

func newContentReader(data []byte, suite uint64, recordID []byte, size uint64) contentReader {
	return contentReader{contentKey(data, suite, recordID), recordID, size}
}

// openChunk gives the content in one sealed chunk, without padding.
func (r contentReader) openChunk(index uint64, sealed []byte) ([]byte, error) {
	count := chunkCount(r.size)
	if index >= count {
		return nil, refuse(contentTruncated, "the content goes on behind its %d chunks", count)
	}
	if size := min(maxBlock, sealedSize(r.size)-index*maxBlock); uint64(len(sealed)) != size {
		return nil, refuse(contentTruncated, "chunk %d has %d bytes, not %d", index, len(sealed), size)
	}
	octets, err := decrypt(r.key, chunkNonce(index, index == count-1), sealed, r.recordID)
	if err != nil {
		return nil, err
	}
	used := min(uint64(len(octets)), r.size-min(r.size, index*chunkSize))
	if !isZero(octets[used:]) {
		return nil, refuse(contentTampered, "the padding of the content is not zero")
	}
	return octets[:used], nil
}

// readAll gives the content, if it is what the author signed.
func (r contentReader) readAll(sealed, salt, root []byte) ([]byte, error) {
	var content []byte
	var leaves [][]byte
	var index uint64
	for ; len(sealed) > 0; index++ {
		chunk := sealed[:min(maxBlock, len(sealed))]
		sealed = sealed[len(chunk):]
		octets, err := r.openChunk(index, chunk)
		if err != nil {
			return nil, err
		}
		if len(octets) > 0 || index == 0 {
			leaves = append(leaves, leafHash(salt, index, octets))
		}
		content = append(content, octets...)
	}
	if count := chunkCount(r.size); index != count {
		return nil, refuse(contentTruncated, "the content ends after %d of %d chunks", index, count)
	}
	if !bytes.Equal(merkleRoot(leaves), root) {
		return nil, refuse(statementMismatch, "the content is not the one that its author signed")
	}
	return content, nil
}
