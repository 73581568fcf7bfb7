/**
 * Determines, from the bytes of a PostgreSQL connection, which COPY is in progress and how many bytes of rows it has
 * sent. Format: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
const QUERY = 0x51; // 'Q', from the client
const READY_FOR_QUERY = 0x5a; // 'Z', from the server
const COPY_DATA = 0x64; // 'd', both ways

export class CopyWatch {
  /** The statement in progress, if it is a simple query, as each COPY is. */
  sql = '';
  /** The bytes of its rows so far. */
  copied = 0;
  #text: Buffer[] = [];
  readonly #client = new MessageReader(true, (type, body, isLast) => this.#fromClient(type, body, isLast));
  readonly #server = new MessageReader(false, (type, body) => this.#fromServer(type, body));

  fromClient(chunk: Buffer): void {
    this.#client.read(chunk);
  }

  fromServer(chunk: Buffer): void {
    this.#server.read(chunk);
  }

  #fromClient(type: number, body: Buffer, isLast: boolean): void {
    if (type === COPY_DATA) this.copied += body.length;
    if (type !== QUERY) return;
    this.#text.push(Buffer.from(body));
    if (!isLast) return;
    this.sql = Buffer.concat(this.#text).toString('utf8').replace(/\0$/, '');
    this.copied = 0;
    this.#text = [];
  }

  #fromServer(type: number, body: Buffer): void {
    if (type === COPY_DATA) this.copied += body.length;
    if (type !== READY_FOR_QUERY) return;
    this.sql = '';
    this.copied = 0;
  }
}

/** Splits a stream into messages: a type of one byte (absent in a client's first message), an int32 length, a body. */
class MessageReader {
  #hasType: boolean;
  readonly #take: (type: number, body: Buffer, isLast: boolean) => void;
  #head: number[] = [];
  #type = 0;
  #left = 0;

  constructor(startsUntyped: boolean, take: (type: number, body: Buffer, isLast: boolean) => void) {
    this.#hasType = !startsUntyped;
    this.#take = take;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left === 0) {
        this.#head.push(chunk[at++]!);
        this.#begin(chunk);
        continue;
      }
      const end = Math.min(chunk.length, at + this.#left);
      this.#left -= end - at;
      this.#take(this.#type, chunk.subarray(at, end), this.#left === 0);
      at = end;
    }
  }

  #begin(chunk: Buffer): void {
    if (this.#head.length < (this.#hasType ? 5 : 4)) return;
    const head = Buffer.from(this.#head);
    this.#type = this.#hasType ? head[0]! : 0;
    this.#left = head.readInt32BE(head.length - 4) - 4;
    this.#hasType = true;
    this.#head = [];
    if (this.#left === 0) this.#take(this.#type, chunk.subarray(0, 0), true);
  }
}
