import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ClientSocket } from "../scripts/client_class.ts";
import { encode, MessageReader, Refusal, write } from "../scripts/encoding.ts";
import {
  bytes,
  Program,
  python,
  ROOT,
  run,
  serve,
  testWith,
} from "./harness.ts";

Deno.test("client_class greets server_simple with the date", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  const { code, out, err } = await run("client_class", server.address);
  assertEquals([code, err], [0, ""]);
  assertEquals(
    out,
    `Connecté au serveur : 127.0.0.1:${port}\n` +
      "Bonjour, je suis le serveur\nConnexion fermée\n",
  );
  const today = new Date().toLocaleDateString("fr-FR");
  const [line] = await server.says(/^Bonjour du client TCP.*$/m);
  // Only a test that runs at midnight could see another day.
  assertStringIncludes(line, today);
});

testWith(
  "python3",
  "client_class --raw talks to the course's server",
  async () => {
    await using server = new Program("python3", [
      `${ROOT}tests/peers/server_simple.py`,
      "0",
    ]);
    const [, port] = await server.says(/^(\d+)$/m);
    const { code, out } = await run("client_class", ["--raw", "--port", port]);
    assertEquals(code, 0);
    assertStringIncludes(out, "\nBonjour, je suis le serveur\n");
  },
);

/** A Python server of one client, in `c`, that has read the greeting; its port. */
async function pythonServer(code: string) {
  const server = python(`
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1])
c, _ = l.accept()
c.settimeout(10)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
c.recv(1000)
${code}`);
  const [port] = await server.says(/^\d+/);
  return Object.assign(server, { number: port });
}

testWith(
  "python3",
  "client_class gives up a server that drips its answer for longer than --timeout",
  async () => {
    await using server = await pythonServer(`
try:
    for _ in range(25): c.send(b"x"); time.sleep(0.2)
    c.send(b"\\n")
except OSError: pass`);
    const port = server.number;
    assertEquals(
      await run("client_class", ["--port", port, "--timeout", "1"]),
      {
        code: 1,
        out: `Connecté au serveur : 127.0.0.1:${port}\n`,
        err:
          `127.0.0.1 port ${port} : aucune réponse en 1 s : serveur occupé ou muet\n`,
      },
    );
  },
);

testWith(
  "python3",
  "client_class refuses an endless line, and says so to both sides",
  async () => {
    await using server = await pythonServer(`
c.sendall(b"x" * 300_000)
while piece := c.recv(1000): print(piece.decode(), end="")`);
    const port = server.number;
    const refusal = "Message refusé : plus de 65536 octets\n";
    assertEquals(await run("client_class", ["--port", port]), {
      code: 1,
      out: `Connecté au serveur : 127.0.0.1:${port}\n`,
      err: `127.0.0.1 port ${port} : ${refusal}`,
    });
    assertEquals((await server.end()).out, `${port}\n${refusal}`);
  },
);

testWith(
  "python3",
  "client_class shows any UTF-8 as it came, less NUL and the line ending",
  async () => {
    await using server = await pythonServer(`
for byte in "\\ufeffa\\0b é € 😀\\ufffd\\r\\n".encode():
    c.send(bytes([byte]))
    time.sleep(0.005)`);
    const port = server.number;
    assertEquals(await run("client_class", ["--port", port]), {
      code: 0,
      out: `Connecté au serveur : 127.0.0.1:${port}\n` +
        "\ufeffab é € 😀\ufffd\nConnexion fermée\n",
      err: "",
    });
  },
);

testWith(
  "python3",
  "client_class gives up connecting after five seconds",
  async () => {
    // With no room in its queue, this listener leaves further clients unanswered.
    await using full = python(`
l = socket.socket()
l.bind(("127.0.0.1", 0))
l.listen(0)
waiting = [socket.socket() for _ in range(4)]
for s in waiting:
    s.setblocking(False)
    s.connect_ex(l.getsockname())
print(l.getsockname()[1])
time.sleep(30)`);
    const [port] = await full.says(/^\d+/);
    assertEquals(await run("client_class", ["--port", port]), {
      code: 1,
      out: "",
      err:
        `127.0.0.1 port ${port} : aucune réponse en 5 s : vérifiez l'adresse\n`,
    });
  },
);

Deno.test("client_class says in one line what is wrong, and exits with 1 or 2", async () => {
  for (
    const [args, expected, problem] of [
      [["--port", "1"], 1, "personne n'écoute"],
      [["--host", "nulle.part.invalid"], 1, "hôte inconnu"],
      [["--port", "x"], 2, "--port"],
      [["bonjour"], 2, "inconnu"],
    ] as const
  ) {
    const { code, out, err } = await run("client_class", [...args]);
    assertEquals([code, out, err.split("\n").length], [expected, "", 2], err);
    assertStringIncludes(err, problem);
  }
});

/** A listener, and the next connection to it. */
function listen() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { listener, port: listener.addr.port };
}

