/**
 * Makes the course's pages from its Markdown, in guide/site: a folder that works at
 * any address, and without a server.
 *
 * Run it with `deno task web`, which serves the folder too.
 *
 * @module
 */
import { CODE_STYLE } from "./code.ts";
import { FONTS } from "./fonts.ts";
import { makeSite, type Sources } from "./site.ts";

const HERE = new URL(".", import.meta.url);
const OUT = new URL("site/", HERE);
/** The list of what was made, and so may be removed. */
const LIST = new URL("files.txt", OUT);

/** The files of a folder of a kind, by name, in order. */
function readAll(folder: string, kind: RegExp): Map<string, string> {
  const url = new URL(folder, HERE);
  const names = [...Deno.readDirSync(url)].map(({ name }) => name)
    .filter((name) => kind.test(name)).sort();
  return new Map(
    names.map((name) => [name, Deno.readTextFileSync(new URL(name, url))]),
  );
}

/** Reads what the pages are made of. */
export function readSources(): Sources {
  return {
    texts: {
      fr: readAll("fr/", /^\d\d-.*\.md$/),
      en: readAll("en/", /^\d\d-.*\.md$/),
    },
    phrases: Deno.readTextFileSync(new URL("en/phrases.md", HERE)),
    scripts: readAll("../scripts/", /\.ts$/),
    python: readAll("python/", /\.py$/),
    pictures: readAll("./", /\.svg$/),
  };
}

/** Makes all the files of the site, by their paths in it. */
export function makeFiles(): Map<string, string | Uint8Array<ArrayBuffer>> {
  const read = (name: string) => Deno.readTextFileSync(new URL(name, HERE));
  return new Map<string, string | Uint8Array<ArrayBuffer>>([
    ...makeSite(readSources()),
    ["page.css", read("page.css") + read("run.css") + CODE_STYLE],
    ["page.js", read("page.js") + read("run.js")],
    ["run.json", "null\n"], // guide/run.ts answers in its place: what it can run.
    ["choose.js", read("choose.js")],
    ...Object.entries(FONTS),
  ]);
}

/**
 * Writes the site, and removes what an earlier one had and this one has not. A file
 * that it did not make stays, whatever its name.
 *
 * @throws {Error} Where a text is wrong: one line, with the place. Nothing is written.
 */
export function build(): void {
  const files = makeFiles();
  for (const folder of ["fr/", "en/", "scripts/", "python/"]) {
    Deno.mkdirSync(new URL(folder, OUT), { recursive: true });
  }
  const there = new Set(
    ["", "fr/", "en/", "scripts/", "python/"].flatMap((folder) =>
      [...Deno.readDirSync(new URL(folder, OUT))].map(({ name }) =>
        folder + name
      )
    ),
  );
  const made = there.has("files.txt")
    ? Deno.readTextFileSync(LIST).split("\n").filter((path) => there.has(path))
    : [];
  const write = (paths: Iterable<string>) =>
    Deno.writeTextFileSync(LIST, [...paths].join("\n") + "\n");
  write(new Set([...made, ...files.keys()])); // Were it interrupted, none is lost.
  for (const [path, data] of files) {
    const url = new URL(path, OUT);
    if (typeof data === "string") Deno.writeTextFileSync(url, data);
    else Deno.writeFileSync(url, data);
  }
  for (const path of made.filter((path) => !files.has(path))) {
    Deno.removeSync(new URL(path, OUT));
  }
  write(files.keys());
}

if (import.meta.main) {
  try {
    if (Deno.args.length) throw new Error("aucun argument n'est attendu");
    build();
    console.log("Pages écrites dans guide/site");
  } catch (error) {
    console.error(`Pages non écrites : ${(error as Error).message}`);
    Deno.exit(1);
  }
}
