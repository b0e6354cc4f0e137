/**
 * The guide's two editions, as its tests read them.
 *
 * @module
 */
import { assert } from "@std/assert";
import { ROOT } from "./harness.ts";

/** The French edition. */
export const FR = Deno.readTextFileSync(ROOT + "guide/fr.md");
/** The English edition. */
export const EN = Deno.readTextFileSync(ROOT + "guide/en.md");

/** Fails unless the French edition has these words, whatever its lines. */
export function says(words: string): void {
  assert(FR.replaceAll(/\s+/g, " ").includes(words), `fr.md: no "${words}"`);
}
