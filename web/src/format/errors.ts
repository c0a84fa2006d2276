/**
 * What this module throws, in one tree. The names are those of the Python package, where each has its remedy
 * (docs/errors.md):
 *
 *     MedRecError
 *     ├── InvalidInput          a value that the caller gave cannot be used
 *     ├── FormatError           bytes are not what they should be
 *     │   └── UnknownSuite
 *     ├── IntegrityError        something was altered, truncated, swapped or reordered
 *     │   ├── BlockMismatch
 *     │   ├── ContentTampered
 *     │   ├── ContentTruncated
 *     │   ├── StatementMismatch
 *     │   └── KeyringMismatch
 *     └── KeyUnavailable        no key here opens this
 *         ├── KeysMissing
 *         └── WrongKey
 */

/** Base of all errors of this module. No message holds a secret. */
export class MedRecError extends Error {
  override readonly name: string = "MedRecError";
}

/** A value given by the caller cannot be used. */
export class InvalidInput extends MedRecError {
  override readonly name: string = "InvalidInput";
}

/** Bytes are not in the format they should be in. */
export class FormatError extends MedRecError {
  override readonly name: string = "FormatError";
}

/** A document names a cipher suite that this module does not have. */
export class UnknownSuite extends FormatError {
  override readonly name: string = "UnknownSuite";
}

/** Something was altered, truncated, swapped, reordered or left out. */
export class IntegrityError extends MedRecError {
  override readonly name: string = "IntegrityError";
}

/** A block does not hash to its pointer. */
export class BlockMismatch extends IntegrityError {
  override readonly name: string = "BlockMismatch";
}

/** A chunk, an envelope or its metadata does not authenticate. */
export class ContentTampered extends IntegrityError {
  override readonly name: string = "ContentTampered";
}

/** The content ends before its last chunk, or goes on behind it. */
export class ContentTruncated extends IntegrityError {
  override readonly name: string = "ContentTruncated";
}

/** The author's statement does not fit the entry on chain, or the content. */
export class StatementMismatch extends IntegrityError {
  override readonly name: string = "StatementMismatch";
}

/** A keyring or seal contradicts itself or its entry. */
export class KeyringMismatch extends IntegrityError {
  override readonly name: string = "KeyringMismatch";
}

/** No key here opens this. */
export class KeyUnavailable extends MedRecError {
  override readonly name: string = "KeyUnavailable";
}

/** Nothing was sealed to this reader, or not that far back. */
export class KeysMissing extends KeyUnavailable {
  override readonly name: string = "KeysMissing";
}

/** It is sealed to another key or for another context, or was changed. */
export class WrongKey extends KeyUnavailable {
  override readonly name: string = "WrongKey";
}
