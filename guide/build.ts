/**
 * Makes the course's pages from its Markdown: a folder that works at any address.
 *
 * Run it with `deno task web`, which serves the folder too.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { LANGUAGES } from "./texts.ts";

const HELP = "Usage : build.ts [--from guide (le dossier des textes)]" +
  " [--out guide/site (le dossier à faire)] [--if-newer (si les sources ont" +
  " changé)] [--help]";

/** The project's folder. */
const ROOT = new URL("../", import.meta.url);

/** What {@linkcode build} takes. */
export interface BuildOptions {
  /** The folder with `fr.md` and `en.md`; `guide/` unless told. */
  from?: string | URL;
  /** The folder to make, or to make again; `guide/site/` unless told. */
  out?: string | URL;
  /** Builds only if a source is newer than the folder. */
  ifNewer?: boolean;
}

/** A folder's address: paths are relative to where the program runs. */
function folder(path: string | URL): URL {
  const base = new URL(`file://${Deno.cwd().replaceAll("\\", "/")}/`);
  const url = typeof path === "string" ? new URL(path, base) : path;
  return new URL(url.href.replace(/\/?$/, "/"));
}

/** When a file changed last, in milliseconds; -Infinity if it is not there. */
async function changed(path: URL): Promise<number> {
  const info = await Deno.stat(path).catch(() => undefined);
  return info?.mtime?.getTime() ?? -Infinity;
}

/** Files of a folder whose names end so, in order. */
async function list(path: URL, end: string): Promise<string[]> {
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  return names.filter((name) => name.endsWith(end)).sort();
}

/**
 * Builds the site.
 *
 * @returns Whether there was anything to do.
 * @throws {Error} Where a text is wrong: one line, with the place.
 */
export async function build(options: BuildOptions = {}): Promise<boolean> {
  const here = new URL(".", import.meta.url);
  const from = folder(options.from ?? here);
  const out = folder(options.out ?? new URL("site/", here));
  const begun = new Date(), scriptsAt = new URL("scripts/", ROOT);
  const names = await list(scriptsAt, ".ts");
  if (options.ifNewer) {
    const sources = [
      scriptsAt, // A folder changes when a file in it comes or goes.
      ...names.map((name) => new URL(name, scriptsAt)),
      ...LANGUAGES.map((lang) => new URL(`${lang}.md`, from)),
      ...["deno.json", "deno.lock"].map((name) => new URL(name, ROOT)),
      ...(await Promise.all(
        [".ts", ".css", ".js", ".svg"].map((end) => list(here, end)),
      )).flat().map((name) => new URL(name, here)),
    ];
    const times = await Promise.all(sources.map(changed));
    const made = await changed(new URL("index.html", out));
    if (Math.max(...times) <= made) return false;
  }

  // Not before it is sure that they are needed: they take half a second to load.
  const { render } = await import("./render.ts");
  const { choice, page } = await import("./page.ts");
  const { CODE_STYLE } = await import("./code.ts");
  const { FONTS } = await import("./fonts.ts");
  const read = (path: URL) => Deno.readTextFile(path);
  const scripts = new Map<string, string>();
  for (const name of names) {
    scripts.set(name, await read(new URL(name, scriptsAt)));
  }
  const [fr, en] = await Promise.all(
    LANGUAGES.map((lang) => read(new URL(`${lang}.md`, from))),
  );
  const pictures = await list(from, ".svg"), shared = { scripts, pictures };
  const pages = new Map(
    [
      ["fr", render(fr, { lang: "fr", file: "fr.md", other: en, ...shared })],
      ["en", render(en, { lang: "en", file: "en.md", other: fr, ...shared })],
    ] as const,
  );

  // A server that is running never sees half a site: it is made beside, then renamed.
  const [fresh, old] = ["new", "old"].map((name) =>
    new URL(out.href.replace(/\/$/, `.${name}/`))
  );
  const remove = (path: URL) =>
    Deno.remove(path, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  await remove(fresh);
  await Deno.mkdir(new URL("scripts/", fresh), { recursive: true });
  const write = (name: string, data: string | Uint8Array<ArrayBuffer>) =>
    typeof data === "string"
      ? Deno.writeTextFile(new URL(name, fresh), data)
      : Deno.writeFile(new URL(name, fresh), data);
  for (const [lang, rendered] of pages) {
    await write(`${lang}.html`, page(lang, rendered));
  }
  await write("index.html", choice(pages));
  await write("page.css", await read(new URL("page.css", here)) + CODE_STYLE);
  for (const name of ["page.js", "choose.js", "icon.svg"]) {
    await write(name, await read(new URL(name, here)));
  }
  for (const [name, source] of scripts) await write(`scripts/${name}`, source);
  for (const name of pictures) {
    await write(name, await read(new URL(name, from)));
  }
  for (const [name, data] of Object.entries(FONTS)) await write(name, data);
  // What changed while this was at work is newer than the site.
  await Deno.utime(new URL("index.html", fresh), begun, begun);
  await remove(old);
  await Deno.rename(out, old).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.rename(fresh, out);
  await remove(old);
  return true;
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["help", "if-newer"],
    string: ["from", "out"],
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (args.help) return console.log(HELP);
  const { from, out } = args;
  if (from === "" || out === "") {
    exit(2, `--from et --out attendent un dossier. ${HELP}`);
  }
  try {
    const done = await build({ from, out, ifNewer: args["if-newer"] });
    const where = out ?? "guide/site";
    console.log(done ? `Pages faites dans ${where}` : `${where} est à jour`);
  } catch (error) {
    exit(1, `Pages non faites : ${(error as Error).message}`);
  }
}

if (import.meta.main) await main();
