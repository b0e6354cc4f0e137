import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  serve as serveClients,
  start as startThread,
} from "../scripts/multithread_server.ts";
import {
  bytes,
  copyOut,
  exchange,
  header,
  limit,
  LINUX,
  PATIENCE,
  Program,
  python,
  ROOT,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";

const SERVER = "multithread_server";
const ANSWER = "Message reçu\n";

type Server = Program & { address: string[] };

/** The port that a server of ours has. */
const portOf = (server: Server) => Number(server.address[1]);

/** A client of our own; like all that waits here, it gives up in the end. */
async function connect(server: Server) {
  const conn = await Deno.connect({
    port: portOf(server),
    hostname: "127.0.0.1",
  });
  const limit = setTimeout(() => conn[Symbol.dispose](), PATIENCE);
  return {
    port: conn.localAddr.port,
    /** What one read brings; "" at the end of the stream. */
    async hear() {
      const buffer = new Uint8Array(4096);
      const count = await conn.read(buffer);
      return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
    },
    async say(text: string) {
      await conn.write(bytes(text));
      return await this.hear();
    },
    [Symbol.dispose]() {
      clearTimeout(limit);
      conn[Symbol.dispose]();
    },
  };
}

/** A Python client with its connection in `s`; `rest()` is all that it still hears. */
function peer(server: Server, code: string) {
  const prelude = `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
def rest():
    heard = b""
    try:
        while data := s.recv(4096): heard += data
    except ConnectionResetError: pass
    return heard.decode()
`;
  return python(prelude + code, portOf(server));
}

/** Three clients that send without pause, and say so; they read their answers. */
const greedyClients = (server: Server) =>
  python(
    String.raw`
def drain(s):
    while s.recv(65536): pass
def flood(s):
    while True:
        s.sendall((b"y" * 60000 + b"\n") * 4)
        print("encore")
for _ in range(3):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    for run in drain, flood: threading.Thread(target=run, args=(s,)).start()`,
    portOf(server),
  );

/** A server is well if it still answers, and ends with 0 when it is told to. */
async function assertWell(server: Server) {
  assertEquals(await exchange(portOf(server), "toujours là ?\n"), ANSWER);
  server.kill();
  const { code, out, err } = await server.end();
  assertEquals(code, 0, err);
  assertMatch(out, /\nServeur arrêté\n$/);
}

Deno.test("multithread_server answers each message, and prints it with its thread and client", async () => {
  await using server = await serve(SERVER, ["--threads", "2"]);
  await server.says(
    /^Serveur prêt.* sur 127\.0\.0\.1:\d+\b.*\(threads : 2\)\n/,
  );
  assertEquals(
    await exchange(portOf(server), "un\ndeux\r\n"),
    ANSWER.repeat(2),
  );
  const [, client] = await server.says(
    /Message reçu du client (127\.0\.0\.1:\d+ \[Thread [12]\]) : un\n/,
  );
  await server.says(`Message reçu du client ${client} : deux\n`);
  await server.says(`Connexion fermée avec ${client}\n`);
  await assertWell(server);
  assertEquals(server.err, "");
});

Deno.test("multithread_server serves several clients at once", async () => {
  await using server = await serve(SERVER, ["--threads", "1"]);
  using first = await connect(server);
  using second = await connect(server);
  using third = await connect(server);
  for (const client of [third, first, second, first, third, second]) {
    assertEquals(await client.say("bonjour\n"), ANSWER);
  }
});

Deno.test("multithread_server ends a client's conversation at its FIN, and no other's", async () => {
  await using server = await serve(SERVER);
  using other = await connect(server);
  assertEquals(await other.say("avant\n"), ANSWER);
  for (const fin of ["FIN", "fin", "Fin"]) {
    const heard = await exchange(portOf(server), `un\n${fin}\naprès\n`);
    assertEquals(heard, ANSWER.repeat(2));
  }
  assertEquals(await other.say("après\n"), ANSWER);
  // The client that does not close by itself is closed after its answer.
  assertEquals(await other.say("fin\n"), ANSWER);
  assertEquals(await other.hear(), "");
  await assertWell(server);
  // It was not even read what stood behind the FIN.
  assertEquals(server.out.match(/ : après\n/g)?.length, 1);
});

Deno.test("multithread_server answers all the messages that one segment brings", async () => {
  await using server = await serve(SERVER, ["--quiet"]);
  const heard = await exchange(portOf(server), "x\n".repeat(5000));
  assertEquals(heard, ANSWER.repeat(5000));
});

testWith(
  "nc",
  "multithread_server answers nc, which half-closes, with and without a last newline",
  async () => {
    await using server = await serve(SERVER);
    for (const text of ["un\\ndeux\\n", "un\\ndeux"]) {
      const command = `printf '${text}' | nc -N 127.0.0.1 ${portOf(server)}`;
      await using nc = new Program("sh", ["-c", command]);
      assertEquals((await nc.end()).out, ANSWER.repeat(2));
    }
    await server.until(
      () => server.out.match(/ : deux\n/g)?.length === 2,
      "both last messages on stdout",
    );
  },
);

// What Python's socket does, what it hears, and what the server says of it.
for (
  const [name, code, heard, report] of [
    [
      "reads a message that comes byte by byte",
      String.raw`for b in "salut\nFIN\n".encode(): s.sendall(bytes([b]))
print(rest())`,
      ANSWER.repeat(2),
      / : salut\n/,
    ],
    [
      "joins a € that comes in two pieces",
      // The answer shows that the first piece has been read.
      String.raw`s.sendall(b"un\n\xe2\x82")
first = s.recv(100)
s.sendall(b"\xac\nFIN\n")
print(first.decode() + rest())`,
      ANSWER.repeat(3),
      / : €\n/,
    ],
    [
      "takes glued messages apart",
      String.raw`s.sendall("un\r\ndeux\n\ntrois\nFIN\n".encode())
print(rest())`,
      ANSWER.repeat(5),
      / : un\n.* : deux\n.* : \n.* : trois\n.* : FIN\n/,
    ],
    [
      "ends a client that is silent for longer than --timeout",
      "print(rest())",
      "Délai dépassé : 1 s\n",
      /\] : Délai dépassé : 1 s\n/,
    ],
    [
      "ends a client that drips bytes for longer than --timeout",
      `s.settimeout(0.1)
heard = b""
while not heard:
    try:
        s.sendall(b"x")
        heard = s.recv(100)
    except TimeoutError: pass
print(heard.decode())`,
      "Délai dépassé : 1 s\n",
      /\] : Délai dépassé : 1 s\n/,
    ],
    [
      "refuses a line that never ends",
      `def send():
    try:
        while True: s.sendall(b"x" * 65536)
    except OSError: pass
threading.Thread(target=send, daemon=True).start()
print(rest())`,
      "Message refusé : plus de 65536 octets\n",
      /\] : Message refusé : plus de 65536 octets\n/,
    ],
    [
      "answers the good messages before broken UTF-8, and refuses that",
      String.raw`s.sendall(b"un\ndeux\n\xff\nquatre\n")
print(rest())`,
      ANSWER.repeat(2) + "Message refusé : ce n'est pas de l'UTF-8\n",
      /\] : Message refusé : ce n'est pas de l'UTF-8\n/,
    ],
    [
      "strips what commands a terminal from the messages that it prints",
      String.raw`s.sendall("a\x1b[31mb\x07\x9b\u202ec\u2066d\nFIN\n".encode())
print(rest())`,
      ANSWER.repeat(2),
      / : a\[31mbcd\n/,
    ],
    [
      "forgets a client that resets in the middle of a message",
      String.raw`s.sendall(b"un\nla moit")
print(s.recv(100).decode())
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()`,
      ANSWER,
      /\] : .*(reset|coupé).*\n/,
    ],
  ] satisfies [string, string, string, RegExp][]
) {
  Deno.test(`multithread_server ${name}`, async () => {
    await using server = await serve(SERVER, [
      "--timeout",
      "1",
      "--threads",
      "1",
    ]);
    await using client = peer(server, code);
    const { out, err } = await client.end();
    assertEquals([out, err], [heard + "\n", ""]);
    await server.until(
      () => report.test(server.out) || report.test(server.err),
      `a report that matches ${report}`,
    );
    await assertWell(server);
  });
}

