/**
 * Pressure: peers that do not read, that drip, or that come by the hundred, cost
 * the others nothing. In the soak they are many and mixed; here they are alone, and
 * what they cost is measured.
 *
 * Two limits are numbers, of time and of memory. Noise on the machine only adds to
 * them: what counts is the middle one of five windows.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { median, memoryKib } from "../../bench/measure.ts";
import {
  bytes,
  exchange,
  PATIENCE,
  Program,
  python,
  serve,
  start,
  testWith,
} from "../harness.ts";

/** Milliseconds by which nobody may be delayed. */
const DELAY = 100;
const STALLED = 40;
/** KiB of the server's memory that each of these may cost. */
const EACH = 4 * 1024;

const ANSWER = "Message reçu\n";

/** Clients that say something for as long as it is taken, and read nothing. */
const DEAF = `
import select
clients, say = [], sys.argv[3].encode()
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.setblocking(False)
    clients.append(s)
def push(quiet):
    # Until nothing has been taken for so many seconds.
    while ready := select.select([], clients, [], quiet)[1]:
        for s in ready: s.send(say)
`;

/** The longest of the waits in a window of a second, the median of five windows. */
async function delay(one: () => Promise<void>): Promise<number> {
  const windows: number[] = [];
  while (windows.length < 5) {
    let longest = 0;
    const end = performance.now() + 1000;
    for (let begin; (begin = performance.now()) < end;) {
      await one();
      longest = Math.max(longest, performance.now() - begin);
      await new Promise((resume) => setTimeout(resume, 5));
    }
    windows.push(longest);
  }
  return median(windows);
}

testWith(
  "python3",
  "multithread_server lets readers that stall delay nobody, and keeps nothing for them",
  async () => {
    const args = ["--threads", "1", "--quiet", "--timeout", "60"];
    await using server = await serve("multithread_server", args);
    const port = await server.port();
    using polite = await Deno.connect({ hostname: "127.0.0.1", port });
    polite.setNoDelay(true);
    const buffer = new Uint8Array(100);
    const talk = async () => {
      await polite.write(bytes("bonjour\n"));
      const count = await polite.read(buffer);
      const heard = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
      assertEquals(heard, ANSWER);
    };
    await talk();
    const alone = await memoryKib(server.pid);
    await using deaf = python(
      DEAF + `push(1); print("plein"); push(60)`,
      ...[port, STALLED, "bonjour\n".repeat(500)],
    );
    // While they still push, and when they are stuck.
    const pushed = await delay(talk);
    await deaf.says("plein");
    const stuck = await delay(talk);
    assert(Math.max(pushed, stuck) <= DELAY, `${pushed} ms, then ${stuck} ms`);
    const each = (await memoryKib(server.pid) - alone) / STALLED;
    assert(each < EACH, `${each} KiB for each`);
    server.kill();
    assertEquals((await server.end()).code, 0);
  },
);

testWith(
  "python3",
  "multithread_server, when it stops, cuts off nobody whose answers are on their way",
  async () => {
    await using server = await serve("multithread_server", ["--threads", "1"]);
    const code = `
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
s.connect(("127.0.0.1", int(sys.argv[1])))
# FIN: the server ends the conversation, and waits for this side to do so too.
s.sendall(b"\\n" * 2999 + b"FIN\\n")
print("dit", flush=True)
sys.stdin.readline()
# A connection that is closed by now answers with a reset, and what it had sent is lost.
s.sendall(b"x\\n")
time.sleep(0.1)
heard = b""
try:
    while data := s.recv(65536): heard += data
except ConnectionResetError: pass
print(heard.count(b"\\n"))`;
    await using client = new Program("python3", [
      ...["-c", code, `${await server.port()}`],
    ], { stdin: "piped" });
    await client.says("dit");
    await server.says(/ : FIN\n/);
    // Within the second that the server waits for the client to end as well.
    await new Promise((resume) => setTimeout(resume, 100));
    server.kill();
    await new Promise((resume) => setTimeout(resume, 100));
    await client.type("lis\n");
    assertEquals((await client.end()).out, "dit\n3000\n");
    assertEquals((await server.end()).code, 0);
  },
);

