import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { handleClient } from "../scripts/server_simple.ts";
import { encode, MessageReader, write } from "../scripts/encoding.ts";
import {
  bytes,
  exchange,
  header,
  limit,
  LINUX,
  Program,
  python,
  ROOT,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";

const ANSWER = "Bonjour, je suis le serveur\n";

Deno.test("server_simple and client_simple greet each other", async () => {
  await using server = await serve("server_simple");
  assertEquals(await run("client_simple", server.address), {
    code: 0,
    out: "Connecté au serveur\nBonjour, je suis le serveur\nConnexion fermée\n",
    err: "",
  });
  await server.says("Connexion fermée");
  const [address] = server.out.match(/127\.0\.0\.1:\d+$/m)!;
  assertEquals(server.out.split("\n").slice(0, 2), [
    `Serveur prêt, en attente de requêtes sur ${address}`,
    server.out.match(/^Client connecté, adresse 127\.0\.0\.1:\d+$/m)![0],
  ]);
  assertStringIncludes(server.out, "Bonjour, je suis le client\n");
  assertEquals(server.err, "");
});

testWith("IPv6", "server_simple listens and answers on IPv6", async () => {
  await using server = await serve("server_simple", ["--host", "::1"]);
  await server.says(/^Serveur prêt.* \[::1\]:\d+\n/);
  const address = ["--host", "::1", ...server.address];
  const { out } = await run("client_simple", address);
  assertStringIncludes(out, ANSWER);
  await server.says(/^Client connecté, adresse \[::1\]:\d+$/m);
});

for (const input of ["bonjour\n", "bonjour"]) {
  const what = JSON.stringify(input);
  testWith("nc", `server_simple answers nc -N that says ${what}`, async () => {
    await using server = await serve("server_simple");
    const port = String(await server.port());
    await using nc = new Program("nc", ["-N", "127.0.0.1", port], {
      stdin: "piped",
    });
    await nc.type(input);
    await nc.endInput();
    assertEquals((await nc.end()).out, ANSWER);
    await server.says(/^bonjour$/m);
  });
}

Deno.test("server_simple answers a client that ends without a word", async () => {
  await using server = await serve("server_simple");
  assertEquals(await exchange(await server.port(), ""), ANSWER);
  await server.says("Client parti sans un mot");
});

testWith(
  "python3",
  "server_simple survives a reset before accept",
  async () => {
    await using server = await serve("server_simple");
    // The first client holds the server while the second one comes and is reset.
    await using peers = python(
      `
at = ("127.0.0.1", int(sys.argv[1]))
first = socket.create_connection(at)
second = socket.create_connection(at)
second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
second.close()
first.sendall(b"premier\\n")
print(first.makefile().read())
first.close()
third = socket.create_connection(at)
third.sendall("troisième\\n".encode())
print(third.makefile().read())
`,
      await server.port(),
    );
    const { code, out } = await peers.end();
    assertEquals([code, out], [0, `${ANSWER}\n${ANSWER}\n`]);
    await server.complains("Client non accepté");
    await server.says(/^troisième$/m);
  },
);

testWith(
  "python3",
  "server_simple survives a reset in the middle",
  async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    await using peer = python(
      `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"la moiti")
time.sleep(0.2)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
`,
      port,
    );
    assertEquals((await peer.end()).code, 0);
    await server.complains(/reset/i);
    assertEquals(await exchange(port, "encore\n"), ANSWER);
  },
);

testWith(
  "python3",
  "server_simple reads a message that comes byte by byte",
  async () => {
    await using server = await serve("server_simple");
    await using peer = python(
      `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "1 € pile\\r\\n".encode():
    s.send(bytes([byte]))
    time.sleep(0.005)
print(s.makefile().read())
`,
      await server.port(),
    );
    assertStringIncludes((await peer.end()).out, ANSWER);
    await server.says(/^1 € pile$/m);
  },
);

Deno.test("server_simple takes the first of two messages glued together", async () => {
  await using server = await serve("server_simple");
  assertEquals(await exchange(await server.port(), "un\ndeux\n"), ANSWER);
  await server.says(/^un\nConnexion fermée$/m);
});

Deno.test("server_simple ends a silent client, and a drip, at its time limit", async () => {
  await using server = await serve("server_simple", ["--timeout", "0.5"]);
  const port = await server.port();
  for (const drip of [false, true]) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const timer = setInterval(() => {
      if (drip) conn.write(bytes("x")).catch(() => {});
    }, 50);
    const reader = new MessageReader(conn);
    assertEquals(await reader.read(), ["Délai dépassé : 0.5 s"]);
    clearInterval(timer);
  }
  await server.complains(/(Délai dépassé : 0\.5 s\n){2}/);
  assertEquals(await exchange(port, "encore là ?\n"), ANSWER);
});

