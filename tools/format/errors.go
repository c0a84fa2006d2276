package main

import (
	"errors"
	"fmt"
)

// A kind is the name of an error in the Python package (docs/errors.md).
type kind string

const (
	formatError       kind = "FormatError"
	unknownSuite      kind = "UnknownSuite"
	integrityError    kind = "IntegrityError"
	blockMismatch     kind = "BlockMismatch"
	contentTampered   kind = "ContentTampered"
	contentTruncated  kind = "ContentTruncated"
	statementMismatch kind = "StatementMismatch"
	keyringMismatch   kind = "KeyringMismatch"
	keysMissing       kind = "KeysMissing"
	wrongKey          kind = "WrongKey"
)

// A refusal says why something does not open.
type refusal struct {
	kind    kind
	message string
}

func (r *refusal) Error() string { return string(r.kind) + ": " + r.message }

func refuse(why kind, format string, arguments ...any) error {
	return &refusal{why, fmt.Sprintf(format, arguments...)}
}

// kindOf is the name of a refusal, or nothing for nil. Any other error is a fault of this program.
func kindOf(err error) (string, error) {
	var refused *refusal
	switch {
	case err == nil:
		return "", nil
	case errors.As(err, &refused):
		return string(refused.kind), nil
	default:
		return "", err
	}
}