testWith(
  "python3",
  "web_server lets downloads that stall delay nobody, and keeps nothing for them",
  async () => {
    const root = await Deno.makeTempDir({ prefix: "site-" });
    await using _ = {
      [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
    };
    await Deno.writeTextFile(`${root}/page.txt`, "bonjour\n");
    using file = await Deno.create(`${root}/film.bin`);
    await file.truncate(256 * 1024 * 1024);
    await using server = await serve("web_server", ["--root", root]);
    const port = await server.port();
    const ask = async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/page.txt`);
      assertEquals(await answer.text(), "bonjour\n");
    };
    await ask();
    const alone = await memoryKib(server.pid);
    // They ask once; what they ask for again waits behind the first answer.
    await using deaf = python(
      DEAF + `for s in clients: s.send(say)
print("plein")
push(60)`,
      ...[port, STALLED, "GET /film.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    );
    await deaf.says("plein");
    const longest = await delay(ask);
    assert(longest <= DELAY, `${longest} ms`);
    const each = (await memoryKib(server.pid) - alone) / STALLED;
    assert(each < EACH, `${each} KiB for each`);
    server.kill();
    assertEquals((await server.end()).code, 0);
  },
);

for (const script of ["p2p_server", "p2p_client"]) {
  Deno.test(`${script} keeps nothing for a peer that does not read: what is typed waits`, async () => {
    const stdin = "piped";
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    await using program = script === "p2p_server"
      ? await serve(script, [], { stdin })
      : start(script, ["--port", `${listener.addr.port}`], { stdin });
    using _peer = script === "p2p_server"
      ? await Deno.connect({
        hostname: "127.0.0.1",
        port: await program.port(),
      })
      : await listener.accept();
    await program.says(/connecté|ETABLIE/);
    // 200 MB, of which most never leaves this pipe.
    const lines = "Bonjour, une ligne de texte\n".repeat(1000);
    let typed = 0;
    const typing = (async () => {
      for (; typed < 7000; typed++) await program.type(lines);
    })().catch(() => {});
    // Until nothing has been taken for two seconds.
    const end = performance.now() + PATIENCE;
    for (let last = -1, still = 0; still < 8 && performance.now() < end;) {
      await new Promise((resume) => setTimeout(resume, 250));
      still = typed === last && typed > 0 ? still + 1 : 0;
      last = typed;
    }
    assert(typed > 0 && typed < 3500, `${typed} thousand lines were taken`);
    const mib = await memoryKib(program.pid) / 1024;
    assert(mib < 200, `${mib} MiB`);
    program.kill("SIGKILL");
    await typing;
  });
}

for (const script of ["server_simple", "multithread_server"]) {
  Deno.test(`${script} ends a drip of one byte a second at its limit`, async () => {
    await using server = await serve(script, ["--timeout", "3"]);
    const port = await server.port();
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    let dripped = 0;
    const drip = setInterval(() => {
      dripped++;
      conn.write(bytes("x")).catch(() => {});
    }, 1000);
    const begin = performance.now();
    const heard = await new Response(conn.readable).text()
      .finally(() => clearInterval(drip));
    const seconds = (performance.now() - begin) / 1000;
    assertEquals(heard, "Délai dépassé : 3 s\n");
    // Bytes came all the while, and did not put the end off.
    assert(dripped >= 2 && seconds >= 2.9 && seconds < 10, `${seconds} s`);
    await server.complains(/Délai dépassé : 3 s\n/);
  });
}

testWith(
  "python3",
  "multithread_server refuses a flood beyond --max-clients with a word, and serves those inside",
  async () => {
    const args = ["--threads", "2", "--max-clients", "20"];
    await using server = await serve("multithread_server", args);
    const port = await server.port();
    // 20 inside, then a thousand more, which stay until they are told; those inside
    // talk all the while.
    await using clients = python(
      `
at = ("127.0.0.1", int(sys.argv[1]))
inside = [socket.create_connection(at, 10) for _ in range(20)]
def talk():
    for s in inside:
        s.sendall("encore là\\n".encode())
        heard = b""
        while not heard.endswith(b"\\n"): heard += s.recv(100)
        assert heard.decode() == "Message reçu\\n", heard
talk()
words = {}
for _ in range(20):
    flood = [socket.create_connection(at, 10) for _ in range(50)]
    talk()
    for s in flood:
        heard = b""
        while data := s.recv(100): heard += data
        s.close()
        words[heard.decode()] = words.get(heard.decode(), 0) + 1
    talk()
print(words)
for s in inside: s.close()`,
      port,
    );
    const { out, err } = await clients.end();
    assertEquals([out, err], ["{'Serveur complet\\n': 1000}\n", ""]);
    assertEquals(server.err.match(/ : Serveur complet$/gm)?.length, 1000);
    // All the places are free again.
    await server.until(
      () => server.out.match(/^Connexion fermée/gm)?.length === 20,
      "the end of those inside",
    );
    assertMatch(await exchange(port, "bonjour\n"), /^Message reçu\n$/);
  },
);
