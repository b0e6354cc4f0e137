/** What trace shows of a program's sockets; and that the program does what it did. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { IN_TERMINAL, Program, ROOT, run, serve, testWith } from "./harness.ts";

const PRELOAD = ["--preload", `${ROOT}scripts/trace.ts`];
const FLAGS = { flags: ["--allow-net", ...PRELOAD] };
const url = (code: string) =>
  `data:application/javascript,${encodeURIComponent(code)}`;

/** The calls in what a program has said on stderr, without their times. */
function calls(err: string): string[] {
  const lines = err.split("\n").slice(0, -1);
  const found = lines.map((line) => line.match(/^ *(\d+\.\d) ms {2}(.*)$/)!);
  assert(found.every(Boolean), err);
  return found.map(([, , call]) => call.trim().replace(/:\d+(?!\])/, ":PORT"));
}

/** Runs a program with trace and without: it must do the same. */
async function traced(
  code: string,
  flags: string[] = ["--allow-net", "--unstable-net"],
): Promise<string> {
  const ends = [];
  for (const preload of [[], PRELOAD]) {
    const args = ["run", "--no-prompt", ...flags, ...preload, url(code)];
    await using program = new Program(Deno.execPath(), args);
    ends.push(await program.end());
  }
  const [{ code: exit, out, err }, end] = ends;
  assertEquals([end.code, end.out], [exit, out], err + end.err);
  return end.err;
}

Deno.test("trace shows what the first server and its client do, which is what they did", async () => {
  await using server = await serve("trace");
  const { address } = server;
  const end = await run("client_simple", address, FLAGS);
  assertEquals(end.code, 0);
  const whole = "Bonjour, je suis le serveur\nConnexion fermée\n";
  assertEquals(end.out, `Connecté au serveur\n${whole}`);
  assertEquals(calls(end.err), [
    "#1     connect 127.0.0.1:PORT",
    '#1     write 27 → 27 "Bonjour, je suis le client\\n"',
    '#1     read → 28 "Bonjour, je suis le serveur\\n"',
    "#1     close",
  ]);
  await server.complains(/ close\n/);
  server.kill();
  const { code, out, err } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /Serveur arrêté\n$/);
  assertEquals(calls(err), [
    "listen 127.0.0.1:PORT",
    "#1     accept 127.0.0.1:PORT",
    '#1     read → 27 "Bonjour, je suis le client\\n"',
    '#1     write 28 → 28 "Bonjour, je suis le serveur\\n"',
    "#1     closeWrite",
    "#1     read → null",
    "#1     close",
    "close",
    "accept → BadResource",
  ]);
});

/** Two connected sockets, and ways to say how a call has ended. */
const PAIR = `
  const local = { hostname: "127.0.0.1", port: 0 };
  const bytes = (text) => new TextEncoder().encode(text);
  const listener = Deno.listen(local);
  const one = await Deno.connect(listener.addr);
  const two = await listener.accept();
  const fails = (work) => work().catch((error) => console.log(String(error)));
`;
const PAIRED = [
  "listen 127.0.0.1:PORT",
  "#1     connect 127.0.0.1:PORT",
  "#2     accept 127.0.0.1:PORT",
];

Deno.test("trace shows the bytes of each call, all visible and not too many", async () => {
  const err = await traced(`${PAIR}
    const buffer = Uint8Array.of(255, ...bytes("é\\x1b[2J\\u202e\\x85\\"\\\\\\r\\n€%%"), 195);
    const written = one.write(buffer);
    buffer.fill(65); // It is used again.
    await written;
    await two.read(new Uint8Array(100));
    await one.write(bytes("😀".repeat(40)));
    await one.write(bytes("😀".repeat(41)));
    await two.read(new Uint8Array(160));
    await two.read(new Uint8Array(2));`);
  const odd = String.raw`22 "\xffé\x1b[2J\u202e\u0085\"\\\r\n€%%\xc3"`;
  const most = `"${"😀".repeat(40)}"`;
  assertEquals(calls(err), [
    ...PAIRED,
    `#1     write 22 → ${odd}`,
    `#2     read → ${odd}`,
    `#1     write 160 → 160 ${most}`,
    `#1     write 164 → 164 ${most}…`,
    `#2     read → 160 ${most}`,
    String.raw`#2     read → 2 "\xf0\x9f"`,
  ]);
});

