/** The relay does to bytes and datagrams what it is told to, and the same each time. */
import net from "node:net";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { bytes, PATIENCE } from "../harness.ts";
import { random, TcpFaults, TcpRelay, UdpFaults, UdpRelay } from "./relay.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };
const TEXT = "Voila ce qui passe.";

/** A connection through a relay: what the client and what the server holds. */
async function through(faults: TcpFaults, seed?: number) {
  const stack = new AsyncDisposableStack();
  const listener = stack.use(Deno.listen(LOCAL));
  const relay = stack.use(
    await TcpRelay.start(listener.addr.port, faults, seed),
  );
  const client = stack.use(await Deno.connect({ ...LOCAL, port: relay.port }));
  const server = stack.use(await listener.accept());
  const limit = setTimeout(() => {
    client[Symbol.dispose]();
    server[Symbol.dispose]();
  }, PATIENCE);
  stack.defer(() => clearTimeout(limit));
  return {
    relay,
    client,
    server,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What one read brings. */
async function read(conn: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(65536);
  const count = await conn.read(buffer);
  return count === null
    ? null
    : new TextDecoder().decode(buffer.subarray(0, count));
}

/** All the reads up to the end of the stream. */
async function rest(conn: Deno.Conn): Promise<string[]> {
  const pieces = [];
  for (let piece; (piece = await read(conn)) !== null;) pieces.push(piece);
  return pieces;
}

Deno.test("TcpRelay without faults passes both ways, and the end of each half", async () => {
  await using way = await through({});
  await way.client.write(bytes(TEXT));
  await way.client.closeWrite();
  assertEquals((await rest(way.server)).join(""), TEXT);
  await way.server.write(bytes("la réponse"));
  await way.server.closeWrite();
  assertEquals((await rest(way.client)).join(""), "la réponse");
});

Deno.test("TcpRelay passes a million bytes unchanged in slices of any size", async () => {
  await using way = await through({ slice: [10_000, 50_000] });
  const sent = new Uint8Array(1e6).map((_, i) => i * 7);
  const send = async () => {
    let left = sent;
    while (left.length > 0) left = left.subarray(await way.client.write(left));
    await way.client.closeWrite();
  };
  const [got] = await Promise.all([
    new Response(way.server.readable).bytes(),
    send(),
  ]);
  assertEquals(got.length, sent.length);
  assert(got.every((byte, i) => byte === sent[i]));
});

Deno.test("TcpRelay slices to single bytes", async () => {
  await using way = await through({ slice: [1, 1] });
  await way.client.write(bytes(TEXT));
  await way.client.closeWrite();
  const pieces = await Promise.all([rest(way.server)]);
  assertEquals(
    way.relay.log.up,
    Array(bytes(TEXT).length).fill("1 bytes after 0 ms"),
  );
  assert(pieces[0].length > 1, "the kernel has not put all together again");
});

Deno.test("TcpRelay glues what comes in several writes", async () => {
  await using way = await through({ glue: 200 });
  await way.client.setNoDelay(true);
  for (const word of ["un\n", "deux\n", "trois\n"]) {
    await way.client.write(bytes(word));
  }
  assertEquals(await read(way.server), "un\ndeux\ntrois\n");
});

Deno.test("TcpRelay half-closes after so many bytes, and the other half goes on", async () => {
  for (const way of ["up", "down"] as const) {
    await using both = await through({ halfClose: { way, after: 5 } });
    const { client, server } = both;
    const [one, two] = way === "up" ? [client, server] : [server, client];
    await one.write(bytes(TEXT));
    assertEquals((await rest(two)).join(""), "Voila");
    await two.write(bytes("entendu"));
    assertEquals(await read(one), "entendu");
  }
});

Deno.test("TcpRelay resets both sides after so many bytes", async () => {
  for (const way of ["up", "down"] as const) {
    await using both = await through({ reset: { way, after: 4 } });
    const { client, server, relay } = both;
    await (way === "up" ? client : server).write(bytes(TEXT));
    await relay.struck;
    for (const conn of [client, server]) {
      await assertRejects(() => rest(conn), Deno.errors.ConnectionReset);
    }
    assertEquals(relay.log[way], ["4 bytes after 0 ms", "reset"]);
  }
});

Deno.test("TcpRelay passes a reset on", async () => {
  using listener = Deno.listen(LOCAL);
  await using relay = await TcpRelay.start(listener.addr.port);
  const client = net.connect(relay.port, "127.0.0.1");
  client.write("lu");
  using server = await listener.accept();
  assertEquals(await read(server), "lu");
  const closed = new Promise((resolve) => client.on("close", resolve));
  client.resetAndDestroy();
  await assertRejects(() => rest(server), Deno.errors.ConnectionReset);
  await closed;
});

Deno.test("TcpRelay stalls one way, and leaves the other one open", async () => {
  await using way = await through({ stall: { way: "up", after: 4 } });
  await way.client.write(bytes(TEXT));
  await way.relay.struck;
  assertEquals(await read(way.server), "Voil");
  const more = read(way.server).catch(() => "cut off");
  await way.server.write(bytes("j'attends"));
  assertEquals(await read(way.client), "j'attends");
  assertEquals(way.relay.log.up, ["4 bytes after 0 ms", "stall"]);
  await way.relay[Symbol.asyncDispose]();
  // It came when the relay stopped, not before: not the bytes that were held.
  assert([null, "cut off"].includes(await more));
});

Deno.test("TcpRelay does the same for the same seed, and else for another", async () => {
  const logs = [];
  for (const seed of [7, 7, 8]) {
    await using way = await through({ slice: [1, 9], delay: [0, 4] }, seed);
    await way.client.write(bytes(TEXT.repeat(5)));
    await way.client.closeWrite();
    assertEquals((await rest(way.server)).join(""), TEXT.repeat(5));
    logs.push(way.relay.log.up);
  }
  assertEquals(logs[0], logs[1]);
  assert(`${logs[0]}` !== `${logs[2]}`);
});

Deno.test("random is mulberry32", () => {
  const next = random(1);
  assertEquals([next(), next()].map((n) => Math.floor(n * 2 ** 32)), [
    2693262067,
    11749833,
  ]);
});

/** What arrives at the server of so many numbered datagrams, and what was done. */
async function datagrams(faults: UdpFaults, count: number, seed?: number) {
  const local = { ...LOCAL, transport: "udp" } as const;
  const server = Deno.listenDatagram(local),
    client = Deno.listenDatagram(local);
  await using relay = new UdpRelay(
    (server.addr as Deno.NetAddr).port,
    faults,
    seed,
  );
  const to = { ...local, port: relay.port };
  const got: number[] = [];
  const listen = async () => {
    while (true) {
      const [bytes] = await server.receive();
      got.push(bytes[0]);
    }
  };
  const listening = listen().catch(() => {});
  for (let n = 0; n < count; n++) {
    await client.send(Uint8Array.of(n), to);
    while (relay.log.up.length <= n) await new Promise(setImmediate);
  }
  const expected = relay.log.up.reduce(
    (sum, fate) =>
      sum + (fate === "drop" ? 0 : fate.startsWith("twice") ? 2 : 1),
    0,
  );
  const end = performance.now() + PATIENCE;
  while (got.length < expected && performance.now() < end) {
    await new Promise(setImmediate);
  }
  server.close();
  client.close();
  await listening;
  return { got, expected, log: relay.log.up };
}

Deno.test("UdpRelay without faults passes each datagram, in order", async () => {
  const { got } = await datagrams({}, 20);
  assertEquals(got, Array.from({ length: 20 }, (_, n) => n));
});

Deno.test("UdpRelay drops, duplicates and reorders as it says", async () => {
  const faults = { drop: 0.3, duplicate: 0.3, reorder: 0.3 };
  const { got, expected, log } = await datagrams(faults, 60, 1);
  assertEquals(got.length, expected);
  for (let n = 0; n < 60; n++) {
    const copies = log[n] === "drop" ? 0 : log[n].startsWith("twice") ? 2 : 1;
    assertEquals(got.filter((other) => other === n).length, copies, log[n]);
  }
  assert(`${got}` !== `${got.toSorted((a, b) => a - b)}`, "overtaking");
  const drops = log.filter((fate) => fate === "drop").length;
  assert(drops > 8 && drops < 28, `${drops} of 60`);
});

Deno.test("UdpRelay does the same for the same seed, and else for another", async () => {
  const faults = { drop: 0.3, duplicate: 0.3, reorder: 0.3 };
  const logs = [];
  for (const seed of [7, 7, 8]) {
    logs.push((await datagrams(faults, 30, seed)).log);
  }
  assertEquals(logs[0], logs[1]);
  assert(`${logs[0]}` !== `${logs[2]}`);
});
