/**
 * The guide shows only what is so: its transcripts are played here, its commands
 * and solutions are tried, and the names in it are looked for in the scripts.
 * guide_claims_test.ts tries what it says of errors, of Deno and of Python.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { EN, FR, says } from "./guide_text.ts";
import {
  copyOut,
  has,
  PATIENCE,
  Program,
  ROOT,
  run,
  SCRIPTS,
  serve,
  start,
  testWith,
} from "./harness.ts";
import { command, Screen } from "./screen.ts";

const FILES = [...SCRIPTS, "encoding"].map((name) => `scripts/${name}.ts`);
const read = (path: string) => Deno.readTextFileSync(ROOT + path);

/** The transcripts in a text. */
const transcripts = (text: string) =>
  [...text.matchAll(/^```console\n(.*?)^```$/gms)].map((match) => match[1]);

// Transcripts

const replayed: string[] = [];

/** A test that this page's transcripts show what really happens. */
function replay(
  page: string,
  play: () => Promise<string[]>,
  needs?: string,
): void {
  const printed = transcripts(read(`guide/fr/${page}.md`));
  replayed.push(...printed);
  const name = `The guide shows the terminals of ${page} as they are`;
  const test = async () => assertEquals(await play().then(same), same(printed));
  if (needs) testWith(needs, name, test);
  else Deno.test(name, test);
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
      // ss aligns its columns, and shows two ends in any order.
      .replaceAll(/ *$/gm, "")
      .replaceAll(/^[A-Z-]+ +0 .*/gm, (line) => line.replaceAll(/ +/g, " "))
      .replace(/^(ESTAB .*\n)+/m, (lines) => lines.split("\n").sort().join())
      // Two threads speak in any order, but each in its own.
      .replace(/^(Thread [AB] : \d\n)+/m, (lines) => {
        const thread = (name: string) =>
          lines.match(RegExp(`Thread ${name}.*`, "g"))!;
        return [...thread("A"), ...thread("B")].join("\n") + "\n";
      })
  );
}

/** What a person sees of a script that ends by itself. */
async function plays(script: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await run(script, args);
  assertEquals([code, err], [0, ""]);
  return `$ ${[command(script), ...args].join(" ")}\n${out}`;
}

/** What a person sees of a shell command, which means `as` by the port. */
async function types(line: string, port: number, as = 50000): Promise<string> {
  const real = line.replaceAll(`${as}`, `${port}`);
  await using shell = new Program("sh", ["-c", real]);
  const screen = new Screen("", shell);
  screen.text = (await shell.end()).out;
  return `$ ${line}\n${screen.shown(port, as)}`;
}

/** What a person sees of a client that ends by itself. */
async function playsAt(port: number, script: string): Promise<string> {
  const { code, out, err } = await run(script, ["--port", `${port}`]);
  assertEquals([code, err], [0, ""]);
  return `$ ${command(script)}\n${out}`.replaceAll(`${port}`, "50000");
}

/** What a server and its clients show, up to `last`, which it says of each. */
async function meet(
  server: string,
  last: string,
  ...clients: ((port: number) => Promise<string>)[]
): Promise<string[]> {
  await using program = await serve(server);
  const port = await program.port();
  const one = new Screen(command(server), program);
  let two = "";
  for (const client of clients) {
    two += await client(port);
    await one.sees(last);
  }
  return [one.shown(port), two];
}

const client = (script: string) => (port: number) => playsAt(port, script);
const nc = (port: number) =>
  types("echo 'Bonjour de nc' | nc 127.0.0.1 50000", port);
const END = "Connexion fermée";

replay(
  "00-index",
  () => meet("server_simple", END, client("client_simple"), nc),
  "nc",
);