Deno.test("trace shows how calls fail, and lets them fail as they did", async () => {
  const err = await traced(`${PAIR}
    addEventListener("unhandledrejection", (event) => {
      console.log("unhandled", event.reason.name);
      event.preventDefault();
    });
    try { Deno.listen(listener.addr); } catch (error) { console.log(String(error)); }
    two.close();
    await fails(() => two.write(bytes("un")));
    one[Symbol.dispose](), one[Symbol.dispose]();
    try { one.close(); } catch (error) { console.log(String(error)); }
    listener[Symbol.dispose]();
    await fails(() => Deno.connect(listener.addr));
    await fails(() => Deno.connect({ ...listener.addr, signal: AbortSignal.abort(null) }));
    const noneFree = Object.assign(new Error(), { code: "EMFILE" });
    await fails(() => Deno.connect({ ...listener.addr, signal: AbortSignal.abort(noneFree) }));
    await fails(() => Deno.connect({ hostname: "::1", port: -1 }));
    await fails(() => Deno.connect());
    await fails(() => one.write("texte"));
    Deno.connect(listener.addr);`);
  assertEquals(calls(err), [
    ...PAIRED,
    "listen 127.0.0.1:PORT → AddrInUse",
    "#2     close",
    "#2     write 2 → BadResource",
    "#1     close",
    "#1     close → BadResource",
    "close",
    "connect 127.0.0.1:PORT → ConnectionRefused",
    "connect 127.0.0.1:PORT → Error",
    "connect 127.0.0.1:PORT → EMFILE",
    "connect [::1]:-1 → RangeError",
    "connect → TypeError",
    "#1     write 5 → TypeError",
    "connect 127.0.0.1:PORT → ConnectionRefused",
  ]);
});

Deno.test("trace shows datagrams, and what a loop over sockets does", async () => {
  const err = await traced(`
    const at = { hostname: "127.0.0.1", port: 0 };
    const socket = Deno.listenDatagram({ ...at, transport: "udp" });
    await socket.send(new TextEncoder().encode("un"), socket.addr);
    for await (const [bytes, from] of socket) {
      console.log(bytes, from.port === socket.addr.port);
      socket.close();
    }
    const listener = Deno.listen(at);
    const conn = await Deno.connect(listener.addr);
    await conn.closeWrite();
    for await (const conn of listener) {
      console.log(await conn.read(new Uint8Array(9)));
      break;
    }`);
  assertEquals(calls(err), [
    "#1     listenDatagram 127.0.0.1:PORT",
    '#1     send 2 → 2 127.0.0.1:PORT "un"',
    '#1     receive → 2 127.0.0.1:PORT "un"',
    "#1     close",
    "#1     receive → BadResource",
    "listen 127.0.0.1:PORT",
    "#2     connect 127.0.0.1:PORT",
    "#2     closeWrite",
    "#3     accept 127.0.0.1:PORT",
    "#3     read → null",
    "close",
  ]);
});

Deno.test("trace leaves to a program what it looks at, changes and lets go of", async () => {
  await traced(`${PAIR}
    console.log(Deno.listen.name, Deno.listen.length, one.read.name, one);
    console.log(Object.keys(listener), one.read === two.read);
    const kind = Object.getPrototypeOf(Object.getPrototypeOf(one));
    const { read } = kind;
    kind.read = function (buffer) {
      console.log("la lecture du programme");
      return read.call(this, buffer);
    };
    console.error = () => console.log("la sienne");
    await two.write(bytes("un"));
    console.log(await one.read(bytes("place")));
    // The program ends, though all of these wait.
    for (const conn of [one, two]) conn.unref(), conn.read(new Uint8Array(9));
    listener.unref(), listener.accept();`);
});

