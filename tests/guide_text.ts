/**
 * The guide's two editions, as its tests read them.
 *
 * @module
 */
import { assert } from "@std/assert";
import { ROOT } from "./harness.ts";

/** All pages of an edition in one text. */
function join(lang: string): string {
  const folder = `${ROOT}guide/${lang}/`;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /^\d\d-/.test(name)).sort();
  return names.map((name) => Deno.readTextFileSync(folder + name)).join("\n");
}

/** The French edition. */
export const FR = join("fr");
/** The English edition. */
export const EN = join("en");

/** Fails unless the French edition has these words, whatever its lines. */
export function says(words: string): void {
  assert(FR.replaceAll(/\s+/g, " ").includes(words), `guide/fr: no "${words}"`);
}
