/**
 * The guide says only what is so: its error messages are provoked here, and what
 * it says of Deno and of Python is tried.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { ask } from "../scripts/client_simple.ts";
import { encode, write } from "../scripts/encoding.ts";
import { converse } from "../scripts/multithread_client.ts";
import { ask as askUdp } from "../scripts/udp_client.ts";
import { EN, FR, says } from "./guide_text.ts";
import {
  bytes,
  copyOut,
  pair,
  Peer,
  Program,
  python,
  ROOT,
  SCRIPTS,
  serve,
  testWith,
} from "./harness.ts";

const HERE = { hostname: "127.0.0.1" };
const page = (lang: string, name: string) =>
  Deno.readTextFileSync(`${ROOT}guide/${lang}/${name}.md`);
const BYTE = new Uint8Array(1);

// The error messages

/** Runs code with these flags and no more, nor what deno.json turns on. */
async function evaluate(
  code: string,
  flags: string[] = ["--allow-net"],
  options: { through?: string[]; descriptors?: number } = {},
): Promise<{ code: number; out: string; err: string }> {
  const [command, ...args] = [
    ...options.through ?? [],
    ...[Deno.execPath(), "run", "--no-config", "--no-prompt", ...flags],
    "data:text/javascript," + encodeURIComponent(code),
  ];
  await using child = new Program(command, args, options);
  return await child.end();
}

/** Throws what the code throws in a program of its own. */
async function fails(...[code, ...how]: Parameters<typeof evaluate>) {
  const told = `try { ${code} } catch ({ name, message, code }) {
    console.log(JSON.stringify({ name, message, code }));
  }`;
  throw JSON.parse((await evaluate(told, ...how)).out);
}

/** What takes from root the right to listen below 1024. */
const DROP = Deno.uid() === 0
  ? ["setpriv", "--bounding-set=-net_bind_service"]
  : [];

/** Whether this system asks for a right to listen on port 80, and refuses it. */
function refuses80(): boolean {
  const first = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
  if (+Deno.readTextFileSync(first) <= 80) return false;
  const args = ["-c", [...DROP, "true"].join(" ")];
  return new Deno.Command("sh", { args }).outputSync().success;
}

