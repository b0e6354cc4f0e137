import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ask } from "../scripts/udp_client.ts";
import {
  bytes,
  header,
  Program,
  python,
  ROOT,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";

const CLIENT = "udp_client";
const GREETING = "Bonjour, je suis le client";

/** A Python server with its socket in `s`. */
function peer(code: string) {
  return python(`
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.bind(("127.0.0.1", 0))
print("127.0.0.1:%d" % s.getsockname()[1])
${code}`);
}

Deno.test("udp_client prints the answer of udp_server", async () => {
  await using server = await serve("udp_server");
  assertEquals(await run(CLIENT, ["Ça va ?", ...server.address]), {
    code: 0,
    out: "Bonjour, je suis le serveur\n",
    err: "",
  });
  await server.says(/^Message reçu de 127\.0\.0\.1:\d+ : Ça va \?\n/m);
});

testWith("IPv6", "udp_client talks over IPv6", async () => {
  await using server = await serve("udp_server", ["--host", "::1"]);
  const { code, out } = await run(CLIENT, [...server.address, "--host", "::1"]);
  assertEquals([code, out], [0, "Bonjour, je suis le serveur\n"]);
});

testWith(
  "IPv6",
  "udp_client knows the server's answer however --host is spelled",
  async () => {
    await using server = await serve("udp_server", ["--host", "::1"]);
    for (const host of ["0:0:0:0:0:0:0:1", "[::1]", "0::1"]) {
      const { code, err } = await run(CLIENT, [
        ...server.address,
        "--host",
        host,
      ]);
      assertEquals([code, err], [0, ""]);
    }
  },
);

testWith("nc", "udp_client talks to nc -u", async () => {
  await using nc = new Program("nc", ["-nulv", "127.0.0.1", "0"], {
    stdin: "piped",
  });
  const [, port] = await nc.complains(/Bound on 127\.0\.0\.1 (\d+)/);
  await using client = start(CLIENT, ["--port", port, "--timeout", "10"]);
  await nc.says(GREETING);
  await nc.type("Bonjour de nc");
  assertEquals(await client.end(), {
    code: 0,
    out: "Bonjour de nc\n",
    err: "",
  });
});

// What the client says, what Python's socket does with it and prints of it, and
// what the client prints then.
for (
  const [name, message, code, heard, shown] of [
    [
      "sends its greeting when it is given no message",
      [],
      `m, client = s.recvfrom(65535); s.sendto(b"oui", client); print(m.decode())`,
      GREETING,
      "oui",
    ],
    [
      "sends and takes an empty datagram",
      [""],
      `m, client = s.recvfrom(65535); s.sendto(b"", client); print(len(m))`,
      "0",
      "",
    ],
    [
      "sends and takes the longest datagram",
      ["x".repeat(65507)],
      `m, client = s.recvfrom(65535); s.sendto(b"y" * 65507, client); print(len(m))`,
      "65507",
      "y".repeat(65507),
    ],
    [
      "strips what commands a terminal from the answer",
      ["a"],
      String.raw`m, client = s.recvfrom(65535)
s.sendto("a\x1b[2Jb\x07\x9b\u202ec".encode(), client)`,
      "",
      "a[2Jbc",
    ],
    [
      "sends again when its first datagram is lost",
      ["a"],
      `m, client = s.recvfrom(65535)
print(m, s.recvfrom(65535) == (m, client))
s.sendto(b"la seconde", client)`,
      "b'a' True",
      "la seconde",
    ],
    [
      "ignores what a stranger answers",
      ["a"],
      `m, client = s.recvfrom(65535)
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
other.sendto(b"faux", ("127.0.0.1", client[1]))
s.sendto(b"vrai", client)`,
      "",
      "vrai",
    ],
  ] satisfies [string, string[], string, string, string][]
) {
  Deno.test(`udp_client ${name}`, async () => {
    await using server = peer(code);
    const port = await server.port();
    const args = [...message, "--port", `${port}`, "--timeout", "10"];
    assertEquals(await run(CLIENT, args), {
      code: 0,
      out: shown + "\n",
      err: "",
    });
    const { out, err } = await server.end();
    assertEquals(err, "");
    assertEquals(out, `127.0.0.1:${port}\n${heard && heard + "\n"}`);
  });
}

Deno.test("udp_client shows any UTF-8 as it came, less NUL", async () => {
  await using server = peer(String.raw`m, client = s.recvfrom(65535)
s.sendto("\ufeffa\0b é € 😀\ufffd".encode(), client)`);
  const { flags, path } = header(CLIENT);
  const args = ["run", ...flags, path, "--port", `${await server.port()}`];
  // As bytes: a decoder would take the U+FEFF that stands first for a mark.
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--timeout", "10"],
    cwd: ROOT,
  }).output();
  assertEquals([code, stdout], [0, bytes("\ufeffab é € 😀\ufffd\n")]);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`udp_client stops with 0 on ${signal}, while it waits for an answer`, async () => {
    await using server = peer(`print(s.recv(65535).decode())
threading.Event().wait()`);
    const args = ["--port", `${await server.port()}`, "--timeout", "30"];
    await using client = start(CLIENT, args);
    await server.says(GREETING);
    client.kill(signal);
    assertEquals(await client.end(), { code: 0, out: "", err: "" });
  });
}

