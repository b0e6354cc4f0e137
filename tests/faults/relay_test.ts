/** The relay of datagrams does what it is told to, and the same each time. */
import { assert, assertEquals } from "@std/assert";
import { random, UdpFaults, UdpRelay } from "./relay.ts";

Deno.test("random is mulberry32", () => {
  const next = random(1);
  const numbers = [next(), next()].map((n) => Math.floor(n * 2 ** 32));
  assertEquals(numbers, [2693262067, 11749833]);
});

Deno.test("UdpRelay drops and duplicates as it says, the same for the same seed", async () => {
  const faults: UdpFaults = { drop: 0.3, duplicate: 0.3, delay: 5 };
  const fates = [];
  for (const seed of [7, 7, 8]) {
    const at = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
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