/** How to get each error of "Questions par message d'erreur", in its order. */
const PROVOCATIONS: [name: string, provoke: () => unknown][] = [
  ["AddrInUse", () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    Deno.listen({ ...HERE, port: listener.addr.port });
  }],
  ["AddrNotAvailable", () => Deno.listen({ hostname: "192.0.2.1", port: 0 })],
  ["BadResource", async () => {
    const listener = Deno.listen({ ...HERE, port: 0 });
    const waiting = listener.accept();
    listener.close();
    const { message } = await waiting.catch((error) => error);
    assertEquals(message, "Listener has been closed");
    listener.close();
  }],
  ["BrokenPipe", async () => {
    using ends = await pair();
    ends.server.close();
    assertEquals(await ends.client.read(BYTE), null, "the FIN is there");
    assertEquals(await ends.client.write(BYTE), 1, "the first one succeeds");
    for (let i = 0; i < 100; i++) await ends.client.write(BYTE);
  }],
  ["Busy", async () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    listener.accept().catch(() => {});
    await listener.accept();
  }],
  ["ConnectionRefused", async () => {
    const listener = Deno.listen({ ...HERE, port: 0 });
    listener.close();
    await Deno.connect({ ...HERE, port: listener.addr.port });
  }],
  ["ConnectionReset", async () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    await using peer = await Peer.connect(listener.addr.port);
    using conn = await listener.accept();
    await peer.reset();
    await conn.read(BYTE);
  }],
  ["EMFILE", () => {
    const endless = "const all = []; while (true) all.push(" +
      'Deno.listen({ hostname: "127.0.0.1", port: 0 }))';
    return fails(endless, ["--allow-net"], { descriptors: 60 });
  }],
  ["EMSGSIZE", async () => {
    const socket = Deno.listenDatagram({ ...HERE, port: 0, transport: "udp" });
    using _ = { [Symbol.dispose]: () => socket.close() };
    const send = (size: number) =>
      socket.send(new Uint8Array(size), socket.addr);
    assertEquals(await send(65507), 65507);
    await send(65508);
  }],
  ["Error", () => {
    const connect =
      'await Deno.connect({ hostname: "nulle.part.invalid", port: 1 })';
    // A machine without a network would ask for ten seconds and more.
    const through = ["env", "RES_OPTIONS=timeout:1 attempts:1"];
    return fails(connect, ["--allow-net"], { through });
  }],
  ["Interrupted", async () => {
    using ends = await pair();
    const writing = write(ends.server, new Uint8Array(20e6));
    ends.server.close();
    await writing;
  }],
  ["NotCapable", () => fails("Deno.listen({ port: 0 })", [])],
  ["NotConnected", async () => {
    using listener = Deno.listen({ ...HERE, port: 0 });
    await (await Peer.connect(listener.addr.port)).reset();
    for await (const conn of listener) conn.close(); // Stops there.
  }],
  ["PermissionDenied", () => {
    const listen = 'Deno.listen({ hostname: "127.0.0.1", port: 80 })';
    return fails(listen, ["--allow-net"], { through: DROP });
  }],
  ["Refusal", () => void encode("é".repeat(40_000), false)],
  ["TimedOut", async () => {
    const silent = Deno.listenDatagram({ ...HERE, port: 0, transport: "udp" });
    using _ = { [Symbol.dispose]: () => silent.close() };
    await askUdp(silent.addr as Deno.NetAddr, "Bonjour", 50);
  }],
  ["TimeoutError", async () => {
    // As silent as an address where nobody is: a listener whose queue is full.
    using listener = Deno.listen({ ...HERE, port: 0, tcpBacklog: 5 });
    const { port } = listener.addr;
    await using queue = new AsyncDisposableStack();
    for (let count = 0; count < 10; count++) {
      const signal = AbortSignal.timeout(2000);
      const connected = Deno.connect({ ...HERE, port, signal });
      await connected.catch(() => assertEquals(count, 6, "Linux keeps six"));
      queue.use(await connected);
    }
  }],
  ["TypeError", () => fails("Deno.listenDatagram({})")],
  ["TypeError", () => {
    const exact = new TextDecoder("utf-8", { fatal: true });
    exact.decode(bytes("é").slice(0, 1));
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
      [...page(lang, "14-errors").matchAll(/^## `(.*?)` ?: (.*)$/gm)]
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

// What the guide says of Deno

Deno.test("Without --unstable-net, reusePort ends a program with the code that the guide says", async () => {
  const listen = "Deno.listen({ port: 0, reusePort: true })";
  const { code, out } = await evaluate(`try { ${listen} } catch {
    console.log("caught");
  }`);
  assertEquals(out, "");
  for (const text of [FR, EN]) assertMatch(text, RegExp(`code\\s${code}\\b`));
});

testWith(
  "ss",
  "Without tcpBacklog, a queue is as long as the guide says",
  async () => {
    const [, said] = FR.match(/sans `tcpBacklog`, (\d+)/)!;
    using listener = Deno.listen({ ...HERE, port: 0 });
    const { port } = listener.addr;
    await using ss = new Program("ss", ["-Hltn", `sport = :${port}`]);
    assertMatch((await ss.end()).out, RegExp(`^LISTEN +0 +${said} `));
  },
);

// The blocks of TypeScript in the guide

const FILES = [...SCRIPTS, "encoding"].map((name) => `scripts/${name}.ts`);
const source = (path: string) => Deno.readTextFileSync(ROOT + path);
const squeeze = (text: string) => text.replaceAll(/\s+/g, " ");
const blocks = (text: string) =>
  [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);

/** Runs a program in a folder with the scripts, `changes` in the place of some. */
async function runBeside(
  code: string,
  changes: Record<string, string> = {},
  ...args: string[]
): Promise<string> {
  await using folder = await copyOut(...FILES);
  const scripts = { ...changes, "tried.ts": code };
  for (const [name, text] of Object.entries(scripts)) {
    Deno.writeTextFileSync(`${folder.path}/scripts/${name}`, text);
  }
  const all = ["run", "--allow-net", "--allow-read", "scripts/tried.ts"];
  const options = { cwd: folder.path };
  await using program = new Program(
    Deno.execPath(),
    [...all, ...args],
    options,
  );
  const { code: exit, out, err } = await program.end();
  assertEquals(exit, 0, err);
  return out;
}

/** ClientSocket with one more method. */
const withMethod = (method: string) => ({
  "client_class.ts": source("scripts/client_class.ts")
    .replace(/(?= {2}\/\*\* Closes the connection)/, () => method),
});
const CLIENT = 'import { ClientSocket } from "./client_class.ts";\n';
const connect = (port: number) =>
  `${CLIENT}await using socket = await ClientSocket.connect("127.0.0.1", ${port});\n`;

/** What is not a script's own lines: how it begins, what runs it, and what it shows. */
const TRIALS: [
  begins: string,
  run: (block: string) => Promise<string>,
  RegExp,
][] = [
  [
    "async function greet",
    (block) => runBeside(`${block}console.log(await greet("Léa", 0));`),
    /^Bonjour Léa\n$/,
  ],
  [
    "const body",
    (block) => runBeside(`${block}console.log(frame.join(" "));`),
    /^0 0 0 8 195 135 97 32 118 97 32 63\n$/,
  ],
  [
    "function race",
    (block) => {
      const tasks = '[["A", 9000], ["B", 1]]';
      const code =
        `${block}console.log((await race(${tasks})).name); Deno.exit();`;
      const script = source("scripts/async_demo.ts");
      return runBeside(script + code, {}, "--help");
    },
    /\nB\n$/,
  ],
  [
    "import { ClientSocket }",
    async (block) => {
      await using server = await serve("multithread_server");
      const port = `${await server.port()}`;
      const out = await runBeside(block.replace("50000", port));
      await server.says("Connexion fermée");
      return out + server.out;
    },
    /^(Message reçu\n){3}.*\nInstance .*\n(Message .* (un|deux|trois)\n){3}Connexion/,
  ],
  [
    "async ask(",
    async (block) => {
      await using server = await serve("server_simple");
      return await runBeside(
        connect(await server.port()) +
          "console.log(await socket.ask('un'));\n" +
          "await socket.ask('deux').catch(({ message }) => console.log(message));",
        withMethod(block),
      );
    },
    /^Bonjour, je suis le serveur\nno answer\n$/,
  ],
  [
    "async *[Symbol.asyncIterator]",
    async (block) => {
      await using server = await serve("multithread_server");
      return await runBeside(
        connect(await server.port()) +
          "await socket.send('un');\nawait socket.send('FIN');\n" +
          "for await (const message of socket) console.log(message);",
        withMethod(block),
      );
    },
    /^(Message reçu\n){2}$/,
  ],
  [
    "const server = Deno.serve",
    (block) =>
      runBeside(
        'import { handle } from "./web_server.ts";\n' +
          'const root = Deno.cwd(), hostname = "127.0.0.1", port = 0;\n' +
          block.replace(
            "await server.finished",
            "const { port: at } = server.addr;\n" +
              "console.log(await (await fetch(`http://127.0.0.1:${at}/deno.json`)).text());\n" +
              "server.shutdown();\n$&",
          ),
      ),
    /\{"links":/,
  ],
];

Deno.test("The guide's blocks of TypeScript are lines of the scripts, or do what it says", async (t) => {
  /** Code without its words: comments, and what stands in quotes. */
  const bare = (block: string) =>
    squeeze(block.replaceAll(/ \/\/ .*$|"[^"]*"/gm, ""));
  assertEquals(blocks(FR).map(bare), blocks(EN).map(bare));
  const scripts = squeeze(FILES.map(source).join());
  const others = blocks(EN).filter((it) => !scripts.includes(squeeze(it)));
  assertEquals(others.length, TRIALS.length);
  for (const [begins, run, shows] of TRIALS) {
    const block = others.find((block) => block.startsWith(begins))!;
    await t.step(begins, async () => assertMatch(await run(block), shows));
  }
});

// What the guide says of Python

/**
 * What the course writes, or the guide says of it; Python code, where § is that
 * line; and a part of what comes of it.
 */
const PYTHON = String.raw`
## client_socket, address = s.accept()
§
=> NameError: name 's'
## print("Connexion avec "+address+" reussie")
address = ("127.0.0.1", 54321)
§
=> TypeError: can only concatenate str
## client,infoClient = serveur.accept()
serveur = socket.create_server(("127.0.0.1", 0))
pair = socket.create_connection(serveur.getsockname())
§
print("Client connecté, adresse : "+infosClient[0])
=> NameError: name 'infosClient'
## socket.socket(socket.AF_NET,socket.SOCK_STREAM)
§
=> AttributeError: .*AF_NET
## message.encode("uft-8")
message = "Bonjour"
§
=> LookupError: unknown encoding: uft-8
## str(datetime.now())
§
=> NameError: name 'datetime'
## "port "+adresse[1]
adresse = ("127.0.0.1", 54321)
§
=> TypeError: can only concatenate str
## if message_client("utf-8").upper() == "FIN"
§
    pass
=> SyntaxError
## if message_client("utf-8").upper() == "FIN"
message_client = b"FIN"
§: pass
=> TypeError: 'bytes' object is not callable
## mySocekt.close()
mySocket = socket.socket()
§
=> NameError: name 'mySocekt'
## threading.Thread(None, compteur, None, ("Thread A"),{})
def compteur(leThread): pass
§.start()
=> TypeError: compteur\(\) takes 1 positional argument but 8 were given
## threadsClient.append
threadsClients = []
§(None)
=> NameError: name 'threadsClient'
## threading.Threading
§
=> AttributeError: .*Threading
## adresseIp = infoClient[0]
def instanceServeur (client, infosClient):
    §
    print("Instance de serveur prêt pour "+adresseIP)
infoClient = ("127.0.0.1", 54321) # As in the main program.
instanceServeur(None, infoClient)
=> NameError: name 'adresseIP'
## while message.upper() != "FIN"
message = ""
§
    break
=> SyntaxError
## reponse.decode(utf-8)
reponse = b"Bonjour"
§
=> NameError: name 'utf'
`;

const CLAIMS = [...PYTHON.matchAll(/^## (.*?)\n(.*?)^=> (.*?)$/gms)]
  .map(([, line, code, result]) => ({ line, code, result }));

for (const { line, code, result } of CLAIMS) {
  testWith(
    "python3",
    `Python shows what the guide says of: ${line}`,
    async () => {
      says(line);
      await using program = python(code.replaceAll("§", line));
      const { out, err, code: exit } = await program.end();
      assertMatch(`${out}${err}code ${exit}`, RegExp(result));
    },
  );
}

Deno.test("The guide's table of lines that do not run has none that is not tried here", () => {
  for (const lang of ["fr", "en"]) {
    const [, , table] = page(lang, "13-course").split(/^## /m);
    const cells = [...table.matchAll(/^\| `(.*?) *\|/gm)].map(([, c]) => c);
    assertEquals(cells.length, 14);
    for (const cell of cells) {
      assert(CLAIMS.some(({ line }) => cell.includes(line)), cell);
    }
  }
});
