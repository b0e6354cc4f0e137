/**
 * The guide says only what is so: its error messages are provoked here, and its
 * programs and solutions are run.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ask } from "../scripts/client_simple.ts";
import { encode, write } from "../scripts/encoding.ts";
import { converse } from "../scripts/multithread_client.ts";
import { ask as askUdp } from "../scripts/udp_client.ts";
import { EN, FR, read, says, SCRIPT_FILES, squeeze } from "./guide_text.ts";
import {
  copyOut,
  has,
  pair,
  Peer,
  Program,
  run,
  serve,
  type StartOptions,
  testWith,
} from "./harness.ts";

const HERE = { hostname: "127.0.0.1", port: 0 };
const UDP = { ...HERE, transport: "udp" } as const;
const BYTE = new Uint8Array(1);

// The error messages

/** Throws what the code throws in a program of its own, with `deno.json` unread. */
async function fails(code: string, options: StartOptions = {}) {
  const told = `try { ${code} } catch ({ name, message, code }) {
    console.log(JSON.stringify({ name, message, code }));
  }`;
  const url = "data:text/javascript," + encodeURIComponent(told);
  const { flags = ["--allow-net"] } = options;
  const args = ["run", "--no-config", "--no-prompt", ...flags, url];
  await using program = new Program(Deno.execPath(), args, options);
  throw JSON.parse((await program.end()).out);
}

/** Whether this system asks for a right to listen on port 80, and can take it away. */
function refuses80(): boolean {
  const first = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  return Number(Deno.readTextFileSync(first)) > 80 && has("setpriv");
}

/** How to get each error of "Questions par message d'erreur", in its order. */
const PROVOCATIONS: [name: string, provoke: () => unknown][] = [
  ["AddrInUse", () => {
    using listener = Deno.listen(HERE);
    Deno.listen({ ...HERE, port: listener.addr.port });
  }],
  ["AddrNotAvailable", () => Deno.listen({ hostname: "192.0.2.1", port: 0 })],
  ["BadResource", () => {
    const listener = Deno.listen(HERE);
    listener.close();
    listener.close();
  }],
  ["BrokenPipe", async () => {
    using ends = await pair();
    ends.server.close();
    while (true) await ends.client.write(BYTE);
  }],
  ["Busy", async () => {
    using listener = Deno.listen(HERE);
    listener.accept().catch(() => {});
    await listener.accept();
  }],
  ["ConnectionRefused", async () => {
    const listener = Deno.listen(HERE);
    listener.close();
    await Deno.connect({ ...HERE, port: listener.addr.port });
  }],
  ["ConnectionReset", async () => {
    using listener = Deno.listen(HERE);
    await using peer = await Peer.connect(listener.addr.port);
    using conn = await listener.accept();
    await peer.reset();
    await conn.read(BYTE);
  }],
  ["EMFILE", () => {
    const listen = `Deno.listen(${JSON.stringify(HERE)})`;
    const endless = `const all = []; while (true) all.push(${listen})`;
    return fails(endless, { shell: 'ulimit -n 60; exec "$@"' });
  }],
  ["EMSGSIZE", async () => {
    const socket = Deno.listenDatagram(UDP);
    await socket.send(new Uint8Array(65508), socket.addr)
      .finally(() => socket.close());
  }],
  ["Error", () => {
    const connect =
      'await Deno.connect({ hostname: "nulle.part.invalid", port: 1 })';
    // A machine without a network would ask for ten seconds and more.
    const shell = 'env RES_OPTIONS="timeout:1 attempts:1" "$@"';
    return fails(connect, { shell });
  }],
  ["Interrupted", async () => {
    using ends = await pair();
    const writing = write(ends.server, new Uint8Array(20e6));
    ends.server.close();
    await writing;
  }],
  ["NotCapable", () => fails("Deno.listen({ port: 0 })", { flags: [] })],
  ["NotConnected", async () => {
    using listener = Deno.listen(HERE);
    await (await Peer.connect(listener.addr.port)).reset();
    for await (const conn of listener) conn.close(); // Stops there.
  }],
  ["PermissionDenied", () => {
    const listen = 'Deno.listen({ hostname: "127.0.0.1", port: 80 })';
    // Root has the right, but for this program.
    const drop = "setpriv --bounding-set=-net_bind_service";
    const shell = `[ $(id -u) -gt 0 ] || exec ${drop} "$@"; exec "$@"`;
    return fails(listen, { shell });
  }],
  ["Refusal", () => void encode("é".repeat(40_000), false)],
  ["TimedOut", async () => {
    const silent = Deno.listenDatagram(UDP);
    await askUdp(silent.addr as Deno.NetAddr, "Bonjour", 50)
      .finally(() => silent.close());
  }],
  ["TimeoutError", async () => {
    using listener = Deno.listen(HERE);
    const signal = AbortSignal.timeout(0);
    await new Promise((late) => signal.onabort = late);
    await Deno.connect({ ...HERE, port: listener.addr.port, signal });
  }],
  ["TimeoutError", async () => {
    using ends = await pair();
    const typed = ReadableStream.from(["Bonjour"]);
    await converse(ends.client, typed, () => {}, false, 50);
  }],
  ["TypeError", () => fails("Deno.listenDatagram({})")],
  ["TypeError", () => {
    const half = Uint8Array.of(0xc3); // Of "é".
    new TextDecoder("utf-8", { fatal: true }).decode(half);
  }],
  ["UnexpectedEof", async () => {
    using ends = await pair();
    ends.server.close();
    await converse(ends.client, new ReadableStream<string>(), () => {});
  }],
  ["UnexpectedEof", async () => {
    using ends = await pair();
    ends.server.close();
    await ask(ends.client, "Bonjour");
  }],
];

