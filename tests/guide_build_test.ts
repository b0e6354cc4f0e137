/** The course's pages as files, and `deno task web`, which builds and serves them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes, assertThrows } from "@std/assert";
import { makeFiles } from "../guide/build.ts";
import { makeSite, type Sources } from "../guide/site.ts";
import { copyCheckout } from "./checkout.ts";
import { read } from "./guide_text.ts";
import { Program, ROOT, testWith } from "./harness.ts";

const FILES = makeFiles();
const page = (path: string) => FILES.get(path) as string;
const PAGES = [...FILES.keys()].filter((path) => path.endsWith(".html"));

/** What a piece of HTML says: without tags, with its entities decoded. */
function words(html: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", quot: '"' };
  return html.replace(/<[^>]*>/g, "")
    .replace(/&(\w+);/g, (_, name) => entities[name]);
}

/** What each listing of a page says. */
const listings = (html: string) =>
  [...html.matchAll(/<pre class="code".*?<code>(.*?)<\/code><\/pre>/gs)]
    .map(([, code]) => words(code));

/** A small course, with `fr` and `en` at the end of its only section. */
function small({ fr = "", en = "" }, changes: Partial<Sources> = {}) {
  const [before, after] = ["# Un\n\n## Deux\n\n", "# One\n\n## Two\n\n"];
  const index = "# Index\n\n## Flags\n\n`--allow-net` opens.\n";
  return makeSite({
    texts: {
      fr: new Map([["00-index.md", index], ["01-a.md", before + fr]]),
      en: new Map([["00-index.md", index], ["01-a.md", after + en]]),
    },
    phrases: "| `Bonjour …` | Hello … |\n| `OK` | |\n" +
      "| `… fin à … ms` | finished at … ms |\n",
    scripts: new Map([["a.ts", SCRIPT]]),
    python: new Map([["a.py", "print(1)\n"]]),
    pictures: new Map(),
    ...changes,
  });
}

const SCRIPT = `/** Top. */
import x from "y";

/**
 * Doubles.
 */
export function twice(
  n: number,
): number {
  if (n) {
    return n * 2;
  }
  return 0;
}

// One line.
const half = (n: number) => n / 2;
const longer = (n: number) =>
  n + 1;

export class Box {
  open() {}
}
`;

Deno.test("no page has an id twice, or a link that leads nowhere, or lets others in", () => {
  const ids = new Map(PAGES.map((path) => [
    path,
    [...page(path).matchAll(/ id="([^"]*)"/g)].map(([, id]) => id),
  ]));
  for (const path of PAGES) {
    assertEquals(ids.get(path)!.length, new Set(ids.get(path)).size, path);
    const refs = page(path).matchAll(
      / (?:href|src)="([^"]*)"|url\((#[^)]*)\)/g,
    );
    for (const [, link, marker] of refs) {
      const url = new URL(link ?? marker, `http://site/${path}`);
      if (url.host !== "site") continue;
      const there = url.pathname.slice(1);
      assert(FILES.has(there), `${path}: ${link}`);
      const id = decodeURIComponent(url.hash.slice(1));
      if (id) assert(ids.get(there)!.includes(id), `${path}: ${link}`);
    }
    // A browser reports what this forbids, and guide_browser_test.ts any report.
    assertMatch(
      page(path),
      /"default-src 'none'; style-src 'self'; script-src 'self'; /,
    );
  }
});

Deno.test("a page weighs at most 200 KB with all that it loads", async () => {
  const shared = [...FILES].filter(([path]) =>
    /^page\.|^icon|woff2$|bench\.en/.test(path)
  ).map(([, data]) => new Blob([data]).size);
  const rest = shared.reduce((sum, size) => sum + size);
  for (const path of PAGES) {
    let stream = new Blob([page(path)]).stream();
    // The page with all sections: as a server sends it that compresses.
    if (path.endsWith("all.html")) {
      stream = stream.pipeThrough(new CompressionStream("gzip"));
    }
    const size = rest + (await new Response(stream).bytes()).length;
    assert(size <= 200_000, `${path}: ${size}`);
  }
});

