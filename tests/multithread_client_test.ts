import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { converse } from "../scripts/multithread_client.ts";
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

const CLIENT = "multithread_client";
const GREETING =
  "Connecté au serveur\nTapez FIN pour terminer la conversation\n";
const ANSWER = "Message reçu\n";
const BYE = "Connexion fermée\n";

/**
 * A Python server of one client, whose connection is in `c`. `first` is run on the
 * listener, `l`.
 */
function peer(code: string, first = "") {
  return python(`
l = socket.socket()
${first}
l.bind(("127.0.0.1", 0))
l.listen()
print("127.0.0.1:%d" % l.getsockname()[1])
c, _ = l.accept()
c.settimeout(10)
${code}`);
}

/** Python whose client cannot send 64 KiB in one write, however fast it reads. */
const NARROW = `
l.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)`;

/** Python that keeps the connection open, until the test ends the process. */
const STAY = "\nthreading.Event().wait()";

for (
  const [input, answers] of [
    ["Bonjour\nFIN\n", 2],
    ["fin\njamais dit\n", 1],
    ["Bonjour\nÇa va ?\n", 2],
    ["Bonjour\nÇa va ?", 2],
    ["", 0],
  ] as [string, number][]
) {
  Deno.test(`multithread_client says ${JSON.stringify(input)} to multithread_server, and leaves`, async () => {
    await using server = await serve("multithread_server");
    assertEquals(await run(CLIENT, server.address, { input }), {
      code: 0,
      out: GREETING + ANSWER.repeat(answers) + BYE,
      err: "",
    });
    await server.says("Connexion fermée avec");
  });
}

testWith("nc", "multithread_client talks to nc", async () => {
  await using nc = new Program("nc", ["-nlv", "127.0.0.1", "0"], {
    stdin: "piped",
  });
  const [, port] = await nc.complains(/Listening on 127\.0\.0\.1 (\d+)/);
  await using client = start(CLIENT, ["--port", port], { stdin: "piped" });
  await client.type("Bonjour\n");
  await nc.says("Bonjour\n");
  await nc.type("Salut\r\n");
  await client.says("Salut\n");
  await client.type("FIN\n");
  await nc.says("FIN\n");
  await nc.type("Au revoir\n");
  const { code, out } = await client.end();
  assertEquals([code, out], [0, `${GREETING}Salut\nAu revoir\n${BYE}`]);
});

// What Python's socket does with "Bonjour", which is typed at once, and no more
// while the input stays open: what the client shows, and why it ends with 1.
for (
  const [name, code, shown, trouble] of [
    [
      "leaves a server that closes before it answers",
      "c.recv(100)",
      "",
      "le serveur a fermé la connexion",
    ],
    [
      "leaves a server that closes while nothing is being said",
      String.raw`c.sendall(c.recv(100) + b"Le serveur s'arr\xc3\xaate\n")`,
      "Bonjour\nLe serveur s'arrête\n",
      "le serveur a fermé la connexion",
    ],
    [
      "leaves a server that resets",
      `c.recv(100)
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))`,
      "",
      "le serveur a coupé la connexion",
    ],
    [
      "leaves a server that never answers, after --timeout",
      "while c.recv(100): pass",
      "",
      "aucune réponse en 1 s : serveur occupé ou muet",
    ],
    [
      "leaves a server that drips its answer for longer than --timeout",
      `c.recv(100)
try:
    for _ in range(25): c.send(b"x"); time.sleep(0.2)
    c.send(b"\\n")
except OSError: pass`,
      "",
      "aucune réponse en 1 s : serveur occupé ou muet",
    ],
    [
      "leaves a server whose answer never ends",
      `try:
    while True: c.sendall(b"x" * 65536)
except OSError: pass`,
      "",
      "Message refusé : plus de 65536 octets",
    ],
    [
      "shows what a server says unasked",
      // What it leaves unread would make a reset of its close.
      String.raw`c.sendall(b"Serveur complet\n"); c.recv(100)`,
      "Serveur complet\n",
      "le serveur a fermé la connexion",
    ],
    [
      "shows any UTF-8 as it came, less NUL and the line ending",
      String.raw`c.recv(100)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "\ufeffa\0b é € 😀\ufffd\r\n".encode():
    c.send(bytes([byte]))
    time.sleep(0.005)`,
      "\ufeffab é € 😀\ufffd\n",
      "le serveur a fermé la connexion",
    ],
    [
      "strips what commands a terminal from what it shows",
      String.raw`c.recv(100)
c.sendall("a\x1b[2Jb\x07\x9b\u202ec\n".encode())`,
      "a[2Jbc\n",
      "le serveur a fermé la connexion",
    ],
  ] satisfies [string, string, string, string][]
) {
  Deno.test(`multithread_client ${name}`, async () => {
    await using server = peer(code);
    const port = await server.port();
    const args = ["--port", `${port}`, "--timeout", "1"];
    await using client = start(CLIENT, args, { stdin: "piped" });
    await client.type("Bonjour\n");
    assertEquals(await client.end(), {
      code: 1,
      out: GREETING + shown,
      err: `127.0.0.1 port ${port} : ${trouble}\n`,
    });
    assertEquals((await server.end()).err, "");
  });
}

