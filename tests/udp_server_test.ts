import { assert, assertEquals, assertRejects } from "@std/assert";
import { serve as answer } from "../scripts/udp_server.ts";
import { bytes, printed, python, serve } from "./harness.ts";

const ANSWER = "Bonjour, je suis le serveur";
const REFUSAL = "Message refusé : ce n'est pas de l'UTF-8";
const LOCAL = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;

/** Sends a datagram, which a Python expression makes, and returns its answer. */
async function ask(data: string, port: string): Promise<string> {
  const code = `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(${data}, ("127.0.0.1", int(sys.argv[1])))
print(s.recv(65535).decode(), end="")`;
  await using client = python(code, port);
  const { out, err } = await client.end();
  assertEquals(err, "");
  return out;
}

Deno.test("udp_server answers each datagram, and shows what may be shown of it", async () => {
  await using server = await serve("udp_server");
  for (
    const [data, expected, shown] of [
      [`b""`, ANSWER, ""],
      [`b"x" * 65506 + b"!"`, ANSWER, "x".repeat(65506) + "!"],
      [String.raw`b"a\xff"`, REFUSAL, "a\ufffd"],
      [
        String.raw`"\ufeff😀\x1b[31m\x9b\u202e\nb\u2066\0".encode()`,
        ANSWER,
        "\ufeff😀[31mb",
      ],
    ]
  ) {
    server.out = "";
    assertEquals(await ask(data, server.address[1]), expected);
    const [, message] = await server.says(/^Message reçu de .*:\d+ : (.*)\n/);
    assertEquals(message, shown);
  }
});

/** Serves on some sockets while `attack` lasts, and returns what they print. */
async function serving(
  sockets: Deno.DatagramConn[],
  attack: () => Promise<void>,
): Promise<string[]> {
  const stop = new AbortController();
  return await printed(async () => {
    const servers = sockets.map((socket) => answer(socket, stop.signal));
    await attack().finally(() => stop.abort());
    await Promise.all(servers);
  });
}

Deno.test("udp_server answers no answer: neither its own, nor that of another one like it", async () => {
  const [one, two] = [1, 2].map(() => Deno.listenDatagram(LOCAL));
  const said = await serving([one, two], async () => {
    for (const datagram of [bytes("Bonjour"), Uint8Array.of(255)]) {
      // What a forger would send: the sender is the server itself, or its like.
      await one.send(datagram, one.addr);
      await one.send(datagram, two.addr);
    }
    for (const { addr } of [one, two]) {
      const { port } = addr as Deno.NetAddr;
      assertEquals(await ask(`b"encore"`, `${port}`), ANSWER);
    }
  });
  // Four datagrams, and the answers to them.
  assertEquals(said.filter((line) => !line.endsWith("encore")).length, 8);
});

/** A socket that receives what `steps` give, one after the other, and is closed. */
function staged(
  steps: (() => [Uint8Array, Deno.Addr])[],
  send: (sender: Deno.NetAddr) => Promise<number>,
): Deno.DatagramConn {
  const { promise: closed, reject } = Promise.withResolvers<never>();
  closed.catch(() => {});
  return {
    receive: async () => steps.shift()?.() ?? await closed,
    send: (_: Uint8Array, sender: Deno.NetAddr) => send(sender),
    close: () => reject(new Deno.errors.BadResource()),
  } as unknown as Deno.DatagramConn;
}

Deno.test("udp_server loses no time with senders that cannot be reached", async () => {
  const { promise: reached, resolve } = Promise.withResolvers<void>();
  const from = (port: number) => () =>
    [bytes("Bonjour"), { ...LOCAL, port }] as [Uint8Array, Deno.Addr];
  const late = () => {
    throw new Deno.errors.ConnectionReset(); // As Windows says it.
  };
  const steps = [...Array(100).fill(from(0)), ...Array(100).fill(late)];
  const socket = staged([...steps, from(1)], async ({ port }) => {
    if (port === 0) throw new TypeError("Invalid argument");
    resolve();
    return await 1;
  });
  const begin = performance.now();
  const said = await serving([socket], () => reached);
  assert(performance.now() - begin < 5000); // Not 50 ms for each.
  assertEquals(said[1], "Réponse perdue : TypeError: Invalid argument");
});

Deno.test("udp_server ends when its socket can receive no more", async () => {
  const fail = () => {
    throw new Error("cassé");
  };
  const socket = staged([fail], () => Promise.resolve(0));
  const serve = answer(socket, new AbortController().signal);
  await assertRejects(() => serve, Error, "cassé");
});
