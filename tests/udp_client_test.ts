import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Refusal } from "../scripts/encoding.ts";
import { ask } from "../scripts/udp_client.ts";
import {
  type Program,
  python,
  retimed,
  run,
  serve,
  testWith,
} from "./harness.ts";

const CLIENT = "udp_client";

/** A Python server with its socket in `s`, and a stranger's in `other`. */
function peer(code: string): Program {
  return python(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(60)
s.bind(("127.0.0.1", 0))
print("127.0.0.1:%d" % s.getsockname()[1])
m, client = s.recvfrom(65535)
${code}`);
}

Deno.test("udp_client sends its greeting to a host by name, and shows the answer without what commands a terminal", async () => {
  await using server = peer(String.raw`
s.sendto("a\x1b[2J\x07\x9b\u202e\0c".encode(), client)
print(m.decode())`);
  const port = `${await server.port()}`;
  const end = await run(CLIENT, ["--host", "localhost", "--port", port]);
  assertEquals(end, { code: 0, out: "a[2Jc\n", err: "" });
  await server.says("\nBonjour, je suis le client\n");
});

Deno.test("udp_client sends its words as one message, and takes an empty answer, but a stranger's never", async () => {
  await using server = peer(`
other.sendto(b"faux", ("127.0.0.1", client[1]))
s.sendto(b"", client)
print(m.decode())`);
  const port = `${await server.port()}`;
  const end = await run(CLIENT, ["007", "Ça va ?", "--port", port]);
  assertEquals(end, { code: 0, out: "\n", err: "" });
  await server.says("\n007 Ça va ?\n");
});

/** Where a peer is, for `ask`. */
async function addressOf(server: Program) {
  const port = await server.port();
  return { hostname: "127.0.0.1", port, transport: "udp" } as const;
}

Deno.test("ask of udp_client sends and takes the longest datagram", async () => {
  await using server = peer(`s.sendto(m[:-1] + b"!", client)`);
  const message = "x".repeat(65507);
  const answer = await ask(await addressOf(server), message);
  assertEquals(answer, "x".repeat(65506) + "!");
});

Deno.test("ask of udp_client sends again after 1 s and 3 s", async () => {
  await using server = peer(`
for _ in range(2): assert s.recvfrom(65535) == (m, client)
s.sendto(b"enfin", client)`);
  const address = await addressOf(server);
  const delays: number[] = [];
  const asked = retimed((delay) => {
    delays.push(delay);
    return 0;
  }, () => ask(address, "a"));
  assertEquals([await asked, delays], ["enfin", [1000, 3000]]);
});

testWith(
  "IPv6",
  "udp_client knows the answer however the server's address is spelt",
  async () => {
    for (
      const [at, ...hosts] of [
        ["::1", "::1", "[::1]", "0:0::0:1"],
        ["127.0.0.1", "::ffff:127.0.0.1"],
      ]
    ) {
      await using server = await serve("udp_server", ["--host", at]);
      for (const host of hosts) {
        const end = await run(CLIENT, [...server.address, "--host", host]);
        const out = "Bonjour, je suis le serveur\n";
        assertEquals(end, { code: 0, out, err: "" });
      }
    }
  },
);

Deno.test("udp_client refuses in one line what no datagram holds, and addresses that are none", async () => {
  for (
    const [trouble, ...args] of [
      ["Message too long", "x".repeat(65508)],
      ["Invalid port", "--port", "0"],
      ["--host est vide", "--host="],
    ]
  ) {
    const { code, out, err } = await run(CLIENT, args);
    assertEquals([code, out], [1, ""]);
    assertMatch(err, new RegExp(`^\\w*Error: .*${trouble}.*\n$`));
  }
});

Deno.test("udp_client names the permission that a host's name needs", async () => {
  const options = { flags: ["--unstable-net"] };
  const { code, err } = await run(CLIENT, ["--host", "localhost"], options);
  assertEquals(code, 1);
  assertMatch(err, /^.* : ajoutez --allow-net\n$/);
});

Deno.test("ask of udp_client says that no answer came, or one from another address", async () => {
  for (
    const [limit, code, trouble] of [
      [100, "", " : le serveur est-il lancé \\?"],
      [
        2000,
        `while True: other.sendto(b"faux", ("127.0.0.1", client[1]))`,
        " ; une réponse est venue d'une autre adresse, 127.0.0.1:\\d+",
      ],
    ] as const
  ) {
    await using server = peer(code);
    const address = await addressOf(server);
    const { message } = await assertRejects(
      () => ask(address, "a", limit),
      Deno.errors.TimedOut,
    );
    assertMatch(message, RegExp(`^aucune réponse de .*:\\d+${trouble}$`));
  }
});

Deno.test("ask of udp_client takes an answer as it came, and refuses one that is not UTF-8", async () => {
  await using good = peer(
    String.raw`s.sendto("\ufeffé 😀\ufffd".encode(), client)`,
  );
  assertEquals(await ask(await addressOf(good), "a"), "\ufeffé 😀\ufffd");
  await using broken = peer(String.raw`s.sendto(b"ab\xff", client)`);
  const address = await addressOf(broken);
  await assertRejects(() => ask(address, "a"), Refusal, "pas de l'UTF-8");
});

Deno.test("ask of udp_client goes on when Windows says that nobody was there, and when it cannot send again", async () => {
  await using server = peer(`
assert s.recvfrom(65535) == (m, client)
s.sendto(b"enfin", client)`);
  const address = await addressOf(server), { listenDatagram } = Deno;
  let sent = 0;
  Deno.listenDatagram = ((options: Deno.UdpListenOptions) => {
    const socket = listenDatagram({ ...options, transport: "udp" });
    const send = socket.send.bind(socket), { receive } = socket;
    socket.send = (...args) =>
      ++sent === 2 ? Promise.reject(new Error("ENETUNREACH")) : send(...args);
    socket.receive = () => {
      socket.receive = receive;
      return Promise.reject(new Deno.errors.ConnectionReset());
    };
    return socket;
  }) as typeof listenDatagram;
  const asked = retimed(() => 0, () => ask(address, "a"));
  Object.assign(Deno, { listenDatagram });
  assertEquals([await asked, sent], ["enfin", 3]);
});

Deno.test("ask of udp_client listens where an answer from another machine can come", async () => {
  const { listenDatagram } = Deno, hostnames: string[] = [];
  Object.assign(Deno, {
    listenDatagram({ hostname }: { hostname: string }) {
      hostnames.push(hostname);
      throw new Error("assez");
    },
  });
  for (const hostname of ["192.0.2.1", "2001:db8::1"]) {
    const server = { hostname, port: 1, transport: "udp" } as const;
    await assertRejects(() => ask(server, "a"), Error, "assez");
  }
  Object.assign(Deno, { listenDatagram });
  assertEquals(hostnames, ["0.0.0.0", "::"]);
});
