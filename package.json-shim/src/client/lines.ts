// Bytes to messages and back. Each line is one JSON text and ends with the byte 0x0A. (Many line readers also split
// at U+2028, or break a character that comes in two chunks.)

const NEWLINE = 0x0a;

/** The longest line that is accepted. The program never writes a longer one, so another program does. */
export const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** What a LineReader reports. */
export interface LineEvents {
  message(message: unknown): void;
  /** A line that is not JSON. The program writes no such line; another program with its name may. */
  stray(line: string): void;
}

/** Puts lines together from chunks of bytes. A chunk may end anywhere in a line. */
export class LineReader {
  readonly #events: LineEvents;
  readonly #decoder = new TextDecoder();
  #head: Uint8Array[] = []; // the chunks of a line whose end has not come yet
  #headBytes = 0;

  constructor(events: LineEvents) {
    this.#events = events;
  }

  /** Take the next chunk. Throws a RangeError when a line grows beyond MAX_LINE_BYTES. */
  receive(chunk: Uint8Array): void {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) return this.#keep(chunk);
    // Whole lines are decoded together: a newline byte is never part of another character.
    const whole = this.#decoder.decode(this.#join(chunk.subarray(0, end)));
    if (end < chunk.length) this.#keep(chunk.subarray(end));
    for (let from = 0; from < whole.length; ) {
      const to = whole.indexOf("\n", from);
      if (to > from) this.#line(whole.slice(from, to));
      from = to + 1;
    }
  }

  #keep(chunk: Uint8Array): void {
    this.#head.push(new Uint8Array(chunk)); // a copy: the owner may reuse the buffer
    this.#headBytes += chunk.length;
    if (this.#headBytes > MAX_LINE_BYTES) {
      this.#head = [];
      this.#headBytes = 0;
      throw new RangeError(`The program wrote a line of more than ${MAX_LINE_BYTES} bytes.`);
    }
  }

  #join(last: Uint8Array): Uint8Array {
    if (this.#head.length === 0) return last;
    const all = new Uint8Array(this.#headBytes + last.length);
    let at = 0;
    for (const part of [...this.#head, last]) {
      all.set(part, at);
      at += part.length;
    }
    this.#head = [];
    this.#headBytes = 0;
    return all;
  }

  #line(line: string): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      if (line.trim() !== "") this.#events.stray(line);
      return;
    }
    this.#events.message(message);
  }
}

/** Writes messages as lines. All lines of one turn of the event loop are written together. */
export class LineWriter {
  readonly #write: (text: string) => void;
  #waiting = "";

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  /** Throws a TypeError if the message cannot be converted to JSON. */
  send(message: object): void {
    const line = `${JSON.stringify(message)}\n`;
    if (this.#waiting === "") queueMicrotask(() => this.flush());
    this.#waiting += line;
  }

  /** Write the waiting lines now. */
  flush(): void {
    const text = this.#waiting;
    this.#waiting = "";
    if (text !== "") this.#write(text);
  }
}
