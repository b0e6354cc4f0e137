/**
 * What runs the programs for the pages (guide/run.ts), asked in raw bytes: who may ask
 * for what, what the programs may do, and how each run ends.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { makeRunner } from "../guide/run.ts";
import { copyCheckout, startWeb } from "./checkout.ts";
import { PATIENCE, Peer, retimed } from "./harness.ts";

/** An event of a run. */
type Event = {
  by?: number;
  command?: string;
  text?: string;
  error?: boolean;
  end?: string;
};
type Events = AsyncGenerator<Event>;

const LOCAL = { hostname: "127.0.0.1", port: 80, transport: "tcp" } as const;

let copy: Awaited<ReturnType<typeof copyCheckout>>;
let server: Deno.HttpServer<Deno.NetAddr>,
  runner: ReturnType<typeof makeRunner>;

// The runner of a copy, behind a port of its own.
Deno.test.beforeAll(async () => {
  copy = await copyCheckout();
  const module = await import(`file://${copy.path}/guide/run.ts`);
  server = Deno.serve(
    { ...LOCAL, port: 0, onListen() {} },
    async (it) => await runner.answer(it) ?? new Response("page\n"),
  );
  runner = module.makeRunner(server.addr);
});
Deno.test.afterAll(async () => {
  runner.end();
  await server.shutdown();
  await copy[Symbol.asyncDispose]();
});

/** A request to a runner, as from a page that was opened by this address. */
function requestOf(address: string, path: string, body?: BodyInit): Request {
  const { host, origin, hash } = new URL(address);
  const Authorization = `Bearer ${hash.slice(1)}`;
  const headers = { Host: host, Origin: origin, Authorization };
  const signal = AbortSignal.timeout(PATIENCE);
  const options = { method: "POST", headers, body, signal };
  return new Request(`${origin}/run/${path}`, options);
}

const ask = (path: string, body?: BodyInit) =>
  fetch(requestOf(runner.url, path, body));
const start = async (path = "03-async/direct") => eventsOf(await ask(path));

/** The events of a run. Leaving this loop is to leave the page. */
async function* eventsOf({ body }: Response): Events {
  let rest = "";
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}

/** The events up to the first one for which this holds. */
async function until(events: Events, isLast: (event: Event) => unknown) {
  const all: Event[] = [];
  do {
    const { value, done } = await events.next();
    if (done) throw new Error(`it has ended: ${JSON.stringify(all)}`);
    all.push(value);
  } while (!isLast(all.at(-1)!));
  return all;
}

/** Waits until no process has this id. */
async function gone(pid: number): Promise<void> {
  const end = performance.now() + PATIENCE;
  while (performance.now() < end) {
    try {
      Deno.kill(pid, "SIGCONT"); // It does nothing to one that runs.
    } catch {
      return;
    }
    await new Promise((resume) => setTimeout(resume, 50));
  }
  throw new Error(`process ${pid} is still there`);
}

/** A program that says which process it is, and goes on. */
const ENDLESS = "console.log(Deno.pid); setInterval(() => {}, 1000);";

async function pidOf(events: Events): Promise<number> {
  return Number((await until(events, ({ text }) => text)).at(-1)!.text);
}

/** Why a run ends. */
async function endOf(events: Events): Promise<string | undefined> {
  return (await until(events, ({ end }) => end)).at(-1)!.end;
}

/** A test that leaves programs which are still about to end. */
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });

test("a request needs the Host, the Origin and the token", async () => {
  const { host, port, hash } = new URL(runner.url), token = hash.slice(1);
  assertMatch(token, /^[0-9a-f]{32}$/);
  assert(makeRunner(LOCAL).url !== makeRunner(LOCAL).url);
  const send = async (lines: string[], path = "stop", method = "POST") => {
    const head = [`${method} /run/03-async/${path} HTTP/1.1`, ...lines];
    const rest = ["Content-Length: 0", "Connection: close", "", ""];
    await using peer = await Peer.connect(Number(port));
    await peer.say([...head, ...rest].join("\r\n"));
    const answer = await peer.ended();
    assert(!/access-control/i.test(answer), answer);
    return answer;
  };
  const all = [
    `Host: ${host}`,
    `Origin: http://${host}`,
    `Authorization: Bearer ${token}`,
  ];
  const local = all.map((line) => line.replace("127.0.0.1", "localhost"));
  for (const lines of [all, local]) {
    assertMatch(await send(lines), /^HTTP\/1.1 200 /);
  }
  const wrong: [at: number, status: number, ...lines: string[]][] = [
    [0, 421, "Host: evil.example", `Host: evil.example:${port}`],
    [0, 421, "Host: 127.0.0.1", "Host: 127.0.0.1:1"],
    [0, 421, `Host: 127.0.0.1.evil:${port}`, `Host: 127.0.0.2:${port}`],
    [0, 421, `Host: ${host}\r\nHost: ${host}`],
    [1, 403, "X: none", "Origin: null", `Origin: http://evil:${port}`],
    [1, 403, `Origin: https://${host}`, "Origin: http://127.0.0.1"],
    [1, 403, "Origin: http://127.0.0.1:1", `${all[1]}.evil`],
    [2, 401, "X: none", "Authorization: Bearer", `Authorization: ${token}`],
    [2, 401, `${all[2]}0`, `Cookie: token=${token}`],
    [2, 401, `Authorization: Bearer ${"0".repeat(32)}`],
  ];
  for (const [at, status, ...lines] of wrong) {
    for (const line of lines) {
      // Deno itself answers 400 to some of these.
      const expected = RegExp(`^HTTP/1.1 (${status}|400) `);
      assertMatch(await send(all.with(at, line)), expected, line);
    }
  }
  // A page elsewhere whose name leads here: its Origin equals its Host.
  const evil = all.map((line) => line.replace("127.0.0.1", "evil.example"));
  assertMatch(await send(evil), / 421 /);
  assertMatch(await send(all.slice(0, 2), `stop?token=${token}`), / 401 /);
  // What a page elsewhere may send unasked, or asks first.
  for (const method of ["GET", "OPTIONS"]) {
    assertMatch(await send(all, "direct", method), /\r\n\r\npage\n$/);
  }
});

test("a page chooses from lists, and types lines, no more", async () => {
  for (
    const path of [
      "constructor/direct",
      "03-async/constructor",
      "03-async/--eval",
      "03-async/0", // Nothing runs that could read a line.
    ]
  ) {
    const { status, body } = await ask(path, "line");
    await body?.cancel();
    assertEquals(status, 404, path);
  }
  const long = await ask("03-async/0", "x".repeat(65537));
  const unknown = await ask("03-async/0", new Blob(["x"]).stream());
  assertEquals([long.status, unknown.status], [413, 413]);
  const events = await start("06-simple/direct?raw=--eval&--help");
  const words = (await until(events, ({ by, command }) => by === 1 && command))
    .flatMap(({ command }) => command?.replace(/\d{4,}/, "N") ?? []);
  assertEquals(words, [
    "deno run --allow-net=127.0.0.1 scripts/server_simple.ts --port 0 --raw",
    "deno run --allow-net=127.0.0.1 scripts/client_simple.ts --port N --raw",
  ]);
});

