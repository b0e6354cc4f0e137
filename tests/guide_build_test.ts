/** The course's pages as files, and `deno task web`, which builds and serves them. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { build } from "../guide/build.ts";
import { typeset } from "../guide/typography.ts";
import { Program, ROOT, testWith } from "./harness.ts";

const LANGUAGES = ["fr", "en"] as const;
const SOURCES = [...Deno.readDirSync(ROOT + "scripts")]
  .map(({ name }) => name).filter((name) => name.endsWith(".ts")).sort();

const read = (path: string) => Deno.readTextFileSync(path);

/** A folder for a test, which goes with it. */
async function folder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "guide-" });
  const remove = () => Deno.remove(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: remove };
}

/** All files below a folder, with their bytes in Latin-1. */
function files(path: string, below = ""): Record<string, string> {
  const latin1 = new TextDecoder("latin1");
  return Object.fromEntries(
    [...Deno.readDirSync(path + below)].flatMap((entry) => {
      const name = `${below}/${entry.name}`;
      return entry.isDirectory
        ? Object.entries(files(path, name))
        : [[name.slice(1), latin1.decode(Deno.readFileSync(path + name))]];
    }),
  );
}

/** What a piece of HTML says: without tags, with its entities decoded. */
function words(html: string): string {
  const entities: Record<string, string> = {
    amp: "&",
    lt: "<",
    gt: ">",
    quot: '"',
  };
  return html.replace(/<[^>]*>/g, "")
    .replace(/&(\w+);/g, (_, name) => entities[name]);
}

/** The two texts, changed by `edit`, built into a folder of the test's. */
async function attempt(edit: (fr: string, en: string) => [string, string]) {
  await using from = await folder();
  const [fr, en] = edit(
    "# Un\n\nTexte.\n\n## Deux\n",
    "# One\n\nText.\n\n## Two\n",
  );
  Deno.writeTextFileSync(from.path + "/fr.md", fr);
  Deno.writeTextFileSync(from.path + "/en.md", en);
  const out = from.path + "/site";
  await build({ from: from.path, out });
  return { fr: read(out + "/fr.html"), en: read(out + "/en.html") };
}

const site = await folder();
addEventListener(
  "unload",
  () => Deno.removeSync(site.path, { recursive: true }),
);
const OUT = site.path + "/site";
await build({ out: OUT });
const page = { fr: read(OUT + "/fr.html"), en: read(OUT + "/en.html") };

Deno.test("build makes the same bytes twice", async () => {
  await using again = await folder();
  await build({ out: again.path + "/site" });
  assertEquals(files(again.path + "/site"), files(OUT));
});

