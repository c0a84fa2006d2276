package main

import (
	"encoding/binary"
	"math/bits"
)

// padme rounds a length up so that it tells little (§1).
func padme(length uint64) uint64 {
	if length < 2 {
		return length
	}
	exponent := uint64(bits.Len64(length) - 1)
	step := uint64(1) << (exponent - uint64(bits.Len64(exponent)))
	return (length + step - 1) / step * step
}

func paddedSize(length uint64) uint64 { return max(512, padme(length+4)) }

func pad(document []byte) []byte {
	padded := make([]byte, paddedSize(uint64(len(document))))
	binary.BigEndian.PutUint32(padded, uint32(len(document)))
	copy(padded[4:], document)
	return padded
}

func unpad(padded []byte) ([]byte, error) {
	if len(padded) < 4 || len(padded) > maxBlock {
		return nil, refuse(formatError, "a padded document of %d bytes", len(padded))
	}
	length := uint64(binary.BigEndian.Uint32(padded))
	if paddedSize(length) != uint64(len(padded)) {
		return nil, refuse(formatError, "a padded document has another size than its length asks for")
	}
	if !isZero(padded[4+length:]) {
		return nil, refuse(formatError, "the padding is not zero")
	}
	return padded[4 : 4+length], nil
}

func isZero(octets []byte) bool {
	return all(octets, func(octet byte) bool { return octet == 0 })
}