Deno.test("the builder, the page's script and its style have at most 1,900 lines, what runs the programs 260 and 360", () => {
  const lines = (name: string) => read(`guide/${name}`).split("\n").length - 1;
  const counts = [...Deno.readDirSync(ROOT + "guide")].map(({ name }) => name)
    .filter((name) => /^(?!run\.).*\.(ts|js|css)$/.test(name)).map(lines);
  const total = counts.reduce((sum, count) => sum + count);
  assert(total <= 1900, `${total}`);
  assert(lines("run.ts") <= 260 && lines("run.js") <= 360);
});

/** Lines of the script, from the first to the last. */
const part = (first: number, last: number) =>
  SCRIPT.split("\n").slice(first - 1, last).join("\n");

const shows = (names: string) => `[a](../../scripts/a.ts#${names})\n\n`;

Deno.test("a link to names shows these declarations with their comments", () => {
  const links = ["twice", "half", "longer", "Box,half"].map(shows).join("");
  // The page with all sections has no whole scripts.
  assertEquals(listings(small({ en: links }).get("en/all.html")!), [
    part(4, 14),
    part(16, 17),
    part(18, 19),
    `${part(21, 23)}\n\n${part(16, 17)}`,
  ]);
});

Deno.test("a section has its scripts whole, once and folded, Python beside them", () => {
  const half = shows("half"), whole = "[a](../../scripts/a.ts)\n\n";
  const site = small({ en: half + half + "[`a`](../python/a.py)" });
  const html = site.get("en/01-a.html")!;
  const both = [SCRIPT.trimEnd(), "print(1)"];
  assertEquals(listings(html), [part(16, 17), ...both, part(16, 17)]);
  const [, folded] = html.split(`<details class="file" id="a.ts">`);
  assertEquals(listings(folded).slice(0, 2), both);
  assertMatch(folded, /href="\.\.\/python\/a\.py" download/);
  assertEquals(site.get("scripts/a.ts"), SCRIPT);
  const asked = small({ en: half + half + whole }).get("en/01-a.html")!;
  assertEquals(listings(asked), [part(16, 17), part(16, 17), ...both]);
});

Deno.test("a note stands behind the line that has its quote", () => {
  const en = "[a](../../scripts/a.ts#twice)\n\n- `n: number`: a number\n" +
    "- `}`: the end, `n` is forgotten\n";
  const html = small({ en }).get("en/01-a.html")!;
  const code = html.match(/<pre class="code".*?<\/pre>/s)![0].split("\n");
  const noted = code.flatMap((line, i) =>
    line.includes('class="note"') ? words(code[i - 1]) : []
  );
  assertEquals(noted, ["  n: number,", "  }"]);
  assert(!html.includes("<ul>"), "the list is no list any more");
});