Deno.test("trace shows the calls of workers, and of their workers, in one time", async () => {
  const blob = (code: string) =>
    `URL.createObjectURL(new Blob([${JSON.stringify(code)}]))`;
  const talk = `${PAIR}
    await one.write(bytes("un"));
    one.close(), two.close(), listener.close();`;
  const inner = `const early = [];
    onmessage = ({ data }) => early.push(data);
    ${talk}
    await new Promise((resume) => setTimeout(resume, 1));
    postMessage([...early, name, location.href === import.meta.url]);`;
  const outer = `${talk}
    const worker = new Worker(${
    blob(inner)
  }, { type: "module", name: "petit" });
    worker.postMessage("tôt");
    worker.onmessage = ({ data }) => {
      postMessage(data);
      worker.terminate();
    };`;
  const err = await traced(`
    class Own extends Worker {}
    const start = (code) => new Own(code, { type: "module" });
    while (performance.now() < 300); // Longer than a worker takes to begin.
    const worker = start(${blob(outer)});
    worker.onmessage = async ({ data }) => {
      console.log(data, worker instanceof Own, worker instanceof Worker);
      worker.terminate();
      const broken = start(${blob(`${talk}\n throw new TypeError("cassé");`)});
      broken.onerror = ({ message }) => console.log(message);
    };
    for (const wrong of [() => start("./a.js"), () => new Worker("data:,"), Worker]) {
      try { wrong(); } catch (error) { console.log(String(error)); }
    }`);
  const lines = err.match(/^ *\d+\.\d ms .*$/gm)!;
  const talked = (number: string) => [
    "listen 127.0.0.1:PORT",
    `#${number}.1`.padEnd(5) + "  connect 127.0.0.1:PORT",
    `#${number}.2`.padEnd(5) + "  accept 127.0.0.1:PORT",
    `#${number}.1`.padEnd(5) + '  write 2 → 2 "un"',
    `#${number}.1`.padEnd(5) + "  close",
    `#${number}.2`.padEnd(5) + "  close",
    "close",
  ];
  assertEquals(calls(lines.join("\n") + "\n"), [
    ...talked("1"),
    ...talked("1.1"),
    ...talked("3"), // "data:," would have been the second.
  ]);
  const times = lines.map((line) => parseFloat(line));
  assertEquals(times, times.toSorted((a, b) => a - b));
  assert(times[0] > 300, "it is the time of the program");
});

Deno.test("trace asks for no permission that the program has not", async () => {
  const path = await Deno.makeTempDir();
  const hear = (path: string, tell: string) => `
    const worker = new Worker("${path}", { type: "module" });
    worker.onmessage = ({ data }) => {
      ${tell}(data);
      worker.terminate();
    };`;
  // A worker's worker may be where it is, seen from the first one.
  await Deno.writeTextFile(`${path}/one.ts`, hear("./two.ts", "postMessage"));
  const two = "postMessage(import.meta.url as string);";
  await Deno.writeTextFile(`${path}/two.ts`, two);
  const program = hear(`file://${path}/one.ts`, "console.log");
  const err = await traced(program, [`--allow-read=${path}`])
    .finally(() => Deno.remove(path, { recursive: true }));
  assertEquals(err, "");
});

Deno.test("a program does what it does when the lines of trace cannot be written", async () => {
  const program = url(`${PAIR}
    await one.write(bytes("un"));
    console.log(await two.read(new Uint8Array(9)));`);
  const args = ["run", ...FLAGS.flags, program];
  const shell = 'exec "$@" 2>/dev/full';
  await using full = new Program(Deno.execPath(), args, { shell });
  assertEquals((await full.end()).out, "2\n");
});

testWith("python3", "trace has colours on a terminal alone", async () => {
  const args = ["run", ...FLAGS.flags, url(PAIR)];
  for (const where of [IN_TERMINAL, "exec"]) {
    const options = { colours: true, shell: `${where} "$@" 2>&1` };
    await using program = new Program(Deno.execPath(), args, options);
    const { out } = await program.end();
    assertMatch(out, / connect 127/);
    assertEquals(out.includes("\x1b"), where === IN_TERMINAL);
  }
});

Deno.test("trace starts a worker whose address has quotes in it", async () => {
  await traced(`
    const url = 'data:text/javascript,postMessage("lu")';
    const worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => {
      console.log(data);
      worker.terminate();
    };`);
});

Deno.test("trace and relay show bytes with the same function, which each has for itself", () => {
  const [trace, relay] = ["trace", "relay"].map((name) =>
    Deno.readTextFileSync(`${ROOT}scripts/${name}.ts`)
      .match(/\/\*\* The first 40 [^]*?\n}\n/)![0]
  );
  assertEquals(trace, relay);
});
