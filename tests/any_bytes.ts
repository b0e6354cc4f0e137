/**
 * Any bytes, any cutting, and what a reader of lines must make of them: for
 * encoding_test.ts, and for the servers in faults/properties_test.ts.
 *
 * @module
 */
import fc from "fast-check";
import { Buffer, isUtf8 } from "node:buffer";
import { bytes } from "./harness.ts";

/** The longest line, in bytes, its ending included. */
export const MAX_LINE = 64 * 1024;
export const TOO_LONG = "Message refusé : plus de 64 Kio";
export const NOT_UTF8 = "Message refusé : ce n'est pas de l'UTF-8";

/**
 * What a stream of lines holds, and what is wrong with the next one. `least` of the
 * messages come, whatever comes in one piece with the error.
 */
export function linesOf(data: Uint8Array) {
  const messages: string[] = [];
  const end = (error: string) => {
    const odd = messages.findIndex((text) => text.includes("\uFFFD"));
    // A reader may take a U+FFFD that was sent for a broken place.
    const least = error !== NOT_UTF8 || odd < 0 ? messages.length : odd;
    return { messages, error, least };
  };
  for (let at = 0; at < data.length;) {
    const newline = data.indexOf(10, at);
    const stop = newline < 0 ? data.length : newline;
    if (stop - at >= MAX_LINE) return end(TOO_LONG);
    const line = data.subarray(at, stop);
    if (!isUtf8(line)) return end(NOT_UTF8);
    const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(line);
    messages.push(newline < 0 ? text : text.replace(/\r$/, ""));
    at = stop + 1;
  }
  return end("");
}

/** Puts these together. */
export function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}

const NASTY = [
  ...["\x1b[31m", "\x1b]0;titre\x07", "\x1b[2J", "\x9b1m", "\x90q\x9c", "\b\b"],
  ...["\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029", "\ufeff"],
  ...["\0", "\r", "\t", "\x7f", "\x85", "\uFFFD", "\n", "\r\n", "\n\n"],
  ...["FIN\n", "\nFIN\n", " fin\t", "\u00a0FIN\u00a0", "FINI", "ﬁn", "fın"],
  ...["é", "€", "👩‍💻"],
];
const noise = fc.uint8Array({ maxLength: 200 });
const nasty = fc.array(
  fc.oneof(
    fc.constantFrom(...NASTY),
    fc.string({ unit: "grapheme", maxLength: 12 }),
  ),
  { maxLength: 12 },
).map((words) => bytes(words.join("")));
const lines = fc.array(nasty, { maxLength: 8 })
  .map((some) => joined(some.flatMap((line) => [line, bytes("\n")])));
/** Lines beside 64 KiB, and one far beyond. */
const long = fc.tuple(
  fc.constantFrom(bytes("x"), bytes("é"), bytes("\0"), Uint8Array.of(255)),
  fc.constantFrom(-3, -2, -1, 0, 1, 2, 5000, 140_000),
  fc.constantFrom("", "\n", "\r\n", "\r", "\nFIN\n"),
  fc.constantFrom("", "bon\n"),
).map(([unit, more, ending, before]) => {
  const line = new Uint8Array(MAX_LINE + more)
    .map((_, at) => unit[at % unit.length]);
  return joined([bytes(before), line, bytes(ending)]);
});
/** Lines in which some single bytes have been changed, put in or taken out. */
const mutated = fc.tuple(
  lines,
  fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), { maxLength: 4 }),
).map(([data, changes]) => {
  const list = [...data];
  for (const [place, byte, how] of changes) {
    const at = place % (list.length + 1);
    if (how === 0) list.splice(at, 1);
    else list.splice(at, how - 1, byte);
  }
  return Uint8Array.from(list);
});

/** Any bytes, of which so many in a hundred are about as long as a line may be. */
export const anything = (longOnes: number) =>
  fc.oneof(
    { weight: 20, arbitrary: noise },
    { weight: 25, arbitrary: nasty },
    { weight: 50, arbitrary: mutated },
    { weight: longOnes, arbitrary: long },
  );

/** Places to cut at, as shares of the length. */
export const cuts = (most: number) =>
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: most });

/** Cuts `data` before each of these places. */
export function cut(data: Uint8Array, places: number[]): Uint8Array[] {
  const at = places.map((share) => Math.floor(share * data.length));
  const bounds = [0, ...at.sort((a, b) => a - b), data.length];
  return bounds.slice(1).map((end, i) => data.subarray(bounds[i], end))
    .filter((part) => part.length > 0);
}