for (const lang of LANGUAGES) {
  const html = page[lang];
  const markdown = read(`${ROOT}guide/${lang}.md`);

  Deno.test(`${lang}.html weighs at most 400 KB with all that it loads`, () => {
    const css = read(OUT + "/page.css");
    const loaded = [
      `${lang}.html`,
      ...[
        ...html.matchAll(
          /<(?:link rel="(?:stylesheet|icon)"|script|img)[^>]* (?:href|src)="([^"]*)"/g,
        ),
      ],
      ...[...css.matchAll(/url\("([^"]*)"\)/g)],
    ].map((match) => typeof match === "string" ? match : match[1]);
    assertEquals(loaded.length, 8);
    const sizes = loaded.map((name) => Deno.statSync(`${OUT}/${name}`).size);
    const total = sizes.reduce((sum, size) => sum + size);
    assert(total <= 400_000, `${total} bytes: ${loaded} ${sizes}`);
  });

  Deno.test(`${lang}.html loads nothing from elsewhere, and has no style or script in it`, () => {
    const tags = [...html.matchAll(/<(\w+)([^>]*)>/g)];
    for (const [tag, name, attributes] of tags) {
      if (name !== "a") assert(!/:\/\//.test(attributes), tag);
      assert(!/ (?:style|on\w+)=/.test(attributes), tag);
      assert(name !== "style" && name !== "iframe", tag);
      if (name === "script") assertMatch(attributes, / src="page\.js"/);
    }
    assert(!/@import|:\/\//.test(read(OUT + "/page.css")));
    assertMatch(html, /default-src 'none'/);
  });

  Deno.test(`${lang}.html has each script whole, and so has the site`, () => {
    for (const name of SOURCES) {
      const source = read(`${ROOT}scripts/${name}`);
      const figure = html.split(`<figure class="script" id="${name}">`)[1];
      assert(figure, `${name} is in the page`);
      const code =
        figure.match(/<pre class="code lines".*?<code>(.*?)<\/code>/s)![1];
      assertEquals(words(code), source);
      assertEquals(
        code.match(/<i><\/i>/g)!.length,
        source.trimEnd().split("\n").length,
      );
      assertEquals(read(`${OUT}/scripts/${name}`), source);
      const run = source.match(/ \* @run (.*)/)?.[1];
      const command = figure.match(/<span class="command">(.*?)<\/span>/)?.[1];
      if (run) assertEquals(words(command!), run);
    }
  });

  Deno.test(`${lang}.html has the headings of ${lang}.md, all in the contents`, () => {
    const prose = markdown.replace(/^```.*?^```/gms, "");
    const expected = [...prose.matchAll(/^(#+) (.*)$/gm)].map((
      [, level, text],
    ) => `${level.length} ${typeset(text.replaceAll("`", ""), lang)}`);
    const headings = [...html.matchAll(/<h(\d) id="([^"]*)">(.*?)<\/h\d>/g)];
    assertEquals(
      headings.map(([, level, , text]) => `${level} ${words(text)}`),
      expected,
    );
    const contents = html.match(/<nav.*<\/nav>/s)![0];
    const listed = [...contents.matchAll(/<a href="#([^"]*)"/g)].map(([, id]) =>
      id
    );
    const ids = headings.filter(([, level]) => level === "2" || level === "3");
    assertEquals(listed, ids.map(([, , id]) => id));
  });

  Deno.test(`${lang}.html has no id twice, and no link that leads nowhere`, () => {
    const ids = (html: string) =>
      [...html.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    assertEquals(ids(html).length, new Set(ids(html)).size);
    const refs = html.matchAll(
      / (?:href|src|popovertarget|aria-labelledby)="([^"]*)"|url\((#[^)]*)\)/g,
    );
    for (const [match, link = "", marker] of refs) {
      if (/^https?:/.test(link)) continue;
      const here = / (?:popover|aria)/.test(match)
        ? `#${link}`
        : marker ?? link;
      const [file, id] = here.split("#");
      const there = file ? read(`${OUT}/${file}`) : html;
      if (id) assert(ids(there).includes(decodeURIComponent(id)), match);
    }
  });

  Deno.test(`${lang}.html has its language, title and description from ${lang}.md`, () => {
    const [, title, lead] = markdown.match(/^# ([^\n]*)\n\n(.*?)\n\n/s)!;
    const said = typeset(lead.replaceAll("\n", " ").replace(/[`*]/g, ""), lang)
      .replace(/\[(.*?)\]\(.*?\)/g, "$1");
    assertMatch(html, RegExp(`^<!DOCTYPE html>\\n<html lang="${lang}">`));
    assertEquals(
      words(html.match(/<title>(.*?)<\/title>/)![1]),
      typeset(title, lang),
    );
    assertEquals(
      words(html.match(/<meta name="description" content="(.*?)">/)![1]),
      said,
    );
  });
}

Deno.test("both pages have the same sequence of headings", () => {
  const [fr, en] = LANGUAGES.map((lang) =>
    [...page[lang].matchAll(/<h(\d)/g)].map(([, level]) => level)
  );
  assertEquals(fr, en);
});

Deno.test("the spaces of French stand in its prose, and nowhere else", async () => {
  const prose = "« a » : b ; c ! d ? it's\n: e ?\n\n`f : g ; « h »`\n\n" +
    "```ts\nf ? '« i »' : j;\n```\n\n```console\n$ echo k ; l\nm : n\n```\n";
  const { fr, en } = await attempt((fr, en) => [fr + prose, en + prose]);
  assertMatch(
    fr,
    /<p>«\u00A0a\u00A0»\u00A0: b\u202F; c\u202F! d\u202F\? it’s\u00A0: e\u202F\?<\/p>/,
  );
  assertMatch(en, /<p>« a » : b ; c ! d \? it’s\n: e \?<\/p>/);
  for (const html of [fr, en]) {
    assertMatch(html, /<code>f : g ; « h »<\/code>/);
    const [code, shell] = [...html.matchAll(/<pre.*?>(.*?)<\/pre>/gs)]
      .map(([, pre]) => words(pre));
    assertEquals(code, "f ? '« i »' : j;");
    assertEquals(shell, "echo k ; l\nm : n");
  }
  // What the scripts print, in terminals, stays French.
  const english = page.en.replace(/<pre.*?<\/pre>/gs, "");
  assert(!/[\u00A0\u202F]/.test(english), "not in English");
});

for (
  const [what, problem, edit] of [
    [
      "a link to an id that is not there",
      /^fr\.md:7: .*#trois/,
      (fr, en) => [fr + "\n[a](#trois)\n", en],
    ],
    [
      "a link to a file that is not in the site",
      /^en\.md:7: .*README\.md/,
      (fr, en) => [fr, en + "\n[a](../README.md)\n"],
    ],
    [
      "a link to a script that is not there",
      /^fr\.md:7: .*absent\.ts/,
      (fr, en) => [fr + "\n[a](../scripts/absent.ts)\n", en],
    ],
    ["a script shown twice", /^fr\.md:9: encoding\.ts again/, (fr, en) => {
      const link = "\n[a](../scripts/encoding.ts)\n";
      return [fr + link + link, en];
    }],
    [
      "a heading without a counterpart",
      /^fr\.md: heading 3 /,
      (fr, en) => [fr + "\n## Trois\n", en],
    ],
    [
      "a heading of another level",
      /^fr\.md: heading 2 /,
      (fr, en) => [fr, en.replace("## ", "### ")],
    ],
    [
      "a diagram without a caption",
      /^en\.md:7: .*caption/,
      (fr, en) => [fr, en + "\n```mermaid\nflowchart LR\nA --> B\n```\n"],
    ],
    [
      "a diagram that is none",
      /^fr\.md:7: /,
      (fr, en) => [fr + "\n```mermaid\nrien\n```\n\n*Figure*\n", en],
    ],
    [
      "a flag without an explanation",
      /^fr\.md:7: --allow-ffi /,
      (fr, en) => [fr + "\n```console\n$ deno run --allow-ffi a.ts\n```\n", en],
    ],
  ] as [string, RegExp, (fr: string, en: string) => [string, string]][]
) {
  Deno.test(`build refuses ${what}, and says where`, async () => {
    const error = await assertRejects(() => attempt(edit), Error);
    assertMatch(error.message, problem);
    assertEquals(error.message.split("\n").length, 1);
  });
}

/** Runs guide/build.ts. */
async function run(...args: string[]) {
  const flags = [
    "--allow-read",
    "--allow-write",
    "--allow-env=VSCODE_TEXTMATE_DEBUG",
  ];
  await using program = new Program(Deno.execPath(), [
    "run",
    ...flags,
    "guide/build.ts",
    ...args,
  ]);
  const { code, out, err } = await program.end();
  return [code, out, err] as const;
}

Deno.test("build --if-newer builds when a source has changed, and only then", async () => {
  await using place = await folder();
  const out = place.path + "/site",
    when = (name: string) => Deno.statSync(`${out}/${name}`).mtime;
  for (const lang of LANGUAGES) {
    for (const name of [`${lang}.md`, `bench.${lang}.svg`]) {
      Deno.copyFileSync(`${ROOT}guide/${name}`, `${place.path}/${name}`);
    }
  }
  const build = () => run("--from", place.path, "--out", out, "--if-newer");
  assertEquals(await build(), [0, `Pages faites dans ${out}\n`, ""]);
  const first = when("fr.html");
  assertEquals(await build(), [0, `${out} est à jour\n`, ""]);
  assertEquals(when("fr.html"), first);
  const now = new Date();
  Deno.utimeSync(`${place.path}/en.md`, now, now);
  assertEquals(await build(), [0, `Pages faites dans ${out}\n`, ""]);
  assertEquals(
    [...Deno.readDirSync(place.path)].map(({ name }) => name).sort(),
    ["bench.en.svg", "bench.fr.svg", "en.md", "fr.md", "site"],
  );
});

Deno.test("build says what is wrong in one line, and leaves the site as it was", async () => {
  await using place = await folder();
  const out = place.path + "/site";
  Deno.mkdirSync(out);
  Deno.writeTextFileSync(`${place.path}/fr.md`, "# Un\n\n[a](#b)\n");
  Deno.writeTextFileSync(`${place.path}/en.md`, "# One\n");
  const [code, said, problem] = await run("--from", place.path, "--out", out);
  assertEquals([code, said], [1, ""]);
  assertMatch(problem, /^Pages non faites : fr\.md:3: .*#b.*\n$/);
  assertEquals([...Deno.readDirSync(out)], []);
  assertMatch((await run("--from", "/absent"))[2], /^Pages non faites : .*\n$/);
  assertMatch(
    (await run("--wrong"))[2],
    /^"--wrong" : argument inconnu\. Usage : .*\n$/,
  );
  assertEquals((await run("--wrong"))[0], 2);
});

/** Starts the task `web` with its own permissions. */
function web(...args: string[]): Program {
  const { tasks } = JSON.parse(read(ROOT + "deno.json"));
  const [deno, ...command] = tasks.web.command.split(" ");
  assertEquals(deno, "deno");
  return new Program(Deno.execPath(), [...command, ...args]);
}

const refused = (port: number) =>
  Deno.connect({ port }).then((conn) => (conn.close(), false), () => true);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`web builds, serves, says where, and ends with its server on ${signal}`, async () => {
    await using program = web("--port", "0");
    const [, address] = await program.says(/^Ouvrez (http:\S+) /m);
    const response = await fetch(address + "fr.html");
    assertEquals(await response.text(), page.fr);
    program.kill(signal);
    const { code, err } = await program.end();
    assertEquals([code, err], [0, ""]);
    assert(await refused(Number(new URL(address).port)), "no server is left");
  });
}

Deno.test("web passes on what its server says of a port in use", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using program = web("--port", `${listener.addr.port}`);
  const { code, err } = await program.end();
  assertEquals(code, 1);
  assertMatch(err, /^.*--port.*\n$/);
});

testWith(
  "IPv6",
  "web passes on --host, and what its server says of it",
  async () => {
    await using program = web("--port", "0", "--host", "::1");
    await program.says(/^Ouvrez http:\/\/\[::1\]:\d+\/ /m);
    program.kill();
    assertEquals((await program.end()).code, 0);
  },
);

Deno.test("web refuses an unknown option in one line", async () => {
  for (const option of ["--wrong", "wrong", "--root=/"]) {
    await using program = web(option);
    const { code, out, err } = await program.end();
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^".*" : argument inconnu\. Usage : deno task web .*\n$/);
  }
});

Deno.test("web --open serves on where there is no browser", async () => {
  await using program = new Program("env", [
    "PATH=/nonexistent",
    Deno.execPath(),
    ...JSON.parse(read(ROOT + "deno.json")).tasks.web.command.split(" ").slice(
      1,
    ),
    "--port",
    "0",
    "--open",
  ]);
  const [, address] = await program.says(/^Ouvrez (http:\S+) /m);
  await program.complains(/^Navigateur non ouvert \(.*\n$/);
  assertEquals((await fetch(address, { method: "HEAD" })).status, 200);
  program.kill();
  assertEquals((await program.end()).code, 0);
});