for (
  const [name, message, code, trouble] of [
    [
      "gives up on a server that never answers",
      "a",
      "while True: s.recvfrom(65535)",
      "aucune réponse en 1 s : le serveur est-il lancé ?",
    ],
    [
      "gives up where nobody is",
      "a",
      "s.close()",
      "aucune réponse en 1 s : le serveur est-il lancé ?",
    ],
    [
      "gives up when only a stranger answers, without end",
      "a",
      `m, client = s.recvfrom(65535)
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True: other.sendto(b"faux", ("127.0.0.1", client[1]))`,
      "aucune réponse en 1 s : le serveur est-il lancé ?",
    ],
    [
      "refuses an answer that is not UTF-8",
      "a",
      String.raw`m, client = s.recvfrom(65535); s.sendto(b"ab\xff", client)`,
      "Réponse refusée : ce n'est pas de l'UTF-8",
    ],
    [
      "refuses to send what no datagram holds",
      "x".repeat(65508),
      "",
      "message trop long : 65507 octets au plus par datagramme",
    ],
  ] satisfies [string, string, string, string][]
) {
  Deno.test(`udp_client ${name}, says so and ends with 1`, async () => {
    await using server = peer(code);
    const port = await server.port();
    const args = [message, "--port", `${port}`, "--timeout", "1"];
    assertEquals(await run(CLIENT, args), {
      code: 1,
      out: "",
      err: `127.0.0.1 port ${port} : ${trouble}\n`,
    });
  });
}

Deno.test("udp_client says in one line that it does not know a host", async () => {
  assertEquals(await run(CLIENT, ["--host", "nulle-part.invalid"]), {
    code: 1,
    out: "",
    err: "nulle-part.invalid port 50000 : hôte inconnu : vérifiez --host\n",
  });
});

for (
  const args of [
    ["--prout"],
    ["un", "deux"],
    ["--host="],
    ["--port", "0"],
    ["--port", "x"],
    ["--port", "65536"],
    ["--timeout", "0"],
    ["--timeout", "bientôt"],
  ]
) {
  Deno.test(`udp_client ${args.join(" ")} is wrong usage, said in one line`, async () => {
    const { code, out, err } = await run(CLIENT, args);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}

Deno.test({
  name: "ask of udp_client gives up after its time limit, and leaves no timer",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    const local = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
    const silent = Deno.listenDatagram(local);
    const socket = Deno.listenDatagram(local);
    try {
      const server = silent.addr as Deno.NetAddr;
      await assertRejects(
        () => ask(socket, server, "a", 0.1),
        Deno.errors.TimedOut,
      );
    } finally {
      socket.close();
      silent.close();
    }
  },
});