for (
  const [what, data, refusal] of [
    ["an endless line", "x".repeat(300_000), "plus de 65536 octets"],
    ["broken UTF-8", Uint8Array.of(0xff, 10), "ce n'est pas de l'UTF-8"],
  ] as const
) {
  Deno.test(`server_simple refuses ${what}, and says so to both sides`, async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    const answer = await exchange(port, data);
    assertEquals(answer, `Message refusé : ${refusal}\n`);
    await server.complains(`Message refusé : ${refusal}`);
    assertEquals(await exchange(port, "suivant\n"), ANSWER);
  });
}

Deno.test("server_simple lets no escape sequence of a client through", async () => {
  await using server = await serve("server_simple");
  const evil = "\x1b[2J\x1b]0;titre\x07\u202erouge\x9b31m\n";
  await exchange(await server.port(), evil);
  await server.says(/^\[2J\]0;titrerouge31m$/m);
});

testWith(
  "python3",
  "server_simple is not held by a client that never reads",
  async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    await using peer = python(
      `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"x" * 60000 + b"\\n")
print("dit")
sys.stdin.read()
time.sleep(60)
`,
      port,
    );
    await peer.says("dit");
    assertEquals(await exchange(port, "suivant\n"), ANSWER);
  },
);

testWith(
  LINUX,
  "server_simple waits and serves on when no file descriptor is left",
  async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    await limit(server, 3);
    const three = ["un\n", "deux\n", "trois\n"].map((word) =>
      exchange(port, word).catch((error) => `${error}`)
    );
    await server.complains(/^Client non accepté : .+ 24\)$/m);
    // It pauses: 20 lines in this second, and without a pause thousands.
    await new Promise((resume) => setTimeout(resume, 1000));
    assert(server.err.length < 10_000, `${server.err.length} characters`);
    await limit(server, 1000);
    assertEquals(await Promise.all(three), [ANSWER, ANSWER, ANSWER]);
    server.kill();
    const { code, err } = await server.end();
    assertEquals(code, 0);
    // Deno itself may miss the certificates of NODE_EXTRA_CA_CERTS.
    assertMatch(err, /^((Client non accepté : .+ 24\)|.* extra certs .*)\n)+$/);
  },
);

testWith(
  LINUX,
  "server_simple lets six clients wait, as the course's listen(5) does, and no seventh",
  async () => {
    await using server = await serve("server_simple");
    await using clients = python(
      `
import os, select, signal
pid, at = int(sys.argv[1]), ("127.0.0.1", int(sys.argv[2]))
os.kill(pid, signal.SIGSTOP)
while open(f"/proc/{pid}/stat").read().split()[2] != "T": time.sleep(0.01)
poll, clients = select.poll(), {}
for _ in range(20):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(at)
    poll.register(s, select.POLLOUT)
    clients[s.fileno()] = s
inside, end = set(), time.monotonic() + 0.5
while len(inside) < 20 and time.monotonic() < end:
    for s, event in poll.poll(100):
        if event == select.POLLOUT: inside.add(s)
        poll.unregister(s)
for s in set(clients) - inside: clients.pop(s).close()
os.kill(pid, signal.SIGCONT)
for s in clients.values():
    s.settimeout(10)
    s.sendall(b"bonjour\\n")
    s.shutdown(socket.SHUT_WR)
for s in clients.values(): print(s.makefile().read(), end="")
`,
      ...[server.pid, await server.port()],
    );
    const { out, err } = await clients.end();
    assertEquals([out, err], [ANSWER.repeat(6), ""]);
  },
);

testWith(
  "python3",
  "server_simple serves the next client after one that sends without pause",
  async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    await using greedy = python(
      `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"encore\\n")
print("commence")
try:
    while True: s.sendall(b"encore\\n" * 10000)
except OSError: print("coupé")`,
      port,
    );
    await greedy.says("commence");
    await server.says("encore");
    assertEquals(await exchange(port, "suivant\n"), ANSWER);
    assertEquals((await greedy.end()).out, "commence\ncoupé\n");
  },
);

/** To be preloaded: the first client that is accepted breaks its handler. */
const BROKEN = `
  const { listen } = Deno;
  Deno.listen = (options) => {
    const listener = listen(options), accept = listener.accept.bind(listener);
    let first = true;
    listener.accept = async () => {
      const conn = await accept();
      if (first) conn.read = () => { throw new TypeError("cassé"); };
      first = false;
      return conn;
    };
    return listener;
  };`;

