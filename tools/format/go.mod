module medrec/tools/format

go 1.26

require (
	github.com/decred/dcrd/dcrec/secp256k1/v4 v4.4.0
	github.com/fxamacker/cbor/v2 v2.10.0
	golang.org/x/crypto v0.45.0
)

require (
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/sys v0.38.0 // indirect
)