Deno.test("multithread_client sends a long line whole, though a write takes only part of it", async () => {
  // Nothing is read until, for 0.2 s, nothing more has come.
  await using server = peer(
    `
seen = same = 0
while same < 20:
    time.sleep(0.01)
    waiting = len(c.recv(100_000, socket.MSG_PEEK))
    seen, same = waiting, same + 1 if waiting == seen else 0
got = b""
while not got.endswith(b"\\n"): got += c.recv(1000) or sys.exit("end")
print(got.decode(), end="")
c.sendall(b"ok\\n")
c.recv(1000)`,
    NARROW,
  );
  const port = await server.port();
  const input = "é".repeat(32_768) + "\n";
  const args = ["--port", `${port}`, "--timeout", "8"];
  const { code, out } = await run(CLIENT, args, { input });
  assertEquals([code, out], [0, `${GREETING}ok\n${BYE}`]);
  // Not assertEquals, which would print it.
  assert((await server.end()).out === `127.0.0.1:${port}\n${input}`);
});

Deno.test("multithread_client leaves a server that never reads its line, after --timeout", async () => {
  await using server = peer(STAY, NARROW);
  const port = await server.port();
  const args = ["--port", `${port}`, "--timeout", "1"];
  await using client = start(CLIENT, args, { stdin: "piped" });
  await client.type("x".repeat(65_536) + "\n");
  assertEquals(await client.end(), {
    code: 1,
    out: GREETING,
    err:
      `127.0.0.1 port ${port} : aucune réponse en 1 s : serveur occupé ou muet\n`,
  });
});

Deno.test("multithread_client still takes what is typed, and SIGTERM, while the server never pauses", async () => {
  await using server = peer(
    `
def flood():
    while True: c.sendall(b"une ligne de texte\\n" * 1000)
threading.Thread(target=flood, daemon=True).start()
print(c.recv(1000).decode())` + STAY,
  );
  const args = ["--port", `${await server.port()}`];
  await using client = start(CLIENT, args, { stdin: "piped" });
  await client.says("une ligne de texte\n");
  await client.type("au secours\n");
  await server.says("au secours\n");
  client.kill("SIGTERM");
  const { code, err } = await client.end();
  assertEquals([code, err], [0, ""]);
});

Deno.test("converse of multithread_client speaks while the server has always more to say", async () => {
  let reads = 0, said = 0;
  // Each read is ready at once: a loop of them lets nobody else in.
  const conn = {
    read(buffer: Uint8Array) {
      const over = said > 0 || ++reads > 100;
      return Promise.resolve(over ? null : buffer.fill(10).length);
    },
    write(line: Uint8Array) {
      said ||= reads;
      return Promise.resolve(line.length);
    },
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]() {},
  };
  async function* lines() {
    await new Promise(setImmediate); // A key is pressed.
    yield "au secours";
  }
  await converse(conn as unknown as Deno.TcpConn, lines(), () => {})
    .catch(() => {}); // Either side may be the first to have said all.
  assert(said > 0 && said <= 100, "when it had said all");
});