Deno.test("multithread_server serves on at once after clients that reset before they are accepted", async () => {
  await using server = await serve(SERVER, ["--threads", "1"]);
  // While the server is stopped, the kernel takes clients in, and lets them go.
  server.kill("SIGSTOP");
  await using clients = python(
    String.raw`
at = ("127.0.0.1", int(sys.argv[1]))
for _ in range(200):
    s = socket.create_connection(at)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
print("partis")
# Far more than it takes, and far less than a pause for each of the 200.
s = socket.create_connection(at, 5)
s.sendall(b"bonjour\n")
print(s.recv(100).decode())`,
    portOf(server),
  );
  await clients.says("partis");
  server.kill("SIGCONT");
  const { out, err } = await clients.end();
  assertEquals([out, err], [`partis\n${ANSWER}\n`, ""]);
  await server.complains(/Client non accepté : .+\n/);
  await assertWell(server);
});

Deno.test("multithread_server ends a client that sends and never reads, and serves others meanwhile", async () => {
  const args = ["--quiet", "--threads", "1", "--timeout", "1"];
  await using server = await serve(SERVER, args);
  await using deaf = peer(
    server,
    String.raw`
def send(seconds):
    s.settimeout(seconds)
    while True: s.send(b"x\n" * 1000)
try: send(0.3)
except TimeoutError: print("plein")
try: send(10)
except TimeoutError: print("toujours là")
except OSError: print("coupé")`,
  );
  await deaf.says("plein");
  assertEquals(await exchange(portOf(server), "bonjour\n"), ANSWER);
  assertEquals((await deaf.end()).out, "plein\ncoupé\n");
  await server.complains(/\[Thread 1\] : Délai dépassé : 1 s\n/);
  await assertWell(server);
});

