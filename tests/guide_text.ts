/**
 * The guide's two editions, and other texts of the project, as the tests read them.
 *
 * @module
 */
import { assert } from "@std/assert";
import { ROOT, SCRIPTS } from "./harness.ts";

/** A text of the project. */
export const read = (path: string) => Deno.readTextFileSync(ROOT + path);

/** The paths of the scripts and their helper. */
export const SCRIPT_FILES = [...SCRIPTS, "encoding"]
  .map((name) => `scripts/${name}.ts`);

/** The names of the guide's pages, in order. */
export const PAGES = [...Deno.readDirSync(ROOT + "guide/fr")]
  .map(({ name }) => name).sort();

const edition = (lang: string) =>
  PAGES.map((page) => read(`guide/${lang}/${page}`)).join("\n");

/** The French edition. */
export const FR = edition("fr");
/** The English edition. */
export const EN = edition("en");

/** The transcripts in a text. */
export const transcripts = (text: string) =>
  [...text.matchAll(/^```console\n(.*?)^```$/gms)].map(([, lines]) => lines);

/** A text on one line. */
export const squeeze = (text: string) => text.replaceAll(/\s+/g, " ");

/** Fails unless the French edition has these words, whatever its lines. */
export function says(words: string): void {
  assert(squeeze(FR).includes(words), `guide/fr: no "${words}"`);
}