Deno.test("converse of multithread_client gives up at its limit, though a byte comes at that very moment", async () => {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port, hostname } = listener.addr;
  const conn = await Deno.connect({ port, hostname });
  using server = await listener.accept();
  async function* lines() {
    yield "Bonjour";
    await new Promise(() => {}); // Nothing more is typed, ever.
  }
  const failing = assertRejects(
    () => converse(conn, lines(), () => {}, 0.2),
    Deno.errors.Interrupted,
  );
  await server.read(new Uint8Array(100));
  const sent = server.write(bytes("x"));
  // Both are there when the event loop goes on: the byte, and the limit.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await sent;
  await failing;
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`multithread_client stops with 0 on ${signal}, while it waits for an answer`, async () => {
    await using server = peer("print(c.recv(100).decode())" + STAY);
    const args = ["--port", `${await server.port()}`];
    await using client = start(CLIENT, args, { stdin: "piped" });
    await client.type("Bonjour\n");
    await server.says("Bonjour\n");
    client.kill(signal);
    assertEquals(await client.end(), { code: 0, out: GREETING, err: "" });
  });
}

Deno.test("multithread_client gives up connecting after five seconds", async () => {
  // With no room in its queue, this listener leaves further clients unanswered.
  await using full = python(
    `
l = socket.socket()
l.bind(("127.0.0.1", 0))
l.listen(0)
waiting = [socket.socket() for _ in range(4)]
for s in waiting:
    s.setblocking(False)
    s.connect_ex(l.getsockname())
print("127.0.0.1:%d" % l.getsockname()[1])` + STAY,
  );
  const port = await full.port();
  const args = ["--port", `${port}`];
  await using client = start(CLIENT, args, { stdin: "piped" });
  assertEquals(await client.end(), {
    code: 1,
    out: "",
    err:
      `127.0.0.1 port ${port} : aucune réponse en 5 s : vérifiez l'adresse\n`,
  });
});

Deno.test("multithread_client tells a server that its answer is not UTF-8, and leaves", async () => {
  await using server = peer(String.raw`
print(c.recv(100).decode())
c.sendall("é\n".encode("latin-1"))
print(c.recv(100).decode())`);
  const port = await server.port();
  const args = ["--port", `${port}`];
  await using client = start(CLIENT, args, { stdin: "piped" });
  await client.type("Bonjour\n");
  const refusal = "Message refusé : ce n'est pas de l'UTF-8\n";
  assertEquals(await client.end(), {
    code: 1,
    out: GREETING,
    err: `127.0.0.1 port ${port} : ${refusal}`,
  });
  assertEquals(
    (await server.end()).out,
    `127.0.0.1:${port}\nBonjour\n\n${refusal}\n`,
  );
});

Deno.test("multithread_client goes on after what the server said unasked", async () => {
  await using server = peer(String.raw`
c.sendall("Bienvenue\n".encode())
while data := c.recv(100): c.sendall(data)`);
  const args = ["--port", `${await server.port()}`];
  await using client = start(CLIENT, args, { stdin: "piped" });
  await client.says("Bienvenue\n");
  await client.type("un\n");
  await client.says("Bienvenue\nun\n");
  await client.type("fin\n");
  const { code, out } = await client.end();
  assertEquals([code, out], [0, `${GREETING}Bienvenue\nun\nfin\n${BYE}`]);
});

Deno.test("multithread_client prompts on a terminal, and Ctrl-C ends it and gives the terminal back", async () => {
  await using server = await serve("multithread_server");
  const { flags, path } = header(CLIENT);
  const command = [Deno.execPath(), "run", ...flags, path, ...server.address];
  await using terminal = python(
    String.raw`
import os, pty, signal, termios
signal.alarm(12)
def modes(): return termios.tcgetattr(fd)[3] & (termios.ECHO | termios.ICANON)
said = b""
def until(text):
    global said
    while text not in said: said += os.read(fd, 4096)
    before, said = said.split(text, 1)
    return before
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
before = modes()
until(b"conversation\r\n")
until(b">> ")
os.write(fd, "Bonjour\r".encode())
# The answer has a line for itself: the prompt's is over.
echo = until("Message reçu\r\n".encode())
print(">> " not in echo.decode().split("\n")[-1])
until(b">> ")
os.write(fd, b"\x03")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(modes() == before)`,
    ...command,
  );
  assertEquals(await terminal.end(), {
    code: 0,
    out: "True\n0\nTrue\n",
    err: "",
  });
  await server.says(" : Bonjour\n");
  await server.says("Connexion fermée avec");
});

