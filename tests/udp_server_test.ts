import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve as serveSenders } from "../scripts/udp_server.ts";
import {
  bytes,
  header,
  Program,
  python,
  run,
  serve,
  testWith,
} from "./harness.ts";

const SERVER = "udp_server";
const ANSWER = "Bonjour, je suis le serveur";
const REFUSAL = "Message refusé : ce n'est pas de l'UTF-8";

/** Sends a datagram, which a Python expression makes, and returns the answer to it. */
async function ask(data: string, address: string[], host = "127.0.0.1") {
  await using client = python(
    `
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(${data}, (sys.argv[1], int(sys.argv[2])))
print(s.recv(65535).decode(), end="")`,
    host,
    address[1],
  );
  const { out, err } = await client.end();
  assertEquals(err, "");
  return out;
}

/** A server is well if it still answers, and ends with 0 when it is told to. */
async function assertWell(server: Program & { address: string[] }) {
  assertEquals(await ask(`b"encore ?"`, server.address), ANSWER);
  server.kill();
  const { code, out } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, / : encore \?\nServeur arrêté\n$/);
}

for (
  const [name, data, answer, report] of [
    [
      "answers a datagram, and prints it with its sender",
      `"Ça va ?".encode()`,
      ANSWER,
      /^Message reçu de 127\.0\.0\.1:\d+ : Ça va \?\n/m,
    ],
    [
      "answers an empty datagram",
      `b""`,
      ANSWER,
      /^Message reçu de 127\.0\.0\.1:\d+ : \n/m,
    ],
    [
      "takes all of the longest datagram",
      `b"x" * 65506 + b"!"`,
      ANSWER,
      /^Message reçu de 127\.0\.0\.1:\d+ : x{65506}!\n/m,
    ],
    [
      "refuses what is not UTF-8",
      String.raw`b"ab\xff"`,
      REFUSAL,
      /^Message refusé de 127\.0\.0\.1:\d+ : ce n'est pas de l'UTF-8\n/,
    ],
    [
      "shows U+FEFF, U+FFFD and an emoji as they were sent, without the NUL",
      String.raw`"\ufeffa\0b é € 😀\ufffd".encode()`,
      ANSWER,
      /^Message reçu de 127\.0\.0\.1:\d+ : \ufeffab é € 😀\ufffd\n/mu,
    ],
    [
      "strips what commands a terminal from what it prints",
      String.raw`"a\x1b[31mb\x07\x9b\u202ec\nd\u2066".encode()`,
      ANSWER,
      /^Message reçu de 127\.0\.0\.1:\d+ : a\[31mbcd\n/m,
    ],
  ] satisfies [string, string, string, RegExp][]
) {
  Deno.test(`udp_server ${name}`, async () => {
    await using server = await serve(SERVER);
    assertEquals(await ask(data, server.address), answer);
    await server.until(
      () => report.test(server.out) || report.test(server.err),
      `a report that matches ${report}`,
    );
    await assertWell(server);
  });
}

Deno.test("udp_server goes on when senders do not wait for its answers", async () => {
  await using server = await serve(SERVER);
  await using senders = python(
    `
for _ in range(100):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"adieu", ("127.0.0.1", int(sys.argv[1])))
    s.close()`,
    server.address[1],
  );
  assertEquals((await senders.end()).err, "");
  await assertWell(server);
});

testWith(
  "python3",
  "udp_server drops most of a burst, and answers who comes later",
  async () => {
    await using server = await serve(SERVER);
    server.kill("SIGSTOP");
    await using senders = python(
      `
at = ("127.0.0.1", int(sys.argv[1]))
burst = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(20000): burst.sendto(b"vite", at)
print("dit")
later = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
later.settimeout(0.5)
for _ in range(20):
    later.sendto(b"et moi ?", at)  # Dropped as well while the buffer is full.
    try:
        print(later.recv(100).decode())
        break
    except TimeoutError: pass
# The server takes them in turn: what it answered before is all there.
burst.setblocking(False)
answers = 0
try:
    while burst.recv(100): answers += 1
except BlockingIOError: print(answers)`,
      server.address[1],
    );
    await senders.says("dit\n");
    server.kill("SIGCONT");
    const { out, err } = await senders.end();
    assertEquals(err, "");
    const [, answers] = out.match(`^dit\n${ANSWER}\n(\\d+)\n$`) ?? [];
    assert(Number(answers) > 0 && Number(answers) < 10_000, out);
    await assertWell(server);
  },
);

Deno.test("udp_server goes on when an answer cannot be sent", async () => {
  const broken = `
    const { listenDatagram } = Deno;
    Deno.listenDatagram = (options) => {
      const socket = listenDatagram(options), send = socket.send.bind(socket);
      socket.send = () => {
        socket.send = send;
        return Promise.reject(new TypeError("cassé"));
      };
      return socket;
    };`;
  const url = `data:application/javascript,${encodeURIComponent(broken)}`;
  const flags = [...header(SERVER).flags, "--preload", url];
  await using server = await serve(SERVER, [], { flags });
  await using sender = python(
    `
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"perdu", ("127.0.0.1", int(sys.argv[1])))`,
    server.address[1],
  );
  assertEquals((await sender.end()).err, "");
  await server.complains("Datagramme perdu");
  await assertWell(server);
  assertEquals(server.err, "Datagramme perdu : cassé\n");
});

testWith("nc", "udp_server answers nc -u", async () => {
  await using server = await serve(SERVER);
  const command = `printf Bonjour | nc -u -W 1 127.0.0.1 ${server.address[1]}`;
  await using nc = new Program("sh", ["-c", command]);
  assertEquals((await nc.end()).out, ANSWER);
  await server.says(/^Message reçu de 127\.0\.0\.1:\d+ : Bonjour\n/m);
});

testWith("IPv6", "udp_server serves IPv6", async () => {
  await using server = await serve(SERVER, ["--host", "::1"]);
  assertEquals(await ask(`b"Bonjour"`, server.address, "::1"), ANSWER);
  await server.says(/^Message reçu de \[::1\]:\d+ : Bonjour\n/m);
});

Deno.test("udp_server ends with 0 on SIGINT", async () => {
  await using server = await serve(SERVER);
  server.kill("SIGINT");
  const { code, out, err } = await server.end();
  assertEquals([code, err], [0, ""]);
  assertMatch(out, /^Serveur prêt, en attente .*\nServeur arrêté\n$/);
});

Deno.test("udp_server stops without a complaint on SIGINT and SIGTERM at once", async () => {
  await using server = await serve(SERVER);
  server.kill("SIGINT");
  server.kill("SIGTERM");
  const { code, err } = await server.end();
  assert(code === 0 || code === 130, `${code}`);
  assertEquals(err, "");
});

Deno.test("udp_server says in one line that its host is unknown", async () => {
  const host = "pas.un.hote.invalid";
  const { code, out, err } = await run(SERVER, ["--host", host]);
  assertEquals([code, out], [1, ""]);
  assertMatch(err, /^Impossible d'écouter sur pas\.un\.hote\.invalid .+\n$/);
});

Deno.test("udp_server says in one line that its port is in use", async () => {
  await using server = await serve(SERVER);
  const [, port] = server.address;
  assertEquals(await run(SERVER, server.address), {
    code: 1,
    out: "",
    err: `Port ${port} déjà utilisé : choisissez-en un autre avec --port\n`,
  });
});

for (
  const args of [
    ["--prout"],
    ["bonjour"],
    ["--host="],
    ["--port", "x"],
    ["--port", "65536"],
    ["--port", "1.5"],
  ]
) {
  Deno.test(`udp_server ${args.join(" ")} is wrong usage, said in one line`, async () => {
    const { code, out, err } = await run(SERVER, args);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}

Deno.test({
  name:
    "serve of udp_server answers until its signal aborts, and closes its socket",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    const local = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
    const said: string[] = [], { log } = console;
    console.log = (line: string) => void said.push(line);
    const stop = new AbortController();
    const socket = Deno.listenDatagram(local);
    const serving = serveSenders(socket, stop.signal);
    const client = Deno.listenDatagram(local);
    // To close is what ends a wait for an answer that does not come.
    const limit = setTimeout(() => client.close(), 10_000);
    try {
      await client.send(bytes("Bonjour"), socket.addr);
      const [answer, from] = await client.receive();
      assertEquals(new TextDecoder().decode(answer), ANSWER);
      assertEquals(from, socket.addr);
      const { port } = client.addr as Deno.NetAddr;
      assertEquals(said, [`Message reçu de 127.0.0.1:${port} : Bonjour`]);
    } finally {
      console.log = log;
      clearTimeout(limit);
      client.close();
      stop.abort();
      await serving;
    }
  },
});
