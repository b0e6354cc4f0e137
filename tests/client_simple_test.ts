import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ask } from "../scripts/client_simple.ts";
import { encode, Refusal, write } from "../scripts/encoding.ts";
import { Program, python, ROOT, run, start, testWith } from "./harness.ts";

/**
 * A Python server for one client: it runs the code, which finds the connection in
 * `c`, when it has read a line, in `got`; it prints its port, and what it read.
 * `first` is run on the listener, `l`; `before`, before anything is read.
 */
function pythonServer(code: string, first = "", before = ""): Program {
  return python(`
l = socket.socket()
${first}
l.bind(("127.0.0.1", 0))
l.listen()
print(l.getsockname()[1])
c, _ = l.accept()
${before}
got = b""
while not got.endswith(b"\\n"):
    got += c.recv(1000) or sys.exit("end")
print(got.decode(), end="")
${code}
`);
}

/** Python whose clients cannot send 64 KiB in one write, however fast it reads. */
const NARROW = `
l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)`;

/** Python that reads nothing until, for 0.2 s, nothing more has come. */
const LATE = `
seen = same = 0
while same < 20:
    time.sleep(0.01)
    waiting = len(c.recv(100_000, socket.MSG_PEEK))
    seen, same = waiting, same + 1 if waiting == seen else 0`;

async function portOf(server: Program): Promise<string> {
  return (await server.says(/^(\d+)$/m))[1];
}

testWith(
  "python3",
  "client_simple reads an answer that comes byte by byte",
  async () => {
    await using server = pythonServer(`
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "5 € juste\\r\\n".encode():
    c.send(bytes([byte]))
    time.sleep(0.005)
`);
    const port = await portOf(server);
    const { code, out, err } = await run("client_simple", ["--port", port]);
    assertEquals([code, err], [0, ""]);
    assertEquals(out, "Connecté au serveur\n5 € juste\nConnexion fermée\n");
    await server.says(/^Bonjour, je suis le client$/m);
  },
);

testWith(
  "python3",
  "client_simple sends a long message whole, though a write takes only part of it",
  async () => {
    const code = `c.sendall(b"ok\\n")`;
    await using server = pythonServer(code, NARROW, LATE);
    const port = await portOf(server);
    const message = "é".repeat(32_768);
    const args = ["--port", port, "--timeout", "10", message];
    assertEquals((await run("client_simple", args)).code, 0);
    // Not assertEquals, which would print it.
    assert((await server.end()).out === `${port}\n${message}\n`, "not whole");
  },
);

testWith(
  "python3",
  "client_simple warns of an answer that lacks its end",
  async () => {
    await using server = pythonServer(`c.sendall(b"la moiti"); c.close()`);
    const port = await portOf(server);
    const { code, out, err } = await run("client_simple", ["--port", port]);
    assertEquals([code, err], [0, "La réponse est peut-être incomplète\n"]);
    assertStringIncludes(out, "la moiti\n");
  },
);

for (
  const [what, code, problem] of [
    ["closes without an answer", "c.close()", "sans répondre"],
    [
      "resets",
      `c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()`,
      "le serveur a coupé la connexion",
    ],
    ["is silent", "time.sleep(20)", "aucune réponse en 1 s"],
    [
      "drips its answer for longer than --timeout",
      `
try:
    for _ in range(25): c.send(b"x"); time.sleep(0.2)
    c.send(b"\\n")
except OSError: pass`,
      "aucune réponse en 1 s",
    ],
    [
      "answers with broken UTF-8",
      `c.sendall(b"\\xff\\n"); print(c.recv(1000).decode())`,
      "Message refusé : ce n'est pas de l'UTF-8",
    ],
    [
      "answers with an endless line",
      `
try:
    while True: c.sendall(b"x" * 1000)
except OSError: pass`,
      "Message refusé : plus de 65536 octets",
    ],
  ]
) {
  testWith(
    "python3",
    `client_simple says so when the server ${what}`,
    async () => {
      await using server = pythonServer(code);
      const port = await portOf(server);
      const args = ["--port", port, "--timeout", "1"];
      const { code: exit, out, err } = await run("client_simple", args);
      assertEquals([exit, out], [1, "Connecté au serveur\n"]);
      assertEquals(err.split("\n").length, 2, err);
      assertStringIncludes(err, problem);
      if (problem.includes("UTF-8")) await server.says(problem);
    },
  );
}

testWith(
  "python3",
  "client_simple says so when the server never reads its message",
  async () => {
    await using server = pythonServer("", NARROW, "time.sleep(20)");
    const port = await portOf(server);
    const args = ["--port", port, "--timeout", "1", "x".repeat(65_536)];
    assertEquals(await run("client_simple", args), {
      code: 1,
      out: "Connecté au serveur\n",
      err:
        `127.0.0.1 port ${port} : aucune réponse en 1 s : serveur occupé ou muet\n`,
    });
  },
);

