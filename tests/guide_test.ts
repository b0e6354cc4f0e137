/**
 * The guide shows only what is so: each transcript is played here, and the two
 * editions are compared. guide_claims_test.ts tries what it says.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { EN, FR, says } from "./guide_text.ts";
import {
  copyOut,
  has,
  Program,
  ROOT,
  run,
  SCRIPTS,
  serve,
  start,
  testWith,
} from "./harness.ts";
import { command, Screen } from "./screen.ts";

/** The sections of an edition: the first line of each is its title. */
const sections = (guide: string) => guide.split(/^## /m).slice(1);

/** The transcripts in a text. */
const transcripts = (text: string) =>
  [...text.matchAll(/^```console\n(.*?)^```$/gms)].map((match) => match[1]);

/** The French section with this title. */
function section(title: string): string {
  const found = sections(FR).find((text) => text.startsWith(title + "\n"));
  assert(found, `no section "${title}"`);
  return found;
}

// Transcripts

const replayed: string[] = [];

/**
 * A test that some of the transcripts of a section show what really happens:
 * those from `first` on, as many as `play` returns.
 */
function replay(
  title: string,
  [first, last]: [number, number],
  play: () => Promise<string[]>,
  needs?: string,
): void {
  const printed = transcripts(section(title)).slice(first, last + 1);
  replayed.push(...printed);
  const which = first === last ? `terminal ${first + 1}` : "the terminals";
  const name = `The guide shows ${which} of "${title}" as it is`;
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
      .replaceAll(/│( *)█+ fini à (\d+) ms/g, (line, before, end) => {
        const length = line.indexOf(" fini") - 1;
        const drawn = Math.abs(length - end / 30) < 0.6;
        return drawn ? `│${before && "after "}in ms` : line;
      })
      .replaceAll(/\d+ ms\b/g, "ms")
      // As many lines as cores, up to eight.
      .replace(/cœurs de la machine : \d+/, "cœurs")
      .replaceAll(/█+ [\d,]+ s, ×[\d,]+/g, "in s")
      .replace(/^(1 thread\(s\) (.*)\n)([2-8] thread\(s\) \2\n)*/m, "$1")
      .replace(/(HEAD .*) \d+ octets/, "$1")
      .replaceAll(/\[Thread \d+\]/g, "[Thread]")
      .replaceAll(/\d\d\/\d\d\/\d{4} \d\d:\d\d:\d\d/g, "now")
      .replace(/dossier .*(\/\w+\))/, "dossier $1")
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
  return `$ ${line}\n${(await shell.end()).out}`;
}

/** What a person sees of a client that ends by itself. */
async function playsAt(server: Screen, script: string): Promise<string> {
  const port = await server.program.port();
  const { code, out, err } = await run(script, ["--port", `${port}`]);
  assertEquals([code, err], [0, ""]);
  return `$ ${command(script)}\n${out}`.replaceAll(`${port}`, "50000");
}

replay("Synchrone, asynchrone", [0, 0], async () => [
  await plays("async_demo"),
]);

replay("1. Qu'est-ce qu'un socket", [0, 1], async () => {
  await using server = await serve("udp_server");
  const one = new Screen(command("udp_server"), server);
  const two = await playsAt(one, "udp_client");
  await one.sees("Bonjour, je suis le client");
  return [one.shown(await server.port()), two];
});

replay("2. Sockets procéduraux", [0, 1], async () => {
  await using server = await serve("server_simple");
  const one = new Screen(command("server_simple"), server);
  const two = await playsAt(one, "client_simple");
  await one.sees("Connexion fermée");
  return [one.shown(await server.port()), two];
});

replay("2. Sockets procéduraux", [2, 2], async () => {
  await using server = await serve("server_simple");
  const line = "echo 'Bonjour de nc' | nc -N 127.0.0.1 50000";
  return [await types(line, await server.port())];
}, "nc");

replay("3. Sockets orientés objet", [0, 1], async () => {
  await using server = await serve("server_simple");
  const one = new Screen(command("server_simple"), server);
  const two = await playsAt(one, "client_class");
  await one.sees("Connexion fermée");
  return [one.shown(await server.port()), two];
});