Deno.test("multithread_server says its last word after its answers, to who reads them at last", async () => {
  const args = ["--quiet", "--threads", "1", "--timeout", "1"];
  await using server = await serve(SERVER, args);
  const code = String.raw`
import socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
# For segments of 64 KiB, as loopback has them, the kernel would take all the rest.
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.settimeout(0.3)
try:
    while True: s.send(b"\n" * 60000)
except TimeoutError: print("plein", flush=True)
s.settimeout(10)
sys.stdin.readline()
heard = b""
while data := s.recv(65536): heard += data
answers, last = heard.decode().rsplit("reçu\n", 1)
print(set((answers + "reçu").split("\n")), last)`;
  const stdin = "piped", port = `${portOf(server)}`;
  await using deaf = new Program("python3", ["-c", code, port], { stdin });
  await deaf.says("plein");
  await server.complains(/\[Thread 1\] : Délai dépassé : 1 s\n/);
  await deaf.type("lis\n");
  const { out, err } = await deaf.end();
  assertEquals([out, err], [
    "plein\n{'Message reçu'} Délai dépassé : 1 s\n\n",
    "",
  ]);
  await assertWell(server);
});

Deno.test("multithread_server hears no more of a client that it has ended", async () => {
  const args = ["--threads", "1", "--timeout", "1"];
  await using server = await serve(SERVER, args);
  await using client = peer(
    server,
    String.raw`
s.sendall(b"la moit")
print(s.recv(100).decode())
for part in "ié", "\n", "une autre\n":
    s.sendall(part.encode())
    time.sleep(0.1)`,
  );
  assertEquals((await client.end()).out, "Délai dépassé : 1 s\n\n");
  await server.says("Connexion fermée avec");
  assertEquals(server.out.includes("Message reçu du client"), false);
  await assertWell(server);
});

Deno.test("multithread_server lets no client wait 100 ms beside three that send without pause", async () => {
  await using server = await serve(SERVER, ["--quiet", "--threads", "1"]);
  await using greedy = greedyClients(server);
  const rounds = () => greedy.out.split("\n").length;
  await greedy.until(() => rounds() > 10, "their first rounds");
  using polite = await connect(server);
  // Noise can only add to a wait: the best of five windows of a second counts.
  let least = Infinity;
  for (let window = 0; window < 5 && least > 100; window++) {
    let longest = 0;
    const end = performance.now() + 1000;
    for (let begin; (begin = performance.now()) < end;) {
      assertEquals(await polite.say("s'il vous plaît\n"), ANSWER);
      longest = Math.max(longest, performance.now() - begin);
    }
    least = Math.min(least, longest);
  }
  assert(least <= 100, `${least} ms`);
  const before = rounds();
  await greedy.until(() => rounds() > before, "one more round");
});

