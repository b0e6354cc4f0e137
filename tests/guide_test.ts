/**
 * The guide shows only what is so: its transcripts are played here, and the names in
 * it are looked for in the scripts. guide_claims_test.ts tries the rest.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import {
  EN,
  FR,
  PAGES,
  read,
  SCRIPT_FILES,
  squeeze,
  transcripts,
} from "./guide_text.ts";
import { has, PATIENCE, Program, serve, start, testWith } from "./harness.ts";
import { command, Screen } from "./screen.ts";
import { scripts } from "./scripts.ts";

// Transcripts

const replayed: string[] = [];

/** A test that shows what a page's transcripts do; it is given their commands. */
function replay(
  page: string,
  play: (commands: string[][]) => Promise<string[]>,
  needs = "sh",
): void {
  const printed = transcripts(read(`guide/fr/${page}.md`));
  replayed.push(...printed);
  const commands = printed.map((lines) =>
    [...lines.matchAll(/^\$ (.*)$/gm)].map(([, command]) => command)
  );
  testWith(
    needs,
    `The guide shows the terminals of ${page} as they are`,
    async () => assertEquals(same(await play(commands)), same(printed)),
  );
}

/** Transcripts without what differs from one time to the next. */
function same(texts: string[]): string[] {
  return texts.map((text) =>
    text
      .replaceAll("\r", "") // As a terminal does.
      // A bar may be longer or shorter, but not other than its time.
      .replaceAll(/│( *)█+ fin à (\d+) ms/g, (line, before, end) => {
        const length = line.indexOf(" fin ") - 1;
        const drawn = Math.abs(length - end / 30) < 0.6;
        // On a busy machine, even the first may begin late, but not as late as B.
        const when = before.length < 20 ? "" : "after ";
        return drawn ? `│${when}in ms` : line;
      })
      .replaceAll(/ *[\d.]+ ms\b/g, " ms")
      // As many lines as cores, up to eight.
      .replace(/cœurs de la machine : \d+/, "cœurs")
      .replaceAll(/█+ [\d,]+ s, ×[\d,]+/g, "in s")
      .replace(/^(threads : 1 (.*)\n)(threads : [2-8] \2\n)*/m, "$1")
      .replace(/(HEAD .*) \d+ octets/, "$1")
      .replaceAll(/\[Thread \d+\]/g, "[Thread]")
      .replaceAll(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/g, "now")
      .replace(/dossier .*(\/\w+\))/, "dossier $1")
      // ss aligns its columns.
      .replaceAll(/ *$/gm, "")
      .replaceAll(/^[A-Z-]+ +0 .*/gm, (line) => line.replaceAll(/ +/g, " "))
      // Two ends, and two threads, are shown in any order.
      .replace(
        /^((ESTAB|Thread [AB]) .*\n)+/m,
        (lines) => lines.split("\n").sort().join("\n"),
      )
  );
}

/** What a person sees of a shell command, where `as` stands for the port. */
async function types(
  line: string,
  port = 50000,
  as = 50000,
): Promise<string> {
  const [, script] = line.match(/^deno run .*scripts\/(\w+)\.ts/) ?? [];
  const traced = line.replace("--preload scripts/trace.ts ", "");
  if (script) assert(traced.startsWith(command(script)), line);
  const isClient = script && scripts[script].kind === "client";
  const rest = isClient ? ` --port ${port}` : "";
  const real = line.replaceAll(`${as}`, `${port}`) + rest;
  await using shell = new Program("sh", ["-c", `(${real}) 2>&1`]);
  const { code, out } = await shell.end();
  assertEquals(code, 0, out);
  const screen = new Screen("", shell);
  screen.text = out;
  const shown = screen.shown(port, as).replaceAll(`${port}`, `${as}`);
  return `$ ${line}\n${shown}`;
}

/** What a server and these commands show, up to `last`, which it says of each. */
async function meet(
  server: string,
  last: string,
  commands: string[],
): Promise<string[]> {
  await using program = await serve(server);
  const port = await program.port();
  const one = new Screen(command(server), program);
  let two = "";
  for (const line of commands) {
    two += await types(line, port);
    await one.sees(last);
  }
  return [one.shown(port), two];
}

const END = "Connexion fermée";

replay("00-index", ([, two]) => meet("server_simple", END, two), "nc");

/** Starts the first server on a port of which `ss` shows nothing from before. */
async function serveAlone() {
  const end = performance.now() + PATIENCE;
  while (true) {
    const server = await serve("server_simple");
    const port = await server.port();
    const filter = `sport = :${port} or dport = :${port}`;
    await using ss = new Program("ss", ["-Htan", filter]);
    const { out } = await ss.end();
    if (/^LISTEN.*\n$/.test(out) || performance.now() > end) return server;
    await server[Symbol.asyncDispose]();
  }
}

