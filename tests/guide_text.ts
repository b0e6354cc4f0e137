/**
 * The guide's two editions, as its tests read them.
 *
 * @module
 */
import { assert } from "@std/assert";
import { ROOT } from "./harness.ts";

/**
 * All pages of an edition in one text: a page's title has two `#`, after the
 * course's number, if it has one.
 */
function join(lang: string): string {
  const folder = `${ROOT}guide/${lang}/`;
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
    .filter((name) => /^\d\d-/.test(name)).sort();
  const texts = names.map((name) =>
    Deno.readTextFileSync(folder + name)
      .split(/(^```.*?^```$)/ms)
      .map((part, i) => i % 2 ? part : part.replace(/^#/gm, "##"))
      .join("")
      .replace(/^## (.*) · § (.*)$/m, "## $2. $1")
  );
  return texts.join("\n");
}

/** The French edition. */
export const FR = join("fr");
/** The English edition. */
export const EN = join("en");

/** Fails unless the French edition has these words, whatever its lines. */
export function says(words: string): void {
  assert(FR.replaceAll(/\s+/g, " ").includes(words), `guide/fr: no "${words}"`);
}
