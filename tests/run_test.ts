/**
 * What runs the programs for the pages (guide/run.ts), asked in raw bytes: who may ask
 * for what, what the programs may do, and how each run ends.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import process from "node:process";
import { makeRunner } from "../guide/run.ts";
import { copyCheckout } from "./checkout.ts";
import { PATIENCE, Peer, Program, ROOT } from "./harness.ts";

/** An event of a run. */
type Event = {
  by?: number;
  command?: string;
  text?: string;
  error?: boolean;
  exit?: number | string;
  end?: string;
};

/** Starts the runner of a checkout behind a port of its own. */
async function open(folder = ROOT) {
  const module: { makeRunner: typeof makeRunner } = await import(
    `file://${folder}/guide/run.ts`
  );
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (it) => await runner.answer(it) ?? new Response("page\n"),
  );
  const runner = module.makeRunner(server.addr);
  const { origin, hash } = new URL(runner.url);
  const headers = { Origin: origin, Authorization: `Bearer ${hash.slice(1)}` };
  return {
    port: server.addr.port,
    headers,
    ask: (path: string, body?: BodyInit) =>
      fetch(`${origin}/run/${path}`, { method: "POST", headers, body }),
    [Symbol.asyncDispose]: async () => {
      runner.end();
      await server.shutdown();
    },
  };
}

/** The events of a run. Leaving this loop is to leave the page. */
async function* eventsOf({ body }: Response): AsyncGenerator<Event> {
  let rest = "";
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

/** The events up to the first one for which this holds. */
async function until(
  events: AsyncIterator<Event>,
  isLast: (event: Event) => unknown,
): Promise<Event[]> {
  const all: Event[] = [];
  do {
    const { value, done } = await events.next();
    if (done) throw new Error(`it has ended: ${JSON.stringify(all)}`);
    all.push(value);
  } while (!isLast(all.at(-1)!));
  return all;
}

/** Puts a program in the place of async_demo.ts, which is run alone. */
function put(folder: string, program: string, flags = ""): void {
  const header = `/**\n * @run deno run ${flags} scripts/async_demo.ts\n */\n`;
  Deno.writeTextFileSync(`${folder}/scripts/async_demo.ts`, header + program);
}

/** Waits until no process has this id. */
async function gone(pid: number): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (performance.now() < end) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`process ${pid} is still there`);
}

/** A program that says which process it is, and goes on. */
const ENDLESS = "console.log(Deno.pid); setInterval(() => {}, 1000);\n";

async function pidOf(events: AsyncIterator<Event>): Promise<number> {
  return Number((await until(events, ({ text }) => text)).at(-1)!.text);
}

/** Sends these lines, and returns the answer. */
async function exchange(port: number, lines: string[]): Promise<string> {
  await using peer = await Peer.connect(port);
  await peer.say([...lines, "Connection: close", "", ""].join("\r\n"));
  return await peer.ended();
}

/** A test that leaves programs which are still about to end. */
function runTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

runTest(
  "a request needs the site's Host and Origin, and the token",
  async () => {
    await using site = await open();
    const { port, headers: { Authorization, Origin } } = site;
    const host = `127.0.0.1:${port}`, token = Authorization.slice(7);
    const wrong = "0".repeat(32);
    const send = async (lines: string[], target = "/run/03-async/stop") => {
      const head = [`POST ${target} HTTP/1.1`, ...lines, "Content-Length: 0"];
      const answer = await exchange(port, head);
      assert(!/access-control/i.test(answer), answer);
      return Number(answer.split(" ")[1]);
    };
    const all = [
      `Host: ${host}`,
      `Origin: ${Origin}`,
      `Authorization: ${Authorization}`,
    ];
    assertEquals(await send(all), 200);
    const local = all.map((line) => line.replace("127.0.0.1", "localhost"));
    assertEquals(await send(local), 200);
    for (
      const [status, at, lines] of [
        [421, 0, ["Host: evil.example", `Host: evil.example:${port}`]],
        [421, 0, ["Host: 127.0.0.1", `Host: 127.0.0.1:${port + 1}`]],
        [421, 0, [`Host: 127.0.0.1.evil:${port}`, `Host: 127.0.0.2:${port}`]],
        [421, 0, [`Host: ${host}\r\nHost: ${host}`]],
        [403, 1, [
          "X: none",
          "Origin: null",
          `Origin: http://evil.example:${port}`,
        ]],
        [403, 1, [`Origin: https://${host}`, `Origin: http://127.0.0.1`]],
        [403, 1, [
          `Origin: http://127.0.0.1:${port + 1}`,
          `Origin: ${Origin}.evil`,
        ]],
        [401, 2, [
          "X: none",
          "Authorization: Bearer",
          `Authorization: ${token}`,
        ]],
        [401, 2, [`Authorization: Bearer ${wrong}`, `Cookie: token=${token}`]],
        [401, 2, [
          `Authorization: Bearer ${token.slice(1)}`,
          `Authorization: Bearer ${token}0`,
        ]],
      ] as [number, number, string[]][]
    ) {
      for (const line of lines) {
        const given = await send(all.with(at, line));
        // Deno itself answers 400 to some of these.
        assert(given === status || given === 400, `${line}: ${given}`);
      }
    }
    // A page elsewhere whose name leads here: its Origin equals its Host.
    const evil = all.map((line) => line.replace("127.0.0.1", "evil.example"));
    assertEquals(await send(evil), 421);
    const none = all.slice(0, 2);
    assertEquals(await send(none, `/run/03-async/stop?token=${token}`), 401);
    // What a page elsewhere may send unasked, or asks first.
    for (const method of ["GET", "OPTIONS"]) {
      const head = [`${method} /run/03-async/direct HTTP/1.1`, ...all];
      assertMatch(await exchange(port, head), /\r\n\r\npage\n$/);
    }
  },
);

