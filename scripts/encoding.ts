/**
 * The one thing that the scripts share: messages in, messages out.
 *
 * TCP carries bytes, not messages: two writes may arrive as one read, one write
 * as three. So both sides agree on what a message is. Here it is one line of
 * UTF-8, ended by "\n" (a "\r" before it is dropped), of at most 64 KiB. `raw` is
 * the course's way: whatever one read brings is taken for a message.
 *
 * @module
 */

/** The longest message, in bytes, its line ending not counted. */
export const MAX_MESSAGE = 64 * 1024;

/** Why a conversation must end, in words fit to be shown and sent to the peer. */
export class Refusal extends Error {}

const TOO_LONG = `Message refusé : plus de ${MAX_MESSAGE} octets`;
const NOT_UTF8 = "Message refusé : ce n'est pas de l'UTF-8";
const NOT_A_LINE = "Message refusé : une ligne à la fois";
const EMPTY = "Message refusé : vide, en --raw il ne peut pas s'envoyer";
const LF = 10, CR = 13;

/** The bytes of a message. Throws {@linkcode Refusal} if it cannot be one. */
export function encode(message: string, raw = false): Uint8Array {
  if (!message.isWellFormed()) throw new Refusal(NOT_UTF8);
  if (!raw && /\n|\r$/.test(message)) throw new Refusal(NOT_A_LINE);
  if (raw && message === "") throw new Refusal(EMPTY);
  const bytes = new TextEncoder().encode(raw ? message : message + "\n");
  if (!raw && bytes.length > MAX_MESSAGE + 1) throw new Refusal(TOO_LONG);
  return bytes;
}

/**
 * Writes all the bytes, where `conn.write` may take only the first of them. It
 * waits for as long as the peer does not read: the caller sets a time limit.
 */
export async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  try {
    while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
  } catch (error) {
    fail(error);
  }
}

// Who closes the connection at a time limit interrupts what waits. Between two
// reads nothing does, and the next one says BadResource: for the caller, the same.
function fail(error: unknown): never {
  if (!(error instanceof Deno.errors.BadResource)) throw error;
  throw new Deno.errors.Interrupted("operation canceled", { cause: error });
}

/**
 * Says a last word and closes; never throws. Closing with bytes unread sends a
 * reset, which can destroy the last word on its way (RFC 1122, 4.2.2.13): so end
 * our half of the stream, and read until the peer ends its own or 1 s is over. The
 * last word comes after what is still being written, and not in its middle.
 */
export async function hangUp(
  conn: Deno.Conn,
  lastWord = "",
  raw = false,
  writing?: Promise<void>,
) {
  // dispose, unlike close(), may be called twice.
  const limit = setTimeout(() => conn[Symbol.dispose](), 1000);
  try {
    await writing;
    if (lastWord) await write(conn, encode(lastWord, raw));
    await conn.closeWrite();
    for (const rest = new Uint8Array(4096); await conn.read(rest) !== null;);
  } catch { /* The peer has gone, or the second is over. */ }
  clearTimeout(limit);
  conn[Symbol.dispose]();
}

/** A peer's text without control, escape and bidirectional control characters. */
export function printable(text: string): string {
  return text.replaceAll("\t", " ")
    .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "");
}

// ignoreBOM: a U+FEFF is text like any other, and is kept.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads messages from a connection, whatever the pieces they arrive in. */
export class MessageReader {
  /** True once the stream has ended in the middle of the last message. */
  cut = false;
  #refusal = "";
  // Small, so that an idle client is cheap; it grows for a client that fills it.
  #buffer = new Uint8Array(512);
  // The first #held bytes of it begin a message whose "\n" has not come yet.
  #held = 0;
  #rawDecoder?: TextDecoder;

  constructor(readonly conn: Pick<Deno.Conn, "read">, readonly raw = false) {}

  /**
   * Waits for a message, and returns it with all that the same read brought, so
   * that one write can answer them; `null` at the end of the stream. Throws what
   * `conn.read` throws and, after the last good message, {@linkcode Refusal}.
   */
  async read(): Promise<string[] | null> {
    const text = await this.readText();
    if (text === null) return null;
    return this.raw ? [text.slice(0, -2)] : text.split(/\r?\n/).slice(0, -1);
  }

  /**
   * Like `read`, but as one text, with a line ending after each message (raw: at
   * the end of the one message): for a server that need not look at each, to cut
   * them apart is most of the work.
   */
  async readText(): Promise<string | null> {
    while (!this.#refusal) {
      const held = this.#held;
      const room = held > 0 ? this.#buffer.subarray(held) : this.#buffer;
      let count: number | null;
      try {
        count = await this.conn.read(room);
      } catch (error) {
        fail(error);
      }
      const end = held + (count ?? 0);
      // A client that always has data ready would never let the others in: turn.
      if (end === this.#buffer.length) await new Promise(setImmediate);
      const text = this.#take(end, count === null);
      if (text) return text;
      if (count === null && !this.#refusal) return null;
    }
    throw new Refusal(this.#refusal);
  }

  #take(end: number, ended: boolean): string {
    const buffer = this.#buffer;
    // Search the new bytes only: else a client that sends one byte at a time would
    // cost a full scan for each.
    const last = buffer.subarray(this.#held, end).lastIndexOf(LF);
    const whole = last < 0 ? 0 : this.#held + last + 1;
    const ready = this.raw || ended ? end : whole;
    // Only the first line can be too long: after another, there is no room for it.
    if (!this.raw && end > MAX_MESSAGE) {
      const line = last < 0 ? end : buffer.indexOf(LF);
      const cr = !ended && buffer[line - 1] === CR;
      if (line - Number(cr) > MAX_MESSAGE) {
        this.#refusal = TOO_LONG;
        return "";
      }
    }
    if (end === buffer.length && end <= MAX_MESSAGE) {
      this.#buffer = new Uint8Array(Math.min(4 * end, MAX_MESSAGE + 2));
    }
    const bytes = buffer.subarray(0, ready);
    const text = this.raw ? this.#decodeRaw(bytes, ended) : this.#decode(bytes);
    if (ready < end) this.#buffer.set(buffer.subarray(ready, end));
    this.#held = end - ready;
    this.cut ||= ended && end > 0;
    const complete = text === "" || (!this.raw && text.endsWith("\n"));
    return complete ? text : text + "\r\n";
  }

  #decode(bytes: Uint8Array): string {
    // A decoder told to be strict takes ten times as long. This one puts U+FFFD in
    // the place of what is broken; only then, encode again and see what differs.
    const text = DECODER.decode(bytes);
    if (!text.includes("\uFFFD")) return text;
    const copy = new TextEncoder().encode(text);
    const broken = copy.findIndex((byte, i) => byte !== bytes[i]);
    if (broken < 0) return text; // It was sent so.
    this.#refusal = NOT_UTF8;
    const good = bytes.subarray(0, broken);
    return DECODER.decode(good.subarray(0, good.lastIndexOf(LF) + 1));
  }

  // A read may cut a character in two: the decoder keeps its beginning.
  #decodeRaw(bytes: Uint8Array, ended: boolean): string {
    const exact = { fatal: true, ignoreBOM: true };
    this.#rawDecoder ??= new TextDecoder("utf-8", exact);
    try {
      return this.#rawDecoder.decode(bytes, { stream: !ended });
    } catch {
      this.#refusal = NOT_UTF8;
      return "";
    }
  }
}