Deno.test({
  name: "The guide's error messages are those of Deno, in both editions",
  ignore: Deno.build.os !== "linux", // The numbers are Linux's.
  async fn(t) {
    const [fr, en] = ["fr", "en"].map((lang) =>
      [...read(`guide/${lang}/14-errors.md`).matchAll(/^## `(.*?)` ?: (.*)$/gm)]
        .flatMap(([, name, words]) =>
          words.split(/, (?:ou|or) /).map((message) => [name, message])
        )
    );
    assertEquals(en, fr);
    assertEquals(fr.map(([name]) => name), PROVOCATIONS.map(([name]) => name));
    for (const [i, [name, provoke]] of PROVOCATIONS.entries()) {
      const [, message] = fr[i];
      await t.step({
        name: `${name}: ${message}`,
        ignore: name === "PermissionDenied" && !refuses80(),
        async fn() {
          const error = await new Promise((done) => done(provoke()))
            .then(() => assert(false, "no error"), (error) => error);
          const known = [error.name, error.code, error.message.split(":")[0]];
          assert(known.includes(name), `${error.name}: ${error.message}`);
          assertStringIncludes(error.message, message.replace("…", ""));
        },
      });
    }
  },
});

// Programs

const blocks = (text: string) =>
  [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);

/** A method of ClientSocket, and a program that has it connected. */
const withMethod = (port: string, code: string) => (method: string) =>
  `import { ClientSocket } from "./client_class.ts";
  Object.assign(ClientSocket.prototype, { ${method} });
  await using socket = await ClientSocket.connect("127.0.0.1", ${port});
  ${code}`;

/**
 * What is not a script's own lines: how it begins; the program that it makes, where
 * SIMPLE and THREADS are the ports of two servers; and what this shows.
 */
const TRIALS: [
  begins: string,
  program: (block: string) => string,
  shows: RegExp,
][] = [
  [
    "async function greet",
    (block) => block + 'console.log(await greet("Léa", 0));',
    /^Bonjour Léa\n$/,
  ],
  [
    "const body",
    (block) => block + 'console.log(frame.join(" "));',
    /^0 0 0 8 195 135 97 32 118 97 32 63\n$/,
  ],
  [
    "function race",
    (block) =>
      read("scripts/async_demo.ts").replace("import.meta.main", "false") +
      block + 'const first = await race([["A", 9000], ["B", 1]]);\n' +
      "console.log(first.name);\nDeno.exit();",
    /^B\n$/,
  ],
  [
    "import { ClientSocket }",
    (block) => block.replace("50000", "THREADS"),
    /^(Message reçu\n){3}$/,
  ],
  [
    "async ask(",
    withMethod(
      "SIMPLE",
      "console.log(await socket.ask('un'));\n" +
        "await socket.ask('deux').catch(({ message }) => console.log(message));",
    ),
    /^Bonjour, je suis le serveur\nno answer\n$/,
  ],
  [
    "async *[Symbol.asyncIterator]",
    withMethod(
      "THREADS",
      "await socket.send('un');\nawait socket.send('FIN');\n" +
        "for await (const message of socket) console.log(message);",
    ),
    /^(Message reçu\n){2}$/,
  ],
  [
    "const server = Deno.serve",
    (block) =>
      'import { handle } from "./web_server.ts";\n' +
      'const root = Deno.cwd(), hostname = "127.0.0.1", port = 0;\n' +
      block.replace(
        "await server.finished",
        "const url = `http://127.0.0.1:${server.addr.port}/deno.json`;\n" +
          "console.log(await (await fetch(url)).text());\n" +
          "server.shutdown();\n$&",
      ),
    /^\{"links":/m,
  ],
];

Deno.test("The guide's blocks of TypeScript are lines of the scripts, or do what it says", async (t) => {
  /** Code without its words: comments, and what stands in quotes. */
  const bare = (block: string) =>
    squeeze(block.replaceAll(/ \/\/ .*$|"[^"]*"/gm, ""));
  assertEquals(blocks(FR).map(bare), blocks(EN).map(bare));
  const scripts = squeeze(SCRIPT_FILES.map(read).join());
  const others = blocks(EN).filter((it) => !scripts.includes(squeeze(it)));
  const begins = TRIALS.map(([begins]) => begins);
  const untried = others.filter((block) =>
    !begins.some((begin) => block.startsWith(begin))
  );
  assertEquals(untried, [], "TRIALS has an entry for each of these");
  await using simple = await serve("server_simple");
  await using threads = await serve("multithread_server");
  await using folder = await copyOut(...SCRIPT_FILES);
  for (const [begins, program, shows] of TRIALS) {
    await t.step(begins, async () => {
      const block = others.find((block) => block.startsWith(begins))!;
      const code = program(block).replace("SIMPLE", simple.address[1])
        .replace("THREADS", threads.address[1]);
      const path = "scripts/tried.ts";
      Deno.writeTextFileSync(`${folder.path}/${path}`, code);
      const args = ["run", "--allow-net", "--allow-read", path];
      const options = { cwd: folder.path };
      await using tried = new Program(Deno.execPath(), args, options);
      const { code: exit, out, err } = await tried.end();
      assertEquals(exit, 0, err);
      assertMatch(out, shows);
    });
  }
});

// Solutions

/** A copy of the scripts, with words of the guide in one of them: `put` has both. */
async function changed(script: string, put: [where: RegExp, words: string][]) {
  const folder = await copyOut(...SCRIPT_FILES);
  const path = `${folder.path}/scripts/${script}.ts`;
  for (const [where, words] of put) {
    says(words);
    const before = Deno.readTextFileSync(path);
    const after = before.replace(where, () => words + "\n");
    assert(after !== before, `${where}`);
    Deno.writeTextFileSync(path, after);
  }
  return folder;
}

/** Where words are put into a server; a command, and what it shows then. */
const SOLUTIONS: [
  server: string,
  put: Parameters<typeof changed>[1],
  line: string,
  shows: RegExp,
][] = [
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

for (const [server, put, line, shows] of SOLUTIONS) {
  const [tool] = line.match(/\bnc\b|curl/)!;
  testWith(tool, `The guide is right about ${server} and ${line}`, async () => {
    says(line);
    await using folder = await changed(server, put);
    await using program = await serve(server, [], { cwd: folder.path });
    const real = line.replace(/50000|8088/, program.address[1]);
    await using shell = new Program("sh", ["-c", real]);
    assertMatch((await shell.end()).out, shows);
  });
}

Deno.test("The guide is right about the word that makes server_simple concurrent", async () => {
  says("l'`await` placé devant `handleClient`");
  const put: [RegExp, string] = [/await handleClient/, "handleClient"];
  await using folder = await changed("server_simple", [put]);
  await using server = await serve("server_simple", [], { cwd: folder.path });
  using _silent = await Deno.connect({ port: await server.port() });
  await server.says("Client connecté");
  const { out } = await run("client_simple", server.address);
  assertStringIncludes(out, "Bonjour, je suis le serveur");
});