Deno.test("multithread_server stops in time while clients send without pause", async () => {
  await using server = await serve(SERVER, ["--quiet", "--threads", "2"]);
  await using greedy = greedyClients(server);
  await greedy.until(() => greedy.out.length > 200, "their first rounds");
  const begin = performance.now();
  server.kill("SIGTERM");
  const { code, out } = await server.end();
  const took = performance.now() - begin;
  assertEquals(code, 0);
  assertMatch(out, /\nServeur arrêté\n$/);
  assert(took < 5000, `${took} ms`);
});

const somaxconn = "/proc/sys/net/core/somaxconn";
const roomy = Deno.build.os === "linux" &&
  Number(Deno.readTextFileSync(somaxconn)) >= 1024;
Deno.test({
  name: "multithread_server lets a thousand clients in at once" +
    (roomy ? "" : ` (ignored: no ${somaxconn} of 1024 or more)`),
  ignore: !roomy,
  async fn() {
    await using server = await serve(SERVER, ["--quiet", "--threads", "1"]);
    // While the server is stopped, nobody leaves the queue.
    await using clients = python(
      String.raw`
import os, resource, select, signal
pid, at = int(sys.argv[1]), ("127.0.0.1", int(sys.argv[2]))
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.kill(pid, signal.SIGSTOP)
poll, clients = select.poll(), []
for _ in range(1000):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(at)
    poll.register(s, select.POLLOUT)
    clients.append(s)
inside, end = set(), time.monotonic() + 5
while len(inside) < 1000 and time.monotonic() < end:
    for s, event in poll.poll(100):
        if event == select.POLLOUT: inside.add(s)
        poll.unregister(s)
print(len(inside), "dedans")
os.kill(pid, signal.SIGCONT)
for s in clients:
    s.settimeout(10)
    s.sendall(b"bonjour\n")
print({s.recv(100).decode() for s in clients})`,
      ...[server.pid, portOf(server)],
    );
    const { out, err } = await clients.end();
    assertEquals([out, err], ["1000 dedans\n{'Message reçu\\n'}\n", ""]);
    await assertWell(server);
  },
});

testWith(
  LINUX,
  "multithread_server sends a second answer at once, though the first is not acknowledged yet",
  async () => {
    await using server = await serve(SERVER, ["--quiet", "--threads", "1"]);
    // A new client is read by 512 bytes, which is 256 messages here: two reads, and
    // two writes. It acknowledges the first late, by choice, and not at once.
    await using client = python(
      String.raw`
waits = []
for _ in range(10):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    lazy = lambda: s.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    lazy()
    s.sendall(b"a\n" * 300)
    heard = b""
    for count in 256, 300:
        begin = time.monotonic()
        while heard.count(b"\n") < count:
            lazy()
            heard += s.recv(65536)
            lazy()
    waits.append(time.monotonic() - begin)
    s.close()
print(min(waits) * 1000)`,
      portOf(server),
    );
    const { out, err } = await client.end();
    assertEquals(err, "");
    assert(Number(out) < 20, `${out} ms`);
    await assertWell(server);
  },
);

Deno.test("multithread_server serves 300 clients at once", async () => {
  await using server = await serve(SERVER, ["--quiet"]);
  await using clients = python(
    String.raw`
at = ("127.0.0.1", int(sys.argv[1]))
clients = [socket.create_connection(at, 10) for _ in range(300)]
for s in clients: s.sendall(b"bonjour\n")
print({s.recv(100).decode() for s in clients})`,
    portOf(server),
  );
  assertEquals((await clients.end()).out, "{'Message reçu\\n'}\n");
  await assertWell(server);
});

Deno.test({
  name: "multithread_server spreads its clients over its threads",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await serve(SERVER, ["--threads", "2"]);
    for (let i = 0; i < 40; i++) {
      assertEquals(await exchange(portOf(server), "bonjour\n"), ANSWER);
    }
    await server.says("[Thread 1] : bonjour\n");
    await server.says("[Thread 2] : bonjour\n");
  },
});

Deno.test("multithread_server --raw takes a read for one message, line endings and all", async () => {
  await using server = await serve(SERVER, ["--raw"]);
  using conn = await connect(server);
  assertEquals(await conn.say("bonjour\nFIN\nencore\n"), "Message reçu");
  await server.says(" : bonjourFINencore\n");
  assertEquals(await conn.say("FIN\n"), "Message reçu");
  await server.says("Connexion fermée avec");
  assertEquals(server.out.match(/Message reçu du client/g)!.length, 2);
});