runTest("a page chooses from lists, and types lines, no more", async () => {
  await using site = await open();
  for (
    const path of [
      ...["constructor/direct", "async_demo/direct", "..%2fscripts/direct"],
      ...[
        "03-async/constructor",
        "03-async/--eval",
        "03-async/direct%20--help",
      ],
      ...["03-async/0", "06-simple/1"], // Nothing runs that could read a line.
    ]
  ) {
    const { status, body } = await site.ask(path, "line");
    await body?.cancel();
    assertEquals(status, 404, path);
  }
  const long = await site.ask("03-async/0", "x".repeat(65537));
  const unknown = await site.ask("03-async/0", new Blob(["x"]).stream());
  assertEquals([long.status, unknown.status], [413, 413]);
  const events = eventsOf(
    await site.ask("06-simple/direct?raw=--eval&--help"),
  );
  const words = (await until(events, ({ by, command }) => by === 1 && command))
    .flatMap(({ command }) => command?.replace(/\d{4,}/, "N") ?? []);
  assertEquals(words, [
    "deno run --allow-net=127.0.0.1 scripts/server_simple.ts --port 0 --raw",
    "deno run --allow-net=127.0.0.1 scripts/client_simple.ts --port N --raw",
  ]);
});

runTest("a run sends what is printed and called, until a stop", async () => {
  await using site = await open();
  const events = eventsOf(await site.ask("09-chat/slice"));
  const said = (by: number, text: RegExp) =>
    until(events, (event) => event.by === by && text.test(event.text ?? ""));
  await said(1, /Vous êtes connecté/);
  assertEquals((await site.ask("09-chat/1", "où ?")).status, 200);
  const before = await said(0, /^Client >> où \?\n/);
  const calls = before.filter(({ by, error }) => by === 0 && error);
  assert(calls.some(({ text }) => / read → \d+ "/.test(text!)), "trace.ts");
  assert(
    before.some(({ by, text }) => by === 2 && / → 1 "/.test(text!)),
    "relay.ts",
  );
  await site.ask("09-chat/stop");
  const rest = await until(events, ({ end }) => end);
  assertEquals(rest.at(-1)!.end, "done");
  // A client leaves a signal to the system.
  for (const [by, code] of [[0, 0], [1, "SIGTERM"], [2, 0]]) {
    assert(rest.some((event) => event.by === by && event.exit === code));
  }
  assert(rest.some(({ text }) => text === "Serveur arrêté\n"));
});

runTest("a program has loopback and scripts/, and nothing else", async () => {
  await using copy = await copyCheckout();
  put(
    copy.path,
    `
const tries: [string, () => unknown][] = [
  ["loopback", () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close()],
  ["network", () => Deno.connect({ hostname: "192.0.2.1", port: 9 })],
  ["any address", () => Deno.listen({ hostname: "0.0.0.0", port: 0 })],
  ["scripts", () => Deno.readTextFileSync("scripts/encoding.ts")],
  ["checkout", () => Deno.readTextFileSync("deno.json")],
  ["disk", () => Deno.readTextFileSync("/etc/hosts")],
  ["write", () => Deno.writeTextFileSync("scripts/x", "")],
  ["environment", () => Deno.env.get("HOME")],
  ["programs", () => new Deno.Command("/bin/sh").spawn()],
];
for (const [what, work] of tries) {
  const result = await Promise.try(work).then(() => "ok", ({ name }) => name);
  console.log(what, result);
}
console.log("\\x1b[31m<b>rouge\\x1b[0m\\x07\\u202e</b>");
`,
    "--allow-all --allow-env --allow-run -A --allow-write --allow-net --allow-read",
  );
  await using site = await open(copy.path);
  const events = eventsOf(await site.ask("03-async/direct"));
  const all = await until(events, ({ end }) => end);
  const said = all.filter(({ error }) => !error).map(({ text }) => text);
  assertEquals(said.join("").trimEnd().split("\n"), [
    "loopback ok",
    "network NotCapable",
    "any address NotCapable",
    "scripts ok",
    "checkout NotCapable",
    "disk NotCapable",
    "write NotCapable",
    "environment NotCapable",
    "programs NotCapable",
    "<b>rouge</b>",
  ]);
});

for (
  const [what, program] of [
    ["long lines", 'while (true) console.log("x".repeat(10000));'],
    ["empty lines", 'while (true) console.log("");'],
    [
      "no line",
      "while (true) Deno.stdout.writeSync(new Uint8Array(9999).fill(97));",
    ],
    ["errors", 'while (true) console.error("     1.0 ms  #1    close");'],
  ]
) {
  runTest(`a program that prints ${what} for ever is ended`, async () => {
    await using copy = await copyCheckout();
    put(copy.path, ENDLESS + program);
    await using site = await open(copy.path);
    const events = eventsOf(await site.ask("03-async/direct"));
    const pid = await pidOf(events);
    const all = await until(events, ({ end }) => end);
    assertEquals(all.at(-1)!.end, "size");
    const { length } = JSON.stringify(all);
    assert(length > 900_000 && length < 1_200_000, `${length}`);
    await gone(pid);
  });
}

runTest("a run ends without its page, at the next one, in time", async () => {
  await using copy = await copyCheckout();
  put(copy.path, ENDLESS);
  await using site = await open(copy.path);
  const start = async () => eventsOf(await site.ask("03-async/direct"));
  const one = await start(), first = await pidOf(one);
  const two = await start(), second = await pidOf(two);
  assertEquals((await until(one, ({ end }) => end)).at(-1)!.end, "replaced");
  await gone(first);
  await two.return(undefined);
  await gone(second);

  const { setTimeout: real } = globalThis;
  globalThis.setTimeout = ((work: () => void, ms: number) =>
    real(work, ms === 600_000 ? 1 : ms)) as typeof setTimeout;
  try {
    const three = await until(await start(), ({ end }) =>
      end);
    assertEquals(three.at(-1)!.end, "time");
  } finally {
    globalThis.setTimeout = real;
  }
});

runTest("a script is run as it is on disk", async () => {
  await using copy = await copyCheckout();
  await using site = await open(copy.path);
  for (const text of ["un", "deux"]) {
    put(copy.path, `console.log("${text}");`);
    const events = eventsOf(await site.ask("03-async/direct"));
    const all = await until(events, ({ end }) => end);
    assert(all.some((event) => event.text === `${text}\n`));
  }
});

runTest("on another host than this machine, nothing runs", async () => {
  const addr = { hostname: "0.0.0.0", port: 80, transport: "tcp" } as const;
  const { url, isLocal, answer } = makeRunner(addr);
  assertEquals([url, isLocal], ["http://0.0.0.0/", false]);
  const headers = { Host: "0.0.0.0", Origin: "http://0.0.0.0" };
  const request = new Request(url + "run/03-async/direct", {
    method: "POST",
    headers,
  });
  assertEquals((await answer(request))!.status, 403);
  assertEquals(await (await answer(new Request(url + "run.json")))!.json(), {});
});

runTest("programs end with deno task web, even if it is killed", async () => {
  await using copy = await copyCheckout();
  const tasks = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json")).tasks;
  const args = [...tasks.web.command.split(" ").slice(1), "--port", "0"];
  await using web = new Program(Deno.execPath(), args, { cwd: copy.path });
  const [, origin, token] = await web.says(/(http:\S+)\/#(\S+)/);
  put(copy.path, ENDLESS);
  const headers = { Origin: origin, Authorization: `Bearer ${token}` };
  const options = { method: "POST", headers };
  const run = await fetch(`${origin}/run/03-async/direct`, options);
  const pid = await pidOf(eventsOf(run));
  web.kill("SIGKILL");
  await web.end();
  await gone(pid);
});
