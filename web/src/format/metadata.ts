/** What a record says about its content, sealed and covered by the author's signature (docs/format.md §4). */

import { type Bytes, sha256, utf8 } from "./bytes.ts";
import { type CborMap, encode, Fields, mapOf, MAX_UINT, type Value } from "./cbor.ts";
import { MAX_CONTENT } from "./content.ts";
import { FormatError, InvalidInput } from "./errors.ts";
import { checkUint } from "./keys.ts";

const MAX_TITLE_SIZE = 1024;
const MAX_MEDIA_TYPE_SIZE = 255;
const NAME = "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"; // RFC 6838 §4.2
const PARAMETER = "; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+";
const MEDIA_TYPE = new RegExp(`^${NAME}/${NAME}(?:${PARAMETER})*$`);

/** What a record says about its content. */
export class Metadata {
  readonly title: string;
  readonly mediaType: string;
  readonly size: bigint;
  readonly created: bigint | null;

  /**
   * @param title Up to 1,024 bytes of UTF-8.
   * @param mediaType By RFC 6838, with parameters if there are any.
   * @param size Bytes of content.
   * @param created When the content came to be, Unix time, if that differs from when it was signed.
   * @throws InvalidInput a value is out of bounds.
   */
  constructor(title: string, mediaType: string, size: bigint, created: bigint | null = null) {
    if (!title.isWellFormed() || utf8(title).length > MAX_TITLE_SIZE) {
      throw new InvalidInput(`a title must be Unicode of at most ${MAX_TITLE_SIZE} bytes`);
    }
    if (mediaType.length > MAX_MEDIA_TYPE_SIZE || !MEDIA_TYPE.test(mediaType)) {
      throw new InvalidInput("the media type is not one by RFC 6838");
    }
    this.title = title;
    this.mediaType = mediaType;
    this.size = checkUint(size, "the size", MAX_CONTENT);
    this.created = created === null ? null : checkUint(created, "the time of creation", MAX_UINT);
  }

  /** The map that is encoded. */
  asMap(): CborMap {
    const map = mapOf({ title: this.title, type: this.mediaType, size: this.size });
    return this.created === null ? map : map.set("created", this.created);
  }

  /** What the statement covers: SHA-256 of the encoded map, 32 bytes. */
  digest(): Promise<Bytes> {
    return sha256(encode(this.asMap()));
  }

  /**
   * Read the decoded map.
   *
   * @throws FormatError it is not such a map.
   */
  static fromMap(value: Value): Metadata {
    const fields = new Fields(value, "metadata", ["title", "type", "size"], ["created"]);
    const created = fields.has("created") ? fields.uint("created") : null;
    try {
      return new Metadata(fields.text("title"), fields.text("type"), fields.uint("size"), created);
    } catch (error) {
      if (error instanceof InvalidInput) throw new FormatError(error.message, { cause: error });
      throw error;
    }
  }
}
