import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { serve as answer } from "../scripts/udp_server.ts";
import { bytes, printed, python, serve } from "./harness.ts";

const ANSWER = "Bonjour, je suis le serveur";
const REFUSAL = "Message refusé : ce n'est pas de l'UTF-8";
const LOCAL = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;

/** Sends a datagram, which a Python expression makes, and returns its answer. */
async function ask(data: string, port: string): Promise<string> {
  const code = `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(60)
s.sendto(${data}, ("127.0.0.1", int(sys.argv[1])))
print(s.recv(65535).decode(), end="")`;
  await using client = python(code, port);
  const { out, err } = await client.end();
  assertEquals(err, "");
  return out;
}

Deno.test("udp_server answers each datagram, shows what may be shown of it, and stops at SIGINT", async () => {
  await using server = await serve("udp_server");
  for (
    const [data, expected, shown] of [
      [`b""`, ANSWER, ""],
      [`b"${ANSWER} ?"`, ANSWER, `${ANSWER} ?`],
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
  server.kill("SIGINT");
  const { code, out } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /\nServeur arrêté\n$/);
});

Deno.test("udp_server answers no answer: neither its own, nor that of another one like it", async () => {
  const [one, two] = [1, 2].map(() => Deno.listenDatagram(LOCAL));
  const stop = new AbortController();
  const said = await printed(async () => {
    const ends = [one, two].map((socket) => answer(socket, stop.signal));
    for (const datagram of [bytes("Bonjour"), Uint8Array.of(255)]) {
      // What a forger would send: the sender is the server itself, or its like.
      await one.send(datagram, one.addr);
      await one.send(datagram, two.addr);
    }
    for (const { addr } of [one, two]) {
      const { port } = addr as Deno.NetAddr;
      assertEquals(await ask(`b"encore"`, `${port}`), ANSWER);
    }
    stop.abort();
    await Promise.all(ends);
  });
  // Four datagrams, and the answers to them.
  assertEquals(said.filter((line) => !line.endsWith("encore")).length, 8);
});

Deno.test("udp_server goes on after a sender that cannot be reached, and ends when its socket fails", async () => {
  const failures = [
    new Deno.errors.ConnectionReset(), // An answer reached nobody, says Windows.
    new Error("cassé"),
  ];
  const received = [[bytes("Bonjour"), { ...LOCAL, port: 1 }]];
  const socket = {
    receive: async () =>
      received.shift() ?? await Promise.reject(failures.shift()),
    send: () => Promise.reject(new TypeError("Invalid argument")),
  } as unknown as Deno.DatagramConn;
  const { signal } = new AbortController();
  const errors: string[] = [];
  await printed(() => {
    console.error = (line: string) => void errors.push(line);
    return assertRejects(() => answer(socket, signal), Error, "cassé");
  });
  assertEquals(errors, ["Réponse perdue : TypeError: Invalid argument"]);
});