Deno.test("multithread_server --quiet says nothing of clients and messages", async () => {
  await using server = await serve(SERVER, ["--quiet"]);
  const answers = await exchange(portOf(server), "secret\nfin\n");
  assertEquals(answers, ANSWER.repeat(2));
  server.kill("SIGTERM");
  const { out } = await server.end();
  assertMatch(out, /^Serveur prêt, .*\nServeur arrêté\n$/);
});

Deno.test("multithread_server --max-clients 2 refuses a third client, until one of the two leaves", async () => {
  await using server = await serve(SERVER, ["--max-clients", "2"]);
  const first = await connect(server);
  using second = await connect(server);
  assertEquals(await first.say("un\n"), ANSWER);
  assertEquals(await second.say("deux\n"), ANSWER);
  assertEquals(await exchange(portOf(server), ""), "Serveur complet\n");
  assertEquals(await first.say("un\n"), ANSWER);
  assertEquals(await second.say("deux\n"), ANSWER);
  first[Symbol.dispose]();
  // There is room again when the server has noticed, on whichever thread.
  const limit = performance.now() + PATIENCE;
  let heard = "Serveur complet\n";
  while (heard === "Serveur complet\n" && performance.now() < limit) {
    heard = await exchange(portOf(server), "trois\n");
  }
  assertEquals(heard, ANSWER);
  assertEquals(await second.say("deux\n"), ANSWER);
});

Deno.test("multithread_server does not count a client that it refused and that stays", async () => {
  const args = ["--max-clients", "1", "--threads", "1"];
  await using server = await serve(SERVER, args);
  const first = await connect(server);
  assertEquals(await first.say("un\n"), ANSWER);
  using refused = await connect(server);
  assertEquals(await refused.hear(), "Serveur complet\n");
  first[Symbol.dispose]();
  await server.says(`Connexion fermée avec 127.0.0.1:${first.port} `);
  using next = await connect(server);
  assertEquals(await next.say("deux\n"), ANSWER);
});

testWith(
  LINUX,
  "multithread_server waits and serves on when no file descriptor is left",
  async () => {
    await using server = await serve(SERVER, ["--quiet", "--threads", "1"]);
    await limit(server, 3);
    const three = ["un\n", "deux\n", "trois\n"].map((word) =>
      exchange(portOf(server), word).catch((error) => `${error}`)
    );
    await server.complains(/^Client non accepté : .+ 24\)$/m);
    // It pauses: 20 lines in this second, and without a pause thousands.
    await new Promise((resume) => setTimeout(resume, 1000));
    assert(server.err.length < 10_000, `${server.err.length} characters`);
    await limit(server, 1000);
    assertEquals(await Promise.all(three), [ANSWER, ANSWER, ANSWER]);
    await assertWell(server);
    // Deno itself may miss the certificates of NODE_EXTRA_CA_CERTS.
    assertMatch(
      server.err,
      /^((Client non accepté : .+ 24\)|.* extra certs .*)\n)+$/,
    );
  },
);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`multithread_server tells silent clients that it stops, and ends with 0 on ${signal}`, async () => {
    await using server = await serve(SERVER, ["--threads", "2"]);
    using one = await connect(server);
    using two = await connect(server);
    await server.until(
      () => server.out.match(/Instance de serveur prête/g)?.length === 2,
      "both clients",
    );
    const begin = performance.now();
    server.kill(signal);
    // Neither of them ever closes: it is not for them to keep the server alive.
    for (const client of [one, two]) {
      assertEquals(await client.hear(), "Le serveur s'arrête\n");
      assertEquals(await client.hear(), "");
    }
    const { code, out } = await server.end();
    assertEquals(code, 0);
    assertMatch(out, /\nServeur arrêté\n$/);
    // 3 s at most, and something for a busy machine.
    assert(performance.now() - begin < 8000);
  });
}

Deno.test("multithread_server ends at once with 130 at the second signal", async () => {
  await using server = await serve(SERVER);
  // A client that stays gives the server something to wait for.
  using _client = await connect(server);
  await server.says("Instance de serveur prête");
  // Two different ones: of two equal ones, the system may make one.
  server.kill("SIGINT");
  server.kill("SIGTERM");
  assertEquals((await server.end()).code, 130);
});

