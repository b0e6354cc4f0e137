/** The relay does to bytes and datagrams what it is told to, and the same each time. */
import { assert, assertEquals } from "@std/assert";
import { bytes, Peer, rest } from "../harness.ts";
import { random, TcpFaults, TcpRelay, UdpFaults, UdpRelay } from "./relay.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };
const TEXT = "Voila ce qui passe.";

/** A connection through a relay: what the client and what the server holds. */
async function through(faults: TcpFaults, seed?: number) {
  await using stack = new AsyncDisposableStack();
  const listener = stack.use(Deno.listen(LOCAL));
  const { port } = listener.addr;
  const relay = stack.use(await TcpRelay.start(port, faults, seed));
  const client = stack.use(await Peer.connect(relay.port));
  const server = stack.use(await listener.accept());
  const all = stack.move();
  return {
    relay,
    client,
    server,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** What one read brings. */
async function read(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(1000);
  const count = await conn.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

Deno.test("TcpRelay without faults passes both ways, and the end of each half", async () => {
  await using way = await through({});
  const answered = way.client.say(TEXT).then(() => way.client.end());
  assertEquals(await read(way.server), TEXT);
  assertEquals(await read(way.server), "");
  await way.server.write(bytes("la réponse"));
  await way.server.closeWrite();
  assertEquals(await answered, "la réponse");
});

Deno.test("TcpRelay passes a million bytes unchanged", async () => {
  await using way = await through({ slice: 100_000 });
  const sent = new Uint8Array(1e6).map((_, i) => i * 7);
  way.client.say(sent).then(() => way.client.socket.end());
  const got = await new Response(way.server.readable).bytes();
  assertEquals(got.length, sent.length);
  assert(got.every((byte, i) => byte === sent[i]));
});

Deno.test("TcpRelay does the same for the same seed", async () => {
  const pieces = [];
  for (const seed of [7, 7, 8]) {
    await using way = await through({ slice: 9, delay: 2 }, seed);
    way.client.say(TEXT).then(() => way.client.socket.end());
    assertEquals(await rest(way.server), TEXT);
    pieces.push(`${way.relay.pieces.up}`);
  }
  assertEquals(pieces[0], pieces[1]);
  assert(pieces[0] !== pieces[2]);
});

Deno.test("TcpRelay slices to single bytes", async () => {
  await using way = await through({ slice: 1 });
  way.client.say(TEXT).then(() => way.client.socket.end());
  assertEquals(await rest(way.server), TEXT);
  assertEquals(way.relay.pieces.up, Array(TEXT.length).fill(1));
});

Deno.test("TcpRelay glues what comes in several writes", async () => {
  await using way = await through({ glue: 200 });
  for (const word of ["un\n", "deux\n", "trois\n"]) await way.client.say(word);
  assertEquals(await read(way.server), "un\ndeux\ntrois\n");
});

Deno.test("TcpRelay half-closes after so many bytes, and the other half goes on", async () => {
  await using way = await through({ halfClose: { way: "up", after: 5 } });
  await way.client.say(TEXT);
  assertEquals([await read(way.server), await read(way.server)], ["Voila", ""]);
  await way.server.write(bytes("entendu"));
  await way.client.hears("entendu");
});

Deno.test("TcpRelay resets both sides after so many bytes", async () => {
  await using way = await through({ reset: { way: "down", after: 4 } });
  await way.server.write(bytes(TEXT));
  await way.relay.struck;
  assertEquals(way.relay.pieces.down, [4]);
  await way.client.ended();
  assertEquals(await rest(way.server), "ConnectionReset");
});

Deno.test("TcpRelay passes a reset on", async () => {
  await using way = await through({});
  await way.client.say("lu");
  assertEquals(await read(way.server), "lu");
  await way.client.reset();
  assertEquals(await rest(way.server), "ConnectionReset");
});

Deno.test("TcpRelay stalls one way, and leaves the other one open", async () => {
  await using way = await through({ stall: { way: "up", after: 4 } });
  await way.client.say(TEXT);
  await way.relay.struck;
  assertEquals(await read(way.server), "Voil");
  await way.server.write(bytes("j'attends"));
  await way.client.hears("j'attends");
  assertEquals(way.relay.pieces.up, [4]);
});

Deno.test("random is mulberry32", () => {
  const next = random(1);
  const numbers = [next(), next()].map((n) => Math.floor(n * 2 ** 32));
  assertEquals(numbers, [2693262067, 11749833]);
});

Deno.test("UdpRelay drops and duplicates as it says, the same for the same seed", async () => {
  const faults: UdpFaults = { drop: 0.3, duplicate: 0.3, delay: 5 };
  const fates = [];
  for (const seed of [7, 7, 8]) {
    const at = { ...LOCAL, transport: "udp" } as const;
    using ends = new DisposableStack();
    const open = () =>
      ends.adopt(Deno.listenDatagram(at), (socket) => socket.close());
    const server = open(), client = open();
    using relay = new UdpRelay(
      (server.addr as Deno.NetAddr).port,
      faults,
      seed,
    );
    const { copies } = relay, got: number[] = [];
    for (let n = 0; n < 30; n++) {
      await client.send(Uint8Array.of(n), { ...at, port: relay.port });
      while (copies.up.length <= n) await new Promise(setImmediate);
    }
    const expected = copies.up.flatMap((count, n) => Array(count).fill(n));
    while (got.length < expected.length) {
      got.push((await server.receive())[0][0]);
    }
    assertEquals(got.sort((a, b) => a - b), expected);
    fates.push(`${copies.up}`);
  }
  assertEquals(fates[0], fates[1]);
  assert(fates[0] !== fates[2] && /0/.test(fates[0]) && /2/.test(fates[0]));
});