Deno.test("a French line of a transcript has its translation on the English page", () => {
  const text = "```console\n$ deno run --allow-net a.ts\nBonjour Léa\nOK\n" +
    "  A │██ fin à 3 ms\n```\n";
  const site = small({ en: text, fr: text });
  const [html, french] = ["en", "fr"].map((lang) =>
    site.get(`${lang}/01-a.html`)!.match(/<pre>.*?<\/pre>/s)![0]
  );
  assertMatch(
    html,
    /<span lang="fr">Bonjour Léa<\/span><small>Hello Léa<\/small>OK\n/,
  );
  assertMatch(html, /fin à 3 ms<\/span><small>finished at 3 ms<\/small>/);
  assertMatch(
    html,
    /deno run <a href="00-index.html#flags">--allow-net<\/a>/,
  );
  assertEquals(words(french), words(text.replace(/```.*\n|\$ /g, "")));
});

Deno.test("the spaces of French stand in its prose, and nowhere else", () => {
  const prose =
    "« a » : b ; c ! d ? 65 507 ms, it's\n: e ?\n\n`f : g ; « h »`\n\n" +
    "```ts\nf ? '« i »' : j;\n```\n\n";
  const site = small({ fr: prose, en: prose });
  const typeset = {
    fr: "«\u00A0a\u00A0»\u00A0: b\u202F; c\u202F! d\u202F? " +
      "65\u202F507\u202Fms, it’s\u00A0: e\u202F?",
    en: "« a » : b ; c ! d ? 65 507 ms, it’s\n: e ?",
  };
  for (const [lang, text] of Object.entries(typeset)) {
    const html = site.get(`${lang}/01-a.html`)!;
    assertStringIncludes(html, `<p>${text}</p>\n`);
    assertStringIncludes(html, "<code>f : g ; « h »</code>");
    assertEquals(listings(html), ["f ? '« i »' : j;"]);
  }
});

Deno.test("a diagram says all its words to who does not see it", () => {
  const en = "```mermaid\nsequenceDiagram\nparticipant C as Client\n" +
    "participant S\nC->>S: one\nS--xC: two\nNote over C: three\n```\n\n_Caption_\n";
  const html = small({ en }).get("en/01-a.html")!;
  assertMatch(
    html,
    /aria-label="Diagram: Client → S: one; S → Client: two; Client: three"/,
  );
});

const transcript = (line: string) => `\`\`\`console\n${line}\n\`\`\`\n`;
const REFUSED: [what: string, text: string, problem: RegExp][] = [
  ["a link to no id", "[a](#three)", /01-a\.md:5: .*#three/],
  ["a link to no page", "[a](02-b.md)", /:5: .*02-b/],
  ["a link out of the site", "[a](../../README.md)", /:5: .*README/],
  ["a name that no script has", shows("none"), /:5: a\.ts has no none/],
  ["a note on nothing", shows("half") + "- `x = 1`: no", /:7: .*"x = 1"/],
  ["notes upside down", shows("twice") + "- `}`: a\n- `n:`: b", /:8: .*"n:"/],
  ["a list half of notes", shows("half") + "- `n`: a\n- b", /:8?.*note/],
  ["a line without a translation", transcript("Adieu"), /:5: .*"Adieu"/],
  ["an unknown flag", transcript("$ deno --allow-ffi"), /:5: .*--allow-ffi/],
  ["a diagram without a caption", "```mermaid\na\n```\n", /:5: .*caption/],
  ["another diagram", "```mermaid\npie\n```\n\n_C_\n", /:5: .*"pie"/],
  ["a picture that is not there", "![a](../b.svg)", /:5: .*b\.svg/],
  ["a heading too many", "## Three", /: heading 3, "Three"/],
  ["a second title", "# Three", /: the first heading/],
];
for (const [what, text, problem] of REFUSED) {
  Deno.test(`build refuses ${what}, and says where in one line`, () => {
    const { message } = assertThrows(() => small({ en: text }), Error);
    assertMatch(message, problem);
    assertMatch(message, /^en\/01-a\.md.*$/);
  });
}

Deno.test("build refuses a section that one language lacks", () => {
  const texts = {
    fr: new Map([["00-index.md", "# A\n"], ["02-b.md", "# B\n"]]),
    en: new Map([["00-index.md", "# A\n"]]),
  };
  const { message } = assertThrows(() => small({}, { texts }), Error);
  assertEquals(message, "fr/02-b.md: not in en/");
});

/** A checkout in a folder with an awkward name, whose course has two pages. */
async function copy() {
  const folder = await copyCheckout("a #1 100%25 b ");
  for (const lang of ["fr", "en"]) {
    const pages = `${folder.path}/guide/${lang}`;
    for (const { name } of Deno.readDirSync(pages)) {
      if (/^\d/.test(name)) Deno.removeSync(`${pages}/${name}`);
    }
    Deno.writeTextFileSync(`${pages}/00-index.md`, "# Index\n");
    Deno.writeTextFileSync(`${pages}/01-one.md`, "# One\n");
  }
  return folder;
}

const TASK: string[] = JSON.parse(read("deno.json")).tasks.web.command
  .split(" ").slice(1);

/** Runs guide/build.ts with the permissions of the task. */
async function build(cwd: string, ...args: string[]) {
  const all = [...TASK.slice(0, -1), "guide/build.ts", ...args];
  await using program = new Program(Deno.execPath(), all, { cwd });
  const { code, out, err } = await program.end();
  return `${code}: ${out}${err}`;
}

Deno.test("build writes its folder, and removes only what it made", async () => {
  await using place = await copy();
  const guide = place.path + "/guide", site = guide + "/site";
  const there = (name: string) => Deno.statSync(`${site}/${name}`).isFile;
  const done = "0: Pages écrites dans guide/site\n";
  Deno.mkdirSync(site, { recursive: true });
  Deno.writeTextFileSync(site + "/mine.txt", "");
  assertEquals(await build(place.path), done);
  assert(there("en/01-one.html") && there("python/web_server.py"));
  for (const lang of ["fr", "en"]) {
    Deno.renameSync(`${guide}/${lang}/01-one.md`, `${guide}/${lang}/02-two.md`);
  }
  Deno.writeTextFileSync(site + "/en/mine.html", "");
  assertEquals(await build(place.path), done);
  assert(there("mine.txt") && there("en/mine.html") && there("en/02-two.html"));
  assertThrows(() => there("en/01-one.html"), Deno.errors.NotFound);

  Deno.writeTextFileSync(guide + "/en/00-index.md", "none\n");
  const refused = await build(place.path);
  assertMatch(refused, /^1: Pages non écrites : en\/00-index\.md.*\n$/);
  assert(there("en/00-index.html"), "the site is as it was");
  const argued = await build(place.path, "--out", ".");
  assertMatch(argued, /^1: Pages non écrites : aucun argument.*\n$/);
});

/** Starts the task's command in such a copy. */
const web = (cwd: string, args: string[], shell?: string) =>
  new Program(Deno.execPath(), [...TASK, ...args], { cwd, shell });
const SAID = /^Ouvrez (http:\S+)#[0-9a-f]{32} dans /m;

Deno.test("web builds, serves, says where, and ends when it is told to", async () => {
  await using place = await copy();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    await using program = web(place.path, ["--port", "0"]);
    const [, address] = await program.says(SAID);
    const response = await fetch(address + "fr/01-one.html");
    const file = `${place.path}/guide/site/fr/01-one.html`;
    assertEquals(await response.text(), Deno.readTextFileSync(file));
    program.kill(signal);
    const { code, err } = await program.end();
    assertEquals([code, err], [0, ""], signal);
  }
});

Deno.test("web ends when what started it is killed", async () => {
  await using place = await copy();
  const shell = `"$@" & echo "child $!"; wait`;
  await using program = web(place.path, ["--port", "0"], shell);
  const [, child] = await program.says(/^child (\d+)$/m);
  await program.says(SAID);
  program.kill("SIGKILL");
  // The output ends with the last process that may write to it.
  await program.end().catch((error) => {
    Deno.kill(Number(child), "SIGKILL");
    throw error;
  });
});

Deno.test("web says in one line that a port is in use, or an option unknown", async () => {
  await using place = await copy();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const taken = ["--port", `${listener.addr.port}`];
  for (const args of [taken, ["--wrong"]]) {
    await using program = web(place.path, args);
    const { code, out, err } = await program.end();
    assertEquals([code, out], [1, ""], args[0]);
    assertMatch(
      err,
      /^(AddrInUse: .*--port 8089|Error: argument inconnu : .*)\n$/,
    );
  }
});

testWith("IPv6", "web passes on --host", async () => {
  await using place = await copy();
  await using program = web(place.path, ["--port", "0", "--host", "::1"]);
  await program.says(/^Ouvrez http:\/\/\[::1\]:\d+\/#/m);
});