Deno.test("multithread_server says in one line that its port is in use", async () => {
  using other = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  await using same = await serve(SERVER, ["--threads", "2"]);
  // A second multithread_server could share the port, and take half of the clients.
  for (const port of [other.addr.port, portOf(same)]) {
    assertEquals(await run(SERVER, ["--port", `${port}`]), {
      code: 1,
      out: "",
      err: `Port ${port} déjà utilisé : choisissez-en un autre avec --port\n`,
    });
  }
});

Deno.test("multithread_server without --unstable-net says that one thread serves, and serves", async () => {
  // The project's deno.json would turn it on.
  const files = ["scripts/multithread_server.ts", "scripts/encoding.ts"];
  await using folder = await copyOut(...files);
  await using server = await serve(SERVER, ["--threads", "2"], {
    cwd: folder.path,
    flags: ["--allow-net", "--allow-read"],
  });
  await server.complains(/^.*--unstable-net.* un (seul )?thread\n$/);
  await server.says(/^Serveur prêt.*\(threads : 1\)\n/);
  await assertWell(server);
});

/** Starts a server after `code`, which may put something in the place of `Worker`. */
async function serveAfter(code: string, args: string[]) {
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  const flags = [...header(SERVER).flags, "--preload", url];
  return await serve(SERVER, args, { flags });
}

Deno.test("multithread_server replaces a thread that dies while another one serves", async () => {
  await using server = await serveAfter(
    `const workers = [];
     globalThis.Worker = class extends Worker {
       constructor(...args) { super(...args); workers.push(this); }
     };
     // Not what a worker expects: the first one dies of it.
     Deno.addSignalListener("SIGUSR1", () => workers[0].postMessage(null));`,
    ["--threads", "2"],
  );
  /** Connects until the kernel has picked this thread. */
  const connectTo = async (thread: number) => {
    while (true) {
      const client = await connect(server);
      const [, picked] = await server.says(
        new RegExp(`prête pour 127.0.0.1:${client.port} .Thread (\\d)`),
      );
      if (Number(picked) === thread) return client;
      client[Symbol.dispose]();
    }
  };
  using first = await connectTo(1);
  using second = await connectTo(2);
  server.kill("SIGUSR1");
  await server.complains(/^Thread 1 mort, remplacé : .+\n/m);
  assertEquals(await first.hear().catch(() => "reset"), "");
  assertEquals(await second.say("bonjour\n"), ANSWER);
  using again = await connectTo(1);
  assertEquals(await again.say("bonjour\n"), ANSWER);
  await assertWell(server);
});

Deno.test("multithread_server replaces a thread that throws", async () => {
  await using server = await serveAfter(
    `let first = true;
     globalThis.Worker = class extends Worker {
       constructor(url, options) {
         const code = "postMessage('ready'); setTimeout(() => x.y, 100)";
         super(first ? "data:application/javascript," + code : url, options);
         first = false;
       }
     };`,
    ["--threads", "2"],
  );
  await server.complains(/^Thread 1 mort, remplacé : .*x is not defined\n/m);
  await assertWell(server);
});