replay("4. Serveur web", [0, 1], async () => {
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

replay("5. P2P, une conversation", [0, 1], async () => {
  const stdin = "piped";
  await using server = await serve("p2p_server", [], { stdin });
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

replay("4′. Le multithread", [0, 1], async () => [
  await plays("threads_demo"),
  await plays("threads_demo", "--work"),
]);

replay("4′. Serveur multithread", [0, 1], async () => {
  const args = ["--threads", "2"];
  await using server = await serve("multithread_server", args);
  const one = new Screen(
    [command("multithread_server"), ...args].join(" "),
    server,
  );
  await using client = start("multithread_client", server.address, {
    stdin: "piped",
  });
  const two = new Screen(command("multithread_client"), client);
  await two.sees("Tapez FIN");
  await two.types("Bonjour", ">> ");
  await two.sees("Message reçu");
  await two.types("FIN", ">> ");
  await two.sees("Connexion fermée");
  await one.sees("Connexion fermée");
  return [one.shown(await server.port()), two.text];
});

Deno.test("The guide has no transcript that is not played here", () => {
  assertEquals(replayed.sort(), transcripts(FR).sort());
});

const ANSWER = "Bonjour, je suis le serveur";

testWith(
  "nc",
  "The guide's ways to talk to the servers with nc work",
  async () => {
    await using udp = await serve("udp_server");
    const datagram = "echo Bonjour | nc -u -w 1 127.0.0.1 50000";
    says(datagram);
    assertStringIncludes(
      await types(datagram, await udp.port()),
      `\n${ANSWER}`,
    );
    await using web = await serve("web_server");
    says("`GET / HTTP/1.0`, puis deux fois Entrée : vient `HTTP/1.0 200 OK`");
    const request = "printf 'GET / HTTP/1.0\\n\\n' | nc 127.0.0.1 50000";
    const page = await types(request, await web.port());
    assertMatch(page, /\nHTTP\/1\.0 200 OK\r\n.*\r\n\r\n.*scripts.*tests/s);
  },
);

testWith(
  "bash",
  "The guide's two writes are one message with --raw alone",
  async () => {
    const [, line] = FR.match(/`(bash -c '.*echo un .*echo deux .*')`/)!;
    for (const options of [["--raw"], []]) {
      await using server = await serve("server_simple", options);
      const seen = await types(line, await server.port());
      assertStringIncludes(seen, `\n${ANSWER}`);
      // Raw, mostly "undeux": unless the first has been read too soon.
      await server.says(options[0] ? /^un(deux)?$/m : /^un$/m);
    }
  },
);

Deno.test("The guide's answer to a thread that fails is right", async () => {
  const [command, place] = ['throw new Error("exprès")', "count"];
  says(`(\`${command}\` dans \`${place}\`)`);
  await using folder = await copyOut("scripts/threads_demo.ts");
  const path = `${folder.path}/scripts/threads_demo.ts`;
  const source = await Deno.readTextFile(path);
  const broken = source.replace(/function count\(.*\{\n/, `$&${command};\n`);
  await Deno.writeTextFile(path, broken);
  const { code, err } = await run("threads_demo", [], { cwd: folder.path });
  assertEquals([code, err], [1, "Error: exprès\n"]);
  says("`Error: exprès`, et `echo $?` affiche 1");
});

Deno.test("The guide's answer to the word that makes server_simple concurrent is right", async () => {
  says("Le mot enlevé est le `await` devant `handleClient`");
  const scripts = ["server_simple", "client_simple", "encoding"]
    .map((name) => `scripts/${name}.ts`);
  await using folder = await copyOut(...scripts);
  const path = `${folder.path}/${scripts[0]}`;
  const source = await Deno.readTextFile(path);
  await Deno.writeTextFile(
    path,
    source.replace("await handleClient", "handleClient"),
  );
  await using server = await serve("server_simple", [], { cwd: folder.path });
  using _silent = await Deno.connect({ port: await server.port() });
  await server.says("Client connecté");
  const { code, out } = await run("client_simple", server.address);
  assertEquals(code, 0);
  assertStringIncludes(out, ANSWER);
});

// The two editions

/** A guide's parts, one letter each, in order. */
function outline(section: string): string {
  const kinds: [RegExp, string][] = [
    [/^#{1,4} /, "#"],
    [/^\| Python\b/, "P"],
    [/^\|/, "t"],
    [/^- /, "-"],
    [/^\d\. /, "1"],
    [/^```mermaid/, "M"],
    [/^```console/, "C"],
    [/^```/, "?"],
    [/^\[scripts\//, "S"],
    [/^<details>/, "("],
    [/^<\/details>/, ")"],
  ];
  const [, ...lines] = section
    .replaceAll(/^(```\w*)\n.*?^```$/gms, "$1").split("\n");
  return lines.map((line) => kinds.find(([form]) => form.test(line))?.[1] ?? "")
    .join("");
}

Deno.test("The guide's two editions have the same parts in the same order", () => {
  const levels = (guide: string) => guide.match(/^#+ /gm);
  const includes = (guide: string) => guide.match(/^\[scripts\/.*/gm);
  assertEquals(levels(EN), levels(FR));
  assertEquals(includes(EN), includes(FR));
  assertEquals(sections(EN).map(outline), sections(FR).map(outline));
});

Deno.test("The guide's two editions have the same transcripts", () => {
  assertEquals(transcripts(EN), transcripts(FR));
});

for (const [edition, guide] of Object.entries({ fr: FR, en: EN })) {
  Deno.test(`guide/${edition}.md has each script once, and no link to a file that is not`, () => {
    const includes = guide.matchAll(/^\[(.*)\]\(\.\.\/(.*)\)$/gm);
    const files = [...SCRIPTS, "encoding"].map((name) => `scripts/${name}.ts`);
    assertEquals(
      [...includes].map(([, text, path]) => [text, path]).sort(),
      files.map((file) => [file, file]).sort(),
    );
    for (const [, path] of guide.matchAll(/\]\(([^#):]+)\)/g)) {
      Deno.statSync(`${ROOT}guide/${path}`);
    }
  });

  Deno.test(`guide/${edition}.md gives each script's section all its parts, in order`, () => {
    const parts = /^#[-1]*M#S+(#S)?#C+#Pt+#(t+|-+)#111\(111\)$/;
    for (const text of sections(guide)) {
      const [title] = text.split("\n");
      const found = outline(text);
      if (found.includes("S")) assertMatch(found, parts, title);
    }
  });

  Deno.test(`guide/${edition}.md names for each pattern what its file has`, () => {
    const last = sections(guide).at(-2)!;
    const rows = [...last.matchAll(/^\|.*\| (.*\(\.\.\/(.*\.ts)\)) *\|$/gm)];
    assert(rows.length > 15, last);
    for (const [, cell, path] of rows) {
      const text = Deno.readTextFileSync(ROOT + path);
      for (const [, name] of cell.matchAll(/`(.*?)`/g)) {
        const declared = RegExp(`(function\\*?|class|const) ${name}\\b`);
        assertMatch(text, declared, cell);
      }
    }
  });

  Deno.test(`guide/${edition}.md says of trouble only what its scripts handle`, () => {
    for (const text of sections(guide)) {
      const files = [...text.matchAll(/^\[(scripts\/.*)\]/gm)];
      if (files.length === 0) continue;
      const code = [...files.map(([, file]) => file), "scripts/encoding.ts"]
        .map((file) => Deno.readTextFileSync(ROOT + file)).join();
      const trouble = text.split(/^### /m).at(-2)!;
      for (const [, cell] of trouble.matchAll(/^\|.*\|(.*)\|$/gm)) {
        for (const [, name] of cell.matchAll(/`([^`]+)`/g)) {
          const words = name.match(/#?[\w$-]+/g) ?? [];
          for (const word of words) assertStringIncludes(code, word, cell);
        }
      }
    }
  });
}
