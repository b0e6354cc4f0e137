/**
 * What the scripts share: messages in, messages out.
 *
 * TCP carries bytes: what is written arrives cut, or joined. So a message is one line of
 * UTF-8, at most 64 KiB. `raw` is the course's way: a message is what one read brings.
 * @module
 */

/** An error whose text may be sent to the peer. */
export class Refusal extends Error {}
Refusal.prototype.name = "Refusal";
const MAX_LINE = 64 * 1024; // In bytes, its ending included.
const TOO_LONG = `Message refusé : plus de ${MAX_LINE / 1024} Kio`;
const MANY_LINES = "Message refusé : plusieurs lignes";
const NOT_UTF8 = "Message refusé : ce n'est pas de l'UTF-8";
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true }); // Keeps U+FEFF.

/** The bytes of a message. Throws {@linkcode Refusal} if it cannot be one. */
export function encode(message: string, raw = false): Uint8Array<ArrayBuffer> {
  // Half of a surrogate pair, as in "😀"[0], has no bytes.
  if (!message.isWellFormed()) throw new Refusal(NOT_UTF8);
  if (raw) return new TextEncoder().encode(message);
  if (/\n|\r$/.test(message)) throw new Refusal(MANY_LINES);
  const bytes = new TextEncoder().encode(message + "\n");
  if (bytes.length > MAX_LINE) throw new Refusal(TOO_LONG);
  return bytes;
}

/** Writes all the bytes, where `conn.write` may take only the first of them. */
export async function write(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/**
 * Reads messages until the stream ends; what is left then is the last one. Each step
 * brings all that one read completed, so that one write can answer them. Throws
 * {@linkcode Refusal} where a message is too long or not UTF-8.
 */
export async function* receive(
  conn: Pick<Deno.Conn, "read">,
  raw = false,
): AsyncGenerator<string[]> {
  // Small, so that an idle client is cheap. Its first `held` bytes begin a message.
  let buffer = new Uint8Array(raw ? MAX_LINE : 512);
  let held = 0;
  while (true) {
    const count = await conn.read(buffer.subarray(held));
    const end = held + (count ?? 0);
    // Only the new bytes are searched for "\n" (10): those held contain none.
    const newline = buffer.subarray(held, end).lastIndexOf(10);
    let complete = newline < 0 ? 0 : held + newline + 1;
    if (raw || count === null) complete = end;
    if (complete > 0) {
      const bytes = buffer.subarray(0, complete);
      const text = DECODER.decode(bytes);
      const messages = raw ? [text] : text.replaceAll("\r\n", "\n").split("\n");
      if (messages.at(-1) === "") messages.pop(); // Nothing follows the last "\n".
      if (text.includes("\uFFFD")) { // Sent, or the decoder's for other bytes?
        const again = new TextEncoder().encode(text);
        if (again.some((byte, i) => byte !== bytes[i])) {
          const broken = messages.findIndex((text) => text.includes("\uFFFD"));
          if (broken > 0) yield messages.slice(0, broken);
          throw new Refusal(NOT_UTF8);
        }
      }
      yield messages;
    }
    if (count === null) return;
    buffer.copyWithin(0, complete, end);
    held = end - complete;
    if (held === MAX_LINE) throw new Refusal(TOO_LONG);
    if (end === buffer.length) {
      buffer = new Uint8Array(buffer.buffer.transfer(MAX_LINE)); // It grows.
      // A peer that always has more would win every turn. Let the others in.
      await new Promise(setImmediate);
    }
  }
}

/**
 * Says a last word and closes. Closing with bytes unread sends a reset, which can
 * destroy that word (RFC 1122, 4.2.2.13). So it ends our half of the stream first,
 * and reads for 1 s, or until the peer has ended its own.
 */
export async function hangUp(
  conn: Deno.Conn,
  lastWord = "",
  raw = false,
): Promise<void> {
  // Unlike close(), dispose may be called twice.
  const timer = setTimeout(() => conn[Symbol.dispose](), 1000);
  try {
    if (lastWord !== "") await write(conn, encode(lastWord, raw));
    await conn.closeWrite();
    const rest = new Uint8Array(4096);
    while (await conn.read(rest) !== null);
  } catch (error) {
    // The peer has gone, or time is up. But a Refusal is about our own last word.
    if (error instanceof Refusal) throw error;
  } finally {
    clearTimeout(timer);
    conn[Symbol.dispose]();
  }
}

/** A peer's text, without control and bidirectional characters. */
export function printable(text: string): string {
  return text.replaceAll("\t", " ")
    .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "");
}