replay("02-tcp", async ([[ask, list]]) => {
  const end = performance.now() + PATIENCE;
  while (true) {
    await using server = await serveAlone();
    const port = await server.port();
    const answered = await types(ask, port);
    await server.says(END);
    const listed = await types(list, port);
    // A system with 100,000 of them keeps no more: wait until it has forgotten some.
    if (listed.includes("TIME-WAIT") || performance.now() > end) {
      return [answered + listed];
    }
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}, has("ss") ? "nc" : "ss");

replay("03-async", async ([[demo]]) => [await types(demo)]);

replay("04-peers", async ([, [nc], [list], trace]) => {
  await using server = await serveAlone();
  const one = new Screen(command("server_simple"), server);
  const port = await server.port();
  const here = ["127.0.0.1", `${port}`];
  await using silent = new Program("nc", here, { stdin: "piped" });
  await one.sees("Client connecté");
  const three = await types(list, port);
  const [, four] = await meet("server_simple", END, trace);
  return [one.shown(port), `$ ${nc}\n${silent.out}`, three, four];
}, has("ss") ? "nc" : "ss");

replay("05-udp", ([, two]) => meet("udp_server", "je suis le client", two));

replay("06-simple", ([, two]) => meet("server_simple", END, two));

replay("07-class", ([, two]) => meet("server_simple", END, two));

replay("08-web", async ([, commands]) => {
  await using server = await serve("web_server", ["--root", "scripts"]);
  const port = await server.port();
  const one = new Screen(command("web_server") + " --root scripts", server);
  let two = "";
  for (const line of commands) {
    two += await types(line, port, 8088);
    await one.sees(" octets ");
  }
  return [one.shown(port, 8088), two];
}, has("curl") ? "nc" : "curl");

replay("09-chat", async () => {
  const stdin = "piped";
  await using server = await serve("p2p_server");
  const one = new Screen(command("p2p_server"), server);
  await one.sees("Serveur prêt");
  await using client = start("p2p_client", server.address, { stdin });
  const two = new Screen(command("p2p_client"), client);
  await two.sees("Vous êtes connecté");
  for (const line of ["Bonjour !", "Tu me reçois ?"]) {
    await two.types(line, "Client >> ");
    await one.sees(line);
  }
  await one.types("Cinq sur cinq.", "Serveur >> ");
  await two.sees("Cinq sur cinq.");
  await two.types("FIN", "Client >> ");
  await two.sees("CONNEXION INTERROMPUE");
  await one.sees("Serveur prêt");
  const port = await server.port();
  return [one.shown(port), two.shown(port)];
});

replay("10-threads", async ([[demo], [work]]) => [
  await types(demo),
  await types(work),
]);

replay("11-multithread", async () => {
  const args = ["--threads", "2"];
  await using server = await serve("multithread_server", args);
  const line = [command("multithread_server"), ...args].join(" ");
  const one = new Screen(line, server);
  const stdin = "piped";
  await using client = start("multithread_client", server.address, { stdin });
  const two = new Screen(command("multithread_client"), client);
  await two.sees("Tapez FIN");
  await two.types("Bonjour", ">> ");
  await two.sees("Message reçu");
  await two.types("FIN", ">> ");
  await two.sees(END);
  await one.sees(END);
  return [one.shown(await server.port()), two.text];
});

Deno.test("The guide has no transcript that is not played here, and the same in both languages", () => {
  assertEquals(replayed, transcripts(FR));
  assertEquals(transcripts(EN), transcripts(FR));
});

// Names

/** The code in a text's lines. */
const spans = (text: string) =>
  [...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/(?<!`)`([^`]+)`(?!`)/g)]
    .map(([, code]) => squeeze(code));

Deno.test("The guide has the same code in its lines in both languages", () => {
  for (const page of PAGES) {
    const [fr, en] = ["fr", "en"].map((lang) =>
      read(`guide/${lang}/${page}`)
        .replace("commeCeci", "likeThis").replace("GET /chemin", "GET /path")
    );
    const [inFr, inEn] = [fr, en].map(squeeze);
    assertEquals(spans(fr).filter((code) => !inEn.includes(code)), [], page);
    assertEquals(spans(en).filter((code) => !inFr.includes(code)), [], page);
  }
});

Deno.test("The guide says of trouble only what the page's scripts handle", () => {
  for (const page of PAGES) {
    const text = read(`guide/fr/${page}`);
    const [, table = ""] = text.split(/^\|.*\| où .* s'en occupe *\|\n/m);
    const linked = text.match(/scripts\/\w+\.ts/g) ?? [];
    const code = ["scripts/encoding.ts", ...linked].map(read).join();
    for (const row of table.match(/^\|.*(?=\|$)/gm) ?? []) {
      if (row.startsWith("| Python")) break;
      for (const name of spans(row.split(/(?<!\\)\|/).at(-1)!)) {
        for (const word of name.match(/#?[\w$-]+/g)!) {
          assertStringIncludes(code, word, row);
        }
      }
    }
  }
});

Deno.test("The guide's lines of TypeScript are those of the scripts", () => {
  const code = squeeze(SCRIPT_FILES.map(read).join());
  const [, ...tables] = read("guide/fr/01-typescript.md")
    .split(/^\| dans un script .*\n/m);
  for (const table of tables) {
    const [lines] = table.split("\n\n");
    for (const [, , line] of lines.matchAll(/^\| (`+)(.*?)\1 +\|/gm)) {
      assertStringIncludes(code, line.replaceAll("\\|", "|"));
    }
  }
});

Deno.test("The guide names functions to copy that are in their files", () => {
  const rows = read("guide/fr/15-more.md")
    .matchAll(/^\|.*\| (.*)\(\.\.\/\.\.\/(scripts\/.*)\) *\|$/gm);
  for (const [, cell, path] of rows) {
    for (const name of spans(cell)) {
      const declared = RegExp(`(function\\*?|class|const) ${name}\\b`);
      assertMatch(read(path), declared, cell);
    }
  }
});