replay("02-tcp", async () => {
  const end = performance.now() + PATIENCE;
  while (true) {
    const [, two] = await meet("server_simple", END, async (port) => {
      return await types("echo Bonjour | nc 127.0.0.1 50000", port) +
        await types("ss -tan | grep 50000", port);
    });
    // A system with 100,000 of them keeps no more: wait until it has forgotten some.
    if (two.includes("TIME-WAIT") || performance.now() > end) return [two];
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}, has("ss") ? "nc" : "ss");

replay("03-async", async () => [await plays("async_demo")]);

replay("04-peers", async () => {
  await using server = await serve("server_simple");
  const one = new Screen(command("server_simple"), server);
  const port = await server.port();
  const here = ["127.0.0.1", `${port}`];
  await using silent = new Program("nc", here, { stdin: "piped" });
  await one.sees("Client connecté");
  const three = await types("ss -tn | grep 50000", port);
  const [, four] = await meet("server_simple", END, async (port) => {
    const command = "deno run --allow-net --preload scripts/trace.ts " +
      "scripts/client_simple.ts";
    const both = " --port 50000 2>&1"; // In the order in which a terminal has them.
    return (await types(command + both, port)).replace(both, "");
  });
  return [one.shown(port), `$ nc 127.0.0.1 50000\n${silent.out}`, three, four];
}, has("ss") ? "nc" : "ss");

replay("05-udp", () => {
  return meet("udp_server", "je suis le client", client("udp_client"));
});

replay("06-simple", () => meet("server_simple", END, client("client_simple")));

replay("07-class", () => meet("server_simple", END, client("client_class")));

replay("08-web", async () => {
  await using server = await serve("web_server", ["--root", "scripts"]);
  const port = await server.port();
  const one = new Screen(command("web_server") + " --root scripts", server);
  let two = await types(
    "printf 'HEAD /encoding.ts HTTP/1.0\\r\\n\\r\\n' | nc 127.0.0.1 8088 | head -n 1",
    port,
    8088,
  );
  await one.sees("HEAD /encoding.ts");
  const curl = (line: string) => types(`curl -s ${line}`, port, 8088);
  two += await curl("http://127.0.0.1:8088/absent.html");
  await one.sees("GET /absent.html");
  two += await curl("--path-as-is http://127.0.0.1:8088/../deno.json");
  await one.sees("GET /deno.json");
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

replay("10-threads", async () => [
  await plays("threads_demo"),
  await plays("threads_demo", "--work"),
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

// Solutions

const ANSWER = /^Bonjour, je suis le serveur$/m;

/**
 * What comes of the guide's changes to a server, and of its commands: the server
 * with its options; where words are put into it; the command; what this shows;
 * and what the server says.
 */
const SOLUTIONS: [
  server: string,
  changes: [where: RegExp, words: string][],
  line: string,
  seen: RegExp,
  said?: RegExp,
][] = [
  ["udp_server", [], "echo Bonjour | nc -u -w 1 127.0.0.1 50000", ANSWER],
  [
    "server_simple",
    [[
      /(?<=console\.log\(messages.*\n)/,
      "if (messages) answer = messages[0].toUpperCase();",
    ]],
    "echo 'ça va ?' | nc 127.0.0.1 50000",
    /^ÇA VA \?\n$/,
  ],
  [
    "server_simple --raw",
    [],
    "bash -c 'exec 3<>/dev/tcp/127.0.0.1/50000; echo un >&3; echo deux >&3; cat <&3'",
    ANSWER,
    /^un(deux)?$/m, // Mostly both, unless the first is read too soon.
  ],
  [
    "web_server",
    [[
      /(?<=refuse\(421.*\n)/,
      'if (url.pathname === "/heure") return new Response(new Date().toLocaleTimeString("fr-FR") + "\\n");',
    ]],
    "curl -s http://127.0.0.1:8088/heure",
    /^\d\d:\d\d:\d\d\n$/,
  ],
  [
    "multithread_server",
    [
      [/(?= {2}let lastWord)/, "let count = 0;"],
      [
        /(?<=const all = ).*(?=;)/,
        'messages.map(() => "Message reçu (" + ++count + ")\\n").join("")',
      ],
    ],
    "printf 'a\\nb\\n' | nc -N 127.0.0.1 50000",
    /^Message reçu \(1\)\n.*\(2\)\n$/,
  ],
];

/** A copy of the scripts, with these words of the guide in one of them. */
async function changed(script: string, changes: [RegExp, string][]) {
  const folder = await copyOut(...FILES);
  const path = `${folder.path}/scripts/${script}.ts`;
  for (const [where, words] of changes) {
    says(words);
    const before = Deno.readTextFileSync(path);
    const after = before.replace(where, () => words + "\n");
    assert(after !== before, `${where}`);
    Deno.writeTextFileSync(path, after);
  }
  return folder;
}

for (const [server, changes, line, seen, said = /^/] of SOLUTIONS) {
  const tool = line.match(/\bnc\b|curl|bash/)?.[0] ?? "sh";
  const what = changes.length ? `a change to ${server}` : server;
  testWith(tool, `The guide is right about ${what} and ${line}`, async () => {
    says(line);
    const [name, ...options] = server.split(" ");
    await using folder = await changed(name, changes);
    const cwd = folder.path;
    await using program = await serve(name, options, { cwd });
    const port = `${await program.port()}`;
    const real = line.replace(/50000|8088/, port);
    await using shell = new Program("sh", ["-c", real]);
    assertMatch((await shell.end()).out, seen);
    await program.says(said);
  });
}

Deno.test("The guide is right about the word that makes server_simple concurrent", async () => {
  says("le `await` placé devant `handleClient`");
  await using folder = await changed("server_simple", [
    [/await handleClient/, "handleClient"],
  ]);
  await using server = await serve("server_simple", [], { cwd: folder.path });
  using _silent = await Deno.connect({ port: await server.port() });
  await server.says("Client connecté");
  assertMatch((await run("client_simple", server.address)).out, ANSWER);
});

Deno.test("The guide is right about a thread that fails", async () => {
  says("`Error: exprès`, et `echo $?` affiche 1");
  await using folder = await changed("threads_demo", [
    [/(?<=function count\(.*\n)/, 'throw new Error("exprès");'],
  ]);
  const { code, err } = await run("threads_demo", [], { cwd: folder.path });
  assertEquals([code, err], [1, "Error: exprès\n"]);
});

// Names

const squeeze = (text: string) => text.replaceAll(/\s+/g, " ");

/** The code in a text's lines. */
const spans = (text: string) =>
  [...text.replaceAll(/^```.*?^```$/gms, "").matchAll(/(?<!`)`([^`]+)`(?!`)/g)]
    .map(([, code]) => squeeze(code));

const PAGES = [...Deno.readDirSync(ROOT + "guide/fr")].map(({ name }) => name);

for (const page of PAGES) {
  Deno.test(`${page} has the same code in its lines in both languages`, () => {
    const [fr, en] = ["fr", "en"].map((lang) =>
      read(`guide/${lang}/${page}`)
        .replace("commeCeci", "likeThis").replace("GET /chemin", "GET /path")
    );
    const [inFr, inEn] = [fr, en].map(squeeze);
    assertEquals(spans(fr).filter((code) => !inEn.includes(code)), []);
    assertEquals(spans(en).filter((code) => !inFr.includes(code)), []);
  });
}

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
  const code = squeeze(FILES.map(read).join());
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

Deno.test("The guide's tasks are those of deno.json", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  for (const [, task] of FR.matchAll(/deno task (\w+)/g)) assert(tasks[task]);
});