Deno.test("multithread_client, at a terminal, ends by itself when the server leaves while a line is typed", async () => {
  const { flags, path } = header(CLIENT);
  await using terminal = python(
    String.raw`
import os, pty, signal, termios
signal.alarm(12)
def modes(): return termios.tcgetattr(fd)[3] & (termios.ECHO | termios.ICANON)
said = b""
def until(text):
    global said
    while text not in said: said += os.read(fd, 4096)
    said = said.split(text, 1)[1]
l = socket.create_server(("127.0.0.1", 0))
port = str(l.getsockname()[1])
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], [*sys.argv[1:], "--port", port])
before = modes()
c, _ = l.accept()
until(b">> ")
os.write(fd, "à moit".encode())
until("moit".encode())
c.close()
# To the line's beginning, and all behind it cleared.
until(b"\x1b[1G\x1b[0J127.0.0.1 port " + port.encode() + b" : ")
until(b"\r\n")
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(modes() == before)`,
    ...[Deno.execPath(), "run", ...flags, path],
  );
  assertEquals(await terminal.end(), { code: 0, out: "1\nTrue\n", err: "" });
});

testWith("IPv6", "multithread_client talks over IPv6", async () => {
  await using server = await serve("multithread_server", ["--host", "::1"]);
  const args = [...server.address, "--host", "::1"];
  const { code, out } = await run(CLIENT, args, { input: "FIN\n" });
  assertEquals([code, out], [0, GREETING + ANSWER + BYE]);
});

Deno.test("multithread_client --raw talks to the course's Python server", async () => {
  await using server = new Program("python3", [
    `${ROOT}tests/peers/multithread_server.py`,
    "127.0.0.1",
    "0",
  ]);
  const args = ["--port", `${await server.port()}`, "--raw"];
  assertEquals(await run(CLIENT, args, { input: "Ça va ?\nfin\n" }), {
    code: 0,
    out: `${GREETING}Message recu\nMessage recu\n${BYE}`,
    err: "",
  });
  await server.says("Message recu du client 127.0.0.1 : Ça va ?\n");
  await server.says("Connexion fermée avec 127.0.0.1");
});

Deno.test("multithread_client says in one line that nobody listens", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const { code, out, err } = await run(CLIENT, ["--port", `${port}`]);
  assertEquals([code, out], [1, ""]);
  assertEquals(
    err,
    `127.0.0.1 port ${port} : personne n'écoute : lancez d'abord le serveur\n`,
  );
});

Deno.test("multithread_client says in one line that it does not know a host", async () => {
  assertEquals(await run(CLIENT, ["--host", "nulle-part.invalid"]), {
    code: 1,
    out: "",
    err: "nulle-part.invalid port 50000 : hôte inconnu : vérifiez --host\n",
  });
});

for (
  const args of [
    ["--prout"],
    ["bonjour"],
    ["--host="],
    ["--port", "0"],
    ["--port", "x"],
    ["--port", "65536"],
    ["--timeout", "0"],
    ["--timeout", "bientôt"],
  ]
) {
  Deno.test(`multithread_client ${args.join(" ")} is wrong usage, said in one line`, async () => {
    const { code, out, err } = await run(CLIENT, args);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}

for (
  const [name, answer, error] of [
    ["gives up after its time limit", "", Deno.errors.Interrupted],
    ["tells that the server has left", "bye", Deno.errors.UnexpectedEof],
  ] as [string, string, typeof Deno.errors.Interrupted][]
) {
  Deno.test({
    name: `converse of multithread_client ${name}, and leaves nothing open`,
    sanitizeOps: true,
    sanitizeResources: true,
    async fn() {
      using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const { port, hostname } = listener.addr;
      const conn = await Deno.connect({ port, hostname });
      using server = await listener.accept();
      if (answer) {
        await server.write(bytes(answer));
        await server.closeWrite();
      }
      async function* lines() {
        yield "Bonjour";
        await new Promise(() => {}); // Nothing more is typed, ever.
      }
      const shown: string[] = [];
      const show = (line: string) => void shown.push(line);
      await assertRejects(
        () => converse(conn, lines(), show, 0.1),
        error,
      );
      assertEquals(shown, answer ? [answer] : []);
    },
  });
}