test("a program has loopback and scripts/, and nothing else", async () => {
  const program = `
const local = { hostname: "127.0.0.1", port: 0 };
const tries = {
  loopback: () => Deno.listen(local).close(),
  "any address": () => Deno.listen({ ...local, hostname: "0.0.0.0" }),
  network: () => Deno.connect({ hostname: "192.0.2.1", port: 9 }),
  scripts: () => Deno.readTextFileSync("scripts/encoding.ts"),
  checkout: () => Deno.readTextFileSync("deno.json"),
  write: () => Deno.writeTextFileSync("scripts/x", ""),
  environment: () => Deno.env.get("HOME"),
  programs: () => new Deno.Command("/bin/sh").spawn(),
};
for (const [what, work] of Object.entries(tries)) {
  const result = await Promise.try(work).then(() => "ok", ({ name }) => name);
  if (result !== "NotCapable") console.log(what, result);
}
console.log("\\x1b[31m<b>rouge\\x1b[0m\\x07\\u202e</b>");
Deno.stderr.writeSync(new TextEncoder().encode("fini"));`;
  const flags = "--allow-all -A --allow-write --allow-run --allow-env";
  const header = `${flags} --allow-net --allow-read`;
  using _ = copy.put("async_demo", program, header);
  const events = await start();
  const all = await until(events, ({ end }) => end);
  const said = all.filter(({ error }) => !error).map(({ text }) => text);
  assertEquals(said.join(""), "loopback ok\nscripts ok\n<b>rouge</b>\n");
  assertEquals(all.findLast(({ error }) => error)?.text, "fini");
});

test("a program that prints for ever, lines or not, is ended", async () => {
  for (
    const print of [
      'console.log("")',
      'console.log("a".padEnd(199) + "b")',
      "Deno.stdout.writeSync(new Uint8Array(9999).fill(97))",
      "Deno.stderr.writeSync(new Uint8Array(9999).fill(97))",
    ]
  ) {
    copy.put("async_demo", `${ENDLESS}while (true) ${print};`);
    const events = await start();
    const pid = await pidOf(events);
    const all = await until(events, ({ end }) => end);
    assertEquals(all.at(-1)!.end, "size", print);
    const { length } = JSON.stringify(all);
    assert(length > 900_000 && length < 1_200_000, `${print}: ${length}`);
    await gone(pid);
  }
});

test("a run ends without its page, at the next one, in time", async () => {
  copy.put("async_demo", ENDLESS);
  const one = await start(), first = await pidOf(one);
  const two = await start(), second = await pidOf(two);
  assertEquals(await endOf(one), "replaced");
  await gone(first);
  await two.return(undefined);
  await gone(second);
  const three = await retimed(
    (ms) => ms === 600_000 ? 1 : ms,
    () => runner.answer(requestOf(runner.url, "03-async/direct")),
  );
  assertEquals(await endOf(eventsOf(three!)), "time");
  const four = await start();
  await pidOf(four);
  runner.end();
  assertEquals(await endOf(four), "lost");
});

test("a program that neither reads nor obeys is no trouble", async () => {
  const deaf = 'Deno.addSignalListener("SIGTERM", () => {});';
  copy.put("async_demo", deaf + ENDLESS);
  const events = await start(), pid = await pidOf(events);
  const line = "x".repeat(65536); // More than its pipe takes.
  for (const status of [200, 404]) {
    assertEquals((await ask("03-async/0", line)).status, status);
  }
  await ask("03-async/stop");
  assertEquals(await endOf(events), "done");
  await gone(pid);
});

test("on another host than this machine, nothing runs", async () => {
  const hostname = "0.0.0.0";
  const { url, isLocal, answer } = makeRunner({ ...LOCAL, hostname });
  assertEquals([url, isLocal], ["http://0.0.0.0/", false]);
  const request = new Request(url + "run/03-async/direct", { method: "POST" });
  assertEquals((await answer(request))!.status, 403);
  assertEquals(await (await answer(new Request(url + "run.json")))!.json(), {});
});

test("programs end with deno task web, even if it is killed", async () => {
  await using copy = await copyCheckout();
  await using web = await startWeb(copy.path);
  // Its environment has NO_COLOR; that of the programs has not.
  copy.put("async_demo", `if (!Deno.noColor) { ${ENDLESS} }`);
  const run = await fetch(requestOf(web.address, "03-async/direct"));
  const pid = await pidOf(eventsOf(run));
  web.kill("SIGKILL");
  await web.end();
  await gone(pid);
});