Deno.test("multithread_server survives an unexpected error in a client's handler", async () => {
  // In a worker, where nothing is preloaded: the first client that is accepted
  // breaks its handler. What comes before the script has loaded is kept for it.
  const path = await Deno.makeTempFile({ suffix: ".mjs" });
  await using _ = { [Symbol.asyncDispose]: () => Deno.remove(path) };
  await Deno.writeTextFile(
    path,
    `const early = [], { listen } = Deno;
     self.onmessage = ({ data }) => early.push(data);
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
     };
     await import(location.hash.slice(1));
     for (const data of early) self.onmessage(new MessageEvent("message", { data }));`,
  );
  await using server = await serveAfter(
    `globalThis.Worker = class extends Worker {
       constructor(url, options) {
         super(${JSON.stringify(`file://${path}`)} + "#" + url, options);
       }
     };`,
    ["--threads", "1"],
  );
  using other = await connect(server);
  assertEquals(await other.hear().catch(() => ""), "");
  await assertWell(server);
  assertMatch(server.err, /^127\.0\.0\.1:\d+ \[Thread 1\] : cassé\n$/);
});

Deno.test("multithread_server shows U+FEFF, U+FFFD and an emoji as they were sent, without the NUL", async () => {
  await using server = await serve(SERVER, ["--threads", "1"]);
  const odd = "\ufeffa\0b é € 😀\ufffd";
  assertEquals(await exchange(portOf(server), odd + "\r\n"), ANSWER);
  await server.says(` : ${odd.replace("\0", "")}\n`);
});

Deno.test("multithread_server says in one line that its host is unknown", async () => {
  const host = "pas.un.hote.invalid";
  const { code, out, err } = await run(SERVER, ["--host", host]);
  assertEquals([code, out], [1, ""]);
  assertMatch(err, /^Impossible d'écouter sur pas\.un\.hote\.invalid .+\n$/);
});

Deno.test("multithread_server does not start over and over a thread that cannot listen", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const settings = {
    listen: { ...listener.addr, transport: "tcp" as const, reusePort: true },
    thread: 0,
    clients: new Int32Array(new SharedArrayBuffer(4)),
    maxClients: 1,
    timeout: 1,
    quiet: true,
    raw: false,
  };
  const { signal } = new AbortController();
  await assertRejects(() => startThread(settings, signal), Error, "in use");
});

testWith("IPv6", "multithread_server serves IPv6", async () => {
  await using server = await serve(SERVER, ["--host", "::1"]);
  assertEquals(await exchange(portOf(server), "bonjour\n", "::1"), ANSWER);
  await server.says(/Message reçu du client \[::1\]:\d+ \[Thread \d+\] : bonj/);
});

Deno.test("multithread_server --raw talks to the course's Python client", async () => {
  await using server = await serve(SERVER, ["--raw"]);
  await using client = new Program("python3", [
    `${ROOT}tests/peers/multithread_client.py`,
    "127.0.0.1",
    `${portOf(server)}`,
  ], { stdin: "piped" });
  await client.type("Ça va ?\nfin\n");
  assertEquals(await client.end(), {
    code: 0,
    out: "Connecté au serveur\nTapez FIN pour terminer la conversation\n" +
      ">> Message reçu\n>> Message reçu\nConnexion fermée\n",
    err: "",
  });
  await server.says(" : Ça va ?\n");
  await server.says("Connexion fermée avec");
});

Deno.test({
  name: "serve of multithread_server ends when its clients are told to go",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    const said: string[] = [], { log, error } = console;
    console.log = console.error = (line: string) => void said.push(line);
    try {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const stop = new AbortController();
      // What a thread left that was ended while it counted; another one begins anew.
      const clients = new Int32Array([0, -3]);
      const serving = serveClients(listener, stop.signal, {
        listen: { port: 0, reusePort: false },
        thread: 1,
        clients,
        maxClients: 10,
        timeout: 60,
        quiet: false,
        raw: false,
      });
      const { port } = listener.addr;
      using conn = await Deno.connect({ port, hostname: "127.0.0.1" });
      const { port: from } = conn.localAddr;
      await conn.write(bytes("bonjour\n"));
      const buffer = new Uint8Array(100);
      await conn.read(buffer);
      assertEquals([...clients], [0, 1]);
      stop.abort();
      const count = await conn.read(buffer);
      const heard = new TextDecoder().decode(buffer.subarray(0, count!));
      assertEquals(heard, "Le serveur s'arrête\n");
      conn[Symbol.dispose]();
      await serving;
      assertEquals([...clients], [0, 0]);
      const name = `127.0.0.1:${from} [Thread 2]`;
      assertEquals(said, [
        `Instance de serveur prête pour ${name}`,
        `Message reçu du client ${name} : bonjour`,
        `${name} : Le serveur s'arrête`,
        `Connexion fermée avec ${name}`,
      ]);
    } finally {
      Object.assign(console, { log, error });
    }
  },
});

for (
  const args of [
    ["--prout"],
    ["bonjour"],
    ["--port", "abc"],
    ["--port", "70000"],
    ["--port", "1.5"],
    ["--host="],
    ["--threads", "0"],
    ["--threads", "1.5"],
    ["--timeout", "0"],
    ["--timeout", "x"],
    ["--max-clients", "0"],
  ]
) {
  Deno.test(`multithread_server ${args.join(" ")} is wrong usage, said in one line`, async () => {
    await using server = start(SERVER, args);
    // It ends by itself; if it serves instead, that shows here too.
    await server.complains(/\n/);
    const { code, out, err } = await server.end();
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}
