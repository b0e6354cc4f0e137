import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
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
const GREETING = "Bonjour, je suis le client";

/** A Python server with its socket in `s`, and a stranger's in `other`. */
function peer(code: string): Program {
  return python(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.bind(("127.0.0.1", 0))
print("127.0.0.1:%d" % s.getsockname()[1])
m, client = s.recvfrom(65535)
${code}`);
}

// What is said to it, what Python's socket does with that and prints, and what the
// client prints then.
for (
  const [name, message, code, heard, shown] of [
    [
      "sends its greeting when it is given no message",
      [],
      `s.sendto(b"oui", client); print(m.decode())`,
      GREETING,
      "oui",
    ],
    [
      "sends its words as one message, and takes an empty answer",
      ["007", "Ça va ?"],
      `s.sendto(b"", client); print(m.decode())`,
      "007 Ça va ?",
      "",
    ],
    [
      "sends and takes the longest datagram",
      ["x".repeat(65507)],
      `s.sendto(b"y" * 65507, client); print(len(m))`,
      "65507",
      "y".repeat(65507),
    ],
    [
      "strips what commands a terminal from the answer",
      ["a"],
      String.raw`s.sendto("a\x1b[2J\x07\x9b\u202e\0c".encode(), client)`,
      "",
      "a[2Jc",
    ],
    [
      "ignores what a stranger answers",
      ["a"],
      `other.sendto(b"faux", ("127.0.0.1", client[1])); s.sendto(b"vrai", client)`,
      "",
      "vrai",
    ],
  ] satisfies [string, string[], string, string, string][]
) {
  Deno.test(`udp_client ${name}`, async () => {
    await using server = peer(code);
    const port = await server.port();
    const end = await run(CLIENT, [...message, "--port", `${port}`]);
    assertEquals(end, { code: 0, out: shown + "\n", err: "" });
    const { out, err } = await server.end();
    assertEquals(err, "");
    assertEquals(out, `127.0.0.1:${port}\n${heard && heard + "\n"}`);
  });
}

Deno.test("udp_client gives up after 5 s", async () => {
  await using server = peer("");
  const port = await server.port();
  const begin = performance.now();
  const end = await run(CLIENT, ["--port", `${port}`]);
  assert(performance.now() - begin >= 5000);
  const problem = `aucune réponse de 127.0.0.1:${port}`;
  const err = `TimedOut: ${problem} : le serveur est-il lancé ?\n`;
  assertEquals(end, { code: 1, out: "", err });
});

Deno.test("ask of udp_client sends again after 1 s and 3 s", async () => {
  await using server = peer(`
for _ in range(2): assert s.recvfrom(65535) == (m, client)
s.sendto(b"enfin", client)`);
  const port = await server.port();
  const address = { hostname: "127.0.0.1", port, transport: "udp" } as const;
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
    await using server = await serve("udp_server", ["--host", "::1"]);
    for (const host of ["::1", "[::1]", "0:0::0:1"]) {
      const end = await run(CLIENT, [...server.address, "--host", host]);
      const out = "Bonjour, je suis le serveur\n";
      assertEquals(end, { code: 0, out, err: "" });
    }
  },
);

Deno.test("udp_client finds a server by its name", async () => {
  await using server = peer(`s.sendto(b"oui", client)`);
  const address = ["--host", "localhost", "--port", `${await server.port()}`];
  assertEquals((await run(CLIENT, address)).out, "oui\n");
});

for (
  const [name, args, trouble] of [
    [
      "a message that no datagram holds",
      ["x".repeat(65508)],
      "Message too long",
    ],
    ["port 0", ["--port", "0"], "Invalid port"],
    ["a host without a name", ["--host="], "--host est vide"],
  ] as const
) {
  Deno.test(`udp_client refuses ${name} in one line`, async () => {
    const { code, out, err } = await run(CLIENT, [...args]);
    assertEquals([code, out], [1, ""]);
    assertMatch(err, new RegExp(`^\\w*Error: .*${trouble}.*\n$`));
  });
}

Deno.test("udp_client names the permission that a host's name needs", async () => {
  const options = { flags: ["--unstable-net"] };
  const { code, err } = await run(CLIENT, ["--host", "localhost"], options);
  assertEquals(code, 1);
  assertMatch(err, /^.* : ajoutez --allow-net\n$/);
});

/** Asks a peer, in this process. */
async function askPeer(server: Program, limit?: number): Promise<string> {
  const port = await server.port();
  const address = { hostname: "127.0.0.1", port, transport: "udp" } as const;
  return await ask(address, "a", limit);
}

Deno.test("ask of udp_client says that an answer came from another address", async () => {
  await using server = peer(`
while True: other.sendto(b"faux", ("127.0.0.1", client[1]))`);
  const { message } = await assertRejects(
    () => askPeer(server, 200),
    Deno.errors.TimedOut,
  );
  assertMatch(
    message,
    /^aucune réponse de .* ; une réponse est venue d'une autre adresse, 127\.0\.0\.1:\d+$/,
  );
});

Deno.test("ask of udp_client takes an answer as it came, and refuses one that is not UTF-8", async () => {
  await using good = peer(
    String.raw`s.sendto("\ufeffé 😀\ufffd".encode(), client)`,
  );
  assertEquals(await askPeer(good), "\ufeffé 😀\ufffd");
  await using broken = peer(String.raw`s.sendto(b"ab\xff", client)`);
  await assertRejects(() => askPeer(broken), Refusal, "pas de l'UTF-8");
});