Deno.test("ClientSocket receives messages one by one, then null", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  assertEquals(socket.address, `127.0.0.1:${port}`);
  const conn = await listener.accept();
  await write(conn, bytes("un\ndeux\ntro"));
  assertEquals(await socket.receive(), "un");
  await write(conn, bytes("is\nfin"));
  conn.close();
  assertEquals(await socket.receive(), "deux");
  assertEquals(await socket.receive(), "trois");
  assertEquals(await socket.receive(), "fin");
  assertEquals(await socket.receive(), null);
  assertEquals(await socket.receive(), null);
});

Deno.test("ClientSocket delivers its last message though it reads no answer", async () => {
  const { listener, port } = listen();
  using _ = listener;
  const accepted = listener.accept();
  let conn: Deno.TcpConn;
  const leaving = (async () => {
    await using socket = await ClientSocket.connect("127.0.0.1", port);
    conn = await accepted;
    await write(conn, encode("que personne ne lira"));
    await socket.send("le dernier");
  })();
  const reader = new MessageReader(await accepted);
  assertEquals(await reader.read(), ["le dernier"]);
  assertEquals(await reader.read(), null, "an orderly end, and no reset");
  conn!.close();
  await leaving;
});

Deno.test("ClientSocket waits no longer than its limit, to receive or to send", async () => {
  const { listener, port } = listen();
  using _ = listener;
  const { Interrupted } = Deno.errors;
  const options = { timeout: 0.1 };
  {
    await using socket = await ClientSocket.connect("127.0.0.1", port, options);
    await assertRejects(() => socket.receive(), Interrupted);
  }
  {
    await using socket = await ClientSocket.connect("127.0.0.1", port, options);
    await assertRejects(async () => {
      // Nobody reads: sooner or later no more goes in.
      while (true) await socket.send("x".repeat(60_000));
    }, Interrupted);
  }
  for (let i = 0; i < 2; i++) (await listener.accept()).close();
});

Deno.test("ClientSocket of client_class gives up at its limit, though a byte comes at that very moment", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port, {
    timeout: 0.2,
  });
  using conn = await listener.accept();
  const failing = assertRejects(
    () => socket.receive(),
    Deno.errors.Interrupted,
  );
  await socket.send("bonjour");
  await conn.read(new Uint8Array(100));
  const sent = write(conn, bytes("x"));
  // Both are there when the event loop goes on: the byte, and the limit.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await sent;
  await failing;
});

Deno.test("ClientSocket keeps messages whole that are sent all at once", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  using conn = await listener.accept();
  // More than the kernel holds, so that it takes only part of some of them.
  const messages = Array.from({ length: 200 }, (_, i) => `${i} `.repeat(9000));
  const sending = Promise.all(messages.map((text) => socket.send(text)));
  const reader = new MessageReader(conn), received: string[] = [];
  while (received.length < messages.length) {
    received.push(...await reader.read() ?? []);
  }
  await sending;
  // Not assertEquals, which would print megabytes.
  assert(messages.every((text, i) => text === received[i]), "mixed up");
  await conn.closeWrite();
});

testWith(
  "python3",
  "ClientSocket of client_class lets a message leave before the one before is acknowledged",
  async () => {
    // Python that acknowledges late, as most do (40 ms), and answers each pair. It
    // counts the milliseconds in between, of which noise can only make more.
    await using server = python(`
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1])
c, _ = l.accept()
def until(lines):
    global heard
    while heard.count(b"\\n") < lines:
        if hasattr(socket, "TCP_QUICKACK"):
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        heard += c.recv(100) or sys.exit("end")
    return time.perf_counter()
least = 1000
for _ in range(10):
    heard = b""
    first = until(1)
    least = min(least, 1000 * (until(2) - first))
    c.sendall(b"suite\\n")
print(f"au mieux {least:.1f} ms")`);
    const [port] = await server.says(/^\d+/);
    {
      await using socket = await ClientSocket.connect(
        "127.0.0.1",
        Number(port),
      );
      for (let pair = 0; pair < 10; pair++) {
        await socket.send("un");
        await socket.send("deux");
        assertEquals(await socket.receive(), "suite");
      }
    }
    const [, least] = await server.says(/au mieux (.*) ms/);
    assert(Number(least) < 20, `${least} ms`);
  },
);

Deno.test("ClientSocket of client_class may be closed twice, and then by await using", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  (await listener.accept()).close();
  await socket.close();
  await socket.close();
});

Deno.test("ClientSocket tells the server that its bytes are not UTF-8", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  using conn = await listener.accept();
  await write(conn, Uint8Array.of(0xff, 10));
  const failing = assertRejects(() => socket.receive(), Refusal, "UTF-8");
  const [refusal] = await new MessageReader(conn).read() ?? [];
  assertMatch(refusal, /^Message refusé/);
  conn.closeWrite();
  await failing;
});