testWith(
  "python3",
  "client_simple shows any UTF-8 as it came, less NUL and the line ending",
  async () => {
    await using server = pythonServer(`
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "\\ufeffa\\0b é € 😀\\ufffd\\r\\n".encode():
    c.send(bytes([byte]))
    time.sleep(0.005)
`);
    const port = await portOf(server);
    assertEquals(await run("client_simple", ["--port", port]), {
      code: 0,
      out: "Connecté au serveur\n\ufeffab é € 😀\ufffd\nConnexion fermée\n",
      err: "",
    });
  },
);

testWith(
  "python3",
  "client_simple lets no escape sequence of a server through",
  async () => {
    await using server = pythonServer(`c.sendall(b"\\x1b[31mrouge\\x07\\n")`);
    const port = await portOf(server);
    const { out } = await run("client_simple", ["--port", port]);
    assertStringIncludes(out, "\n[31mrouge\n");
  },
);

testWith(
  "python3",
  "client_simple gives up connecting after five seconds",
  async () => {
    // With no room in its queue, this listener leaves further clients unanswered.
    await using full = python(`
l = socket.socket()
l.bind(("127.0.0.1", 0))
l.listen(0)
waiting = []
for _ in range(4):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(l.getsockname())
    waiting.append(s)
print(l.getsockname()[1])
time.sleep(30)
`);
    const port = await portOf(full);
    const { code, out, err } = await run("client_simple", ["--port", port]);
    assertEquals([code, out], [1, ""]);
    assertStringIncludes(err, "aucune réponse en 5 s");
  },
);

testWith(
  "python3",
  "client_simple --raw talks to the course's server",
  async () => {
    await using server = new Program("python3", [
      `${ROOT}tests/peers/server_simple.py`,
      "0",
    ]);
    const args = ["--raw", "--port", await portOf(server), "Salut €"];
    const { code, out } = await run("client_simple", args);
    assertEquals(code, 0);
    assertStringIncludes(out, "\nBonjour, je suis le serveur\n");
    await server.says(/^Client connecté, adresse : 127\.0\.0\.1\nSalut €\n/m);
  },
);

testWith("nc", "client_simple talks to nc -l", async () => {
  await using nc = new Program("nc", ["-lvN", "127.0.0.1", "0"], {
    stdin: "piped",
  });
  const [, port] = await nc.complains(/(\d+)\s*$/);
  await using client = start("client_simple", ["--port", port, "bonjour nc"]);
  await nc.says(/^bonjour nc\n/);
  await nc.type("bonjour toi\n");
  const { code, out } = await client.end();
  assertEquals(code, 0);
  assertStringIncludes(out, "\nbonjour toi\n");
});

Deno.test("client_simple says in one line why it cannot connect", async () => {
  for (
    const [args, problem] of [
      [["--port", "1"], "personne n'écoute : lancez d'abord le serveur"],
      [
        ["--host", "nulle.part.invalid"],
        "nulle.part.invalid port 50000 : hôte inconnu : vérifiez --host",
      ],
    ] as const
  ) {
    const { code, out, err } = await run("client_simple", [...args]);
    assertEquals([code, out, err.split("\n").length], [1, "", 2], err);
    assertStringIncludes(err, problem);
  }
});

Deno.test("client_simple says in one line what is wrong in its options", async () => {
  for (
    const args of [
      ["--prot", "1"],
      ["--port", "0"],
      ["--port", "abc"],
      ["--timeout", "jamais"],
      ["deux", "messages"],
      ["deux\nlignes"],
      ["--raw", ""],
      ["--_=4"],
    ]
  ) {
    const { code, out, err } = await run("client_simple", args);
    assertEquals([code, out, err.split("\n").length], [2, "", 2], err);
  }
});

Deno.test("client_simple sends a number, and what follows --, as they are", async () => {
  for (const words of [["007"], ["--", "007"], ["--", "--port"]]) {
    const message = words.at(-1)!;
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const args = ["--port", `${listener.addr.port}`, ...words];
    const client = run("client_simple", args);
    using conn = await listener.accept();
    const buffer = new Uint8Array(100);
    const count = await conn.read(buffer) ?? 0;
    assertEquals(buffer.subarray(0, count), encode(message));
    await write(conn, encode("reçu"));
    assertEquals((await client).code, 0);
  }
});

Deno.test("ask of client_simple gives up at its limit, though a byte comes at that very moment", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  using server = await listener.accept();
  const failing = assertRejects(
    () => ask(conn, "bonjour", 0.2),
    Deno.errors.Interrupted,
  );
  await server.read(new Uint8Array(100));
  const sent = write(server, Uint8Array.of(120));
  // Both are there when the event loop goes on: the byte, and the limit.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await sent;
  await failing;
});

Deno.test("ask leaves no timer and no operation behind", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  using server = await listener.accept();
  await write(server, encode("d'avance"));
  assertEquals(await ask(conn, "bonjour"), { answer: "d'avance", cut: false });
  await assertRejects(() => ask(conn, "a\nb"), Refusal, "une ligne");
});