Deno.test("server_simple survives an unexpected error in a client's handler", async () => {
  const url = `data:application/javascript,${encodeURIComponent(BROKEN)}`;
  const flags = [...header("server_simple").flags, "--preload", url];
  await using server = await serve("server_simple", [], { flags });
  const port = await server.port();
  assertEquals(await exchange(port, "un\n").catch(() => ""), "");
  assertEquals(await exchange(port, "deux\n"), ANSWER);
  server.kill();
  const { code, err } = await server.end();
  assertEquals([code, err], [0, "Client perdu : cassé\n"]);
});

Deno.test("server_simple shows U+FEFF, U+FFFD and an emoji as they were sent, without the NUL", async () => {
  await using server = await serve("server_simple");
  const odd = "\ufeffa\0b é € 😀\ufffd";
  assertEquals(await exchange(await server.port(), odd + "\r\n"), ANSWER);
  await server.says(`\n${odd.replace("\0", "")}\nConnexion fermée\n`);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`server_simple stops on ${signal}, and tells a silent client`, async () => {
    await using server = await serve("server_simple");
    const port = await server.port();
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await server.says("Client connecté");
    server.kill(signal);
    const reader = new MessageReader(conn);
    assertEquals(await reader.read(), ["Le serveur s'arrête"]);
    const { code, out } = await server.end();
    assertEquals(code, 0);
    assertStringIncludes(out, "Serveur arrêté\n");
  });
}

Deno.test("server_simple stops at once, with 130, on a second signal", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  // A client that does not leave makes the first stop take a second.
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await server.says("Client connecté");
  server.kill("SIGINT");
  await new MessageReader(conn).read();
  server.kill("SIGINT");
  assertEquals((await server.end()).code, 130);
});

testWith(
  "python3",
  "server_simple --raw serves the course's client",
  async () => {
    for (const peer of ["client_simple", "client_class"]) {
      await using server = await serve("server_simple", ["--raw"]);
      const port = String(await server.port());
      await using client = new Program("python3", [
        `${ROOT}tests/peers/${peer}.py`,
        port,
      ]);
      const { code, out } = await client.end();
      assertEquals(code, 0);
      assertStringIncludes(
        out,
        "\nBonjour, je suis le serveur\nConnexion fermée",
      );
      await server.says(/^Bonjour.* client/m);
    }
  },
);

Deno.test("server_simple says in one line why it cannot listen", async () => {
  await using server = await serve("server_simple");
  const port = String(await server.port());
  for (
    const [args, problem] of [
      [["--port", port], `Port ${port} déjà utilisé : choisissez-en un autre`],
      [["--host", "192.0.2.1"], "Impossible d'écouter sur 192.0.2.1"],
      [["--host", "nulle.part.invalid"], "Impossible d'écouter sur nulle.part"],
    ] as const
  ) {
    const { code, out, err } = await run("server_simple", [...args]);
    assertEquals([code, out, err.split("\n").length], [1, "", 2], err);
    assertStringIncludes(err, problem);
  }
});

Deno.test("server_simple says in one line what is wrong in its options", async () => {
  for (
    const args of [
      ["--prot", "1"],
      ["50000"],
      ["--port", "abc"],
      ["--port", "70000"],
      ["--port", "-1"],
      ["--port"],
      ["--timeout", "0"],
      ["--timeout", "3000000"],
      ["--host", ""],
    ]
  ) {
    const { code, out, err } = await run("server_simple", args);
    assertEquals([code, out, err.split("\n").length], [2, "", 2], err);
  }
});

Deno.test("handleClient owns its connection and its time limit", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const conn = await listener.accept();
  const { signal } = new AbortController();
  const visit = handleClient(conn, signal, 1);
  await write(client, encode("dans le même processus"));
  assertEquals(await new MessageReader(client).read(), [ANSWER.trim()]);
  client.close();
  await visit;
  // Closed: to close it again is the error that shows it.
  try {
    conn.close();
    assert(false, "the connection was left open");
  } catch (error) {
    assert(error instanceof Deno.errors.BadResource);
  }
});

Deno.test("server_simple keeps its place in the queue for who comes second", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  using first = await Deno.connect({ hostname: "127.0.0.1", port });
  await server.says("Client connecté");
  await using second = start("client_simple", [
    "deuxième",
    "--port",
    `${port}`,
  ]);
  await second.says("Connecté au serveur");
  assertEquals(server.out.match(/Client connecté/g)!.length, 1);
  await write(first, encode("premier"));
  await new MessageReader(first).read();
  first.close();
  assertStringIncludes((await second.end()).out, ANSWER);
  await server.says(/premier\n(.*\n)+deuxième/);
});
