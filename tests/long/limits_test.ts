/**
 * The real time limits, as a user meets them, while the date jumps: a limit is a
 * span of time, and neither NTP nor a suspend may shorten it or make it endless.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  meet,
  Peer,
  preload,
  python,
  serve,
  start,
  testWith,
} from "../harness.ts";
import { startRelay } from "../faults/relay.ts";
import { all } from "../scripts.ts";

/** The date goes on by six hours whenever it is asked for. */
const JUMPING = `
  const Real = Date;
  let shift = 0;
  const now = () => Real.now() + (shift += 6 * 3600_000);
  globalThis.Date = class Date extends Real {
    constructor(...args) { super(...(args.length > 0 ? args : [now()])); }
    static now() { return now(); }
  };`;
const jumping = (name: string) => preload(name, JUMPING);

/** Seconds that something takes. */
async function seconds(work: Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work;
  return (performance.now() - begin) / 1000;
}

/** Starts a client, whose time is over after so many seconds. */
async function givesUp(
  name: string,
  port: number | string,
  [least, most]: [number, number],
  trouble: RegExp,
): Promise<void> {
  await using client = start(name, ["--port", `${port}`], {
    ...jumping(name),
    stdin: "piped",
  });
  await client.type("bonjour\n");
  const complaint = client.until(() => client.err, "a complaint", 90_000);
  const took = await seconds(complaint);
  assert(took > least && took < most, `${name}: ${took} s`);
  const { code, err } = await client.end();
  assertEquals(code, 1);
  assertMatch(err, trouble);
}

Deno.test("server_simple gives a client 30 s for its message, though it drips", async () => {
  const options = jumping("server_simple");
  await using server = await serve("server_simple", [], options);
  await using client = await Peer.connect(await server.port());
  const drip = setInterval(() => client.say("x"), 1000);
  const took = await seconds(
    server.until(() => server.err, "a complaint", 90_000),
  );
  clearInterval(drip);
  assert(took > 29 && took < 40, `${took} s`);
  assertEquals(await client.end(), "Délai dépassé\n");
});

Deno.test("client_simple, client_class and multithread_client wait 60 s for an answer", async () => {
  const names = ["client_simple", "client_class", "multithread_client"];
  await Promise.all(names.map(async (name) => {
    // It accepts nobody, and yet the kernel completes the connection.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    await givesUp(name, port, [59, 70], /^TimeoutError: .*\n$/);
  }));
});

for (const { name } of all("client", "tcp")) {
  testWith("python3", `${name} gives up connecting after 5 s`, async () => {
    // With no room in its queue, this listener leaves further clients unanswered.
    await using full = python(`
l = socket.socket()
l.bind(("127.0.0.1", 0))
l.listen(0)
waiting = [socket.socket() for _ in range(4)]
for s in waiting:
    s.setblocking(False)
    s.connect_ex(l.getsockname())
print(l.getsockname()[1])
time.sleep(60)`);
    const [port] = await full.says(/^\d+/);
    await givesUp(name, port, [4.5, 10], /^TimeoutError: .*\n$/);
  });
}

Deno.test("udp_client gives up after 5 s", async () => {
  const at = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
  const silent = Deno.listenDatagram(at);
  const { port } = silent.addr as Deno.NetAddr;
  await givesUp("udp_client", port, [4.5, 10], /^TimedOut: .* lancé \?\n$/);
  silent.close();
});

for (const { name, args } of all("server", "tcp")) {
  Deno.test(`${name} ends within 3 s of SIGTERM, though its client reads nothing, or never pauses`, async () => {
    for (const reads of [false, true]) {
      await using server = await serve(name, args);
      await using client = await Peer.connect(await server.port());
      const sent = client.say("encore\n".repeat(5_000_000));
      const ended = reads ? client.ended() : undefined;
      await server.says("encore");
      server.kill("SIGTERM");
      const took = await seconds(server.end());
      assert(took < 4, `${took} s`);
      await client.reset();
      await Promise.all([sent, ended?.catch(() => {})]);
      assertEquals((await server.end()).code, 0);
    }
  });
}

// A read of the keyboard that is pending somewhere keeps a process alive, now and then.
for (const { name, kind, keyboard } of [...all("server"), ...all("client")]) {
  if (!keyboard) continue;
  Deno.test(`${name} ends each time that it should, though its input stays open`, async () => {
    const once = (moment: number) =>
      meet(name, async (program, peer) => {
        await program.type("bonjour\nencore\n");
        // At any moment of its beginning.
        await new Promise((resume) => setTimeout(resume, moment));
        await peer.say("Vous");
        peer.socket.end();
        if (kind === "server") program.kill("SIGTERM");
        await program.end();
      });
    for (let round = 0; round < 25; round++) {
      await Promise.all([0, 4, 8, 12, 16, 20].map(once));
    }
  });
}

Deno.test("relay keeps each piece as long as it is told to, both ways", async () => {
  await using server = await serve("server_simple");
  const faults = { slice: 4, late: 100 };
  await using relay = await startRelay(await server.port(), faults);
  await using client = await Peer.connect(relay.port);
  const answered = client.say("bonjour\n").then(() => client.ended());
  const took = await seconds(answered);
  const pieces = [...relay.pieces["→"], ...relay.pieces["←"]].length;
  const least = pieces * 0.1;
  assert(took > least - 0.02 && took < least + 2, `${took} s, not ${least}`);
});
