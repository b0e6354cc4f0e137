/**
 * Pressure: peers that do not read cost the others no time, and the script no
 * memory. Noise on the machine only adds to what is measured: what counts is the
 * best of five windows.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Peer, Program, python, serve, testWith } from "../harness.ts";
import { memoryKib } from "./soak.ts";

/** Milliseconds by which nobody may be delayed. */
const DELAY = 100;
const STALLED = 40;
/** KiB of the server's memory that each of these may cost. */
const EACH = 8 * 1024;

/** Python clients that say something for as long as it is taken, and read nothing. */
const deaf = (port: number, say: string) =>
  python(
    `
import select
clients, say = [], sys.argv[3].encode()
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.setblocking(False)
    clients.append(s)
# Until nothing has been taken for a second; HTTP answers one request at a time.
while ready := select.select([], clients, [], 1)[1]:
    for s in ready: s.send(say)
    if say.startswith(b"GET"): break
print("plein")
time.sleep(60)`,
    ...[port, STALLED, say],
  );

/** The longest wait in a window of a second, in the best of five windows. */
async function delay(one: () => Promise<void>): Promise<number> {
  let least = Infinity;
  for (let window = 0; window < 5; window++) {
    let longest = 0;
    const end = performance.now() + 1000;
    while (performance.now() < end) {
      const begin = performance.now();
      await one();
      longest = Math.max(longest, performance.now() - begin);
      await new Promise((resume) => setTimeout(resume, 5));
    }
    least = Math.min(least, longest);
  }
  return least;
}

/** Measures what clients that do not read cost the others, and the server. */
async function press(server: Program, say: string, ask: () => Promise<void>) {
  await ask();
  const alone = memoryKib(server.pid);
  await using clients = deaf(await server.port(), say);
  const pushed = await delay(ask); // While they push,
  await clients.says("plein");
  const stuck = await delay(ask); // and when they are stuck.
  assert(Math.max(pushed, stuck) <= DELAY, `${pushed} ms, then ${stuck} ms`);
  const each = (memoryKib(server.pid) - alone) / STALLED;
  assert(each < EACH, `${each} KiB for each`);
}

testWith(
  "python3",
  "multithread_server lets clients that do not read delay nobody, and keeps nothing for them",
  async () => {
    const args = ["--threads", "1", "--quiet"];
    await using server = await serve("multithread_server", args);
    await using polite = await Peer.connect(await server.port());
    await press(server, "bonjour\n".repeat(500), async () => {
      polite.text = "";
      await polite.say("bonjour\n");
      await polite.hears("Message reçu\n");
    });
  },
);

testWith(
  "python3",
  "web_server lets downloads that stall delay nobody, and keeps nothing for them",
  async () => {
    const film = await Deno.makeTempFile({ suffix: ".bin" });
    await Deno.truncate(film, 256 * 1024 * 1024);
    const [, root, name] = film.match(/^(.*)\/([^/]+)$/)!;
    await using server = await serve("web_server", ["--root", root]);
    const url = `http://127.0.0.1:${await server.port()}/rien`;
    const request = `GET /${name} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    await press(server, request, async () => {
      assertEquals(await (await fetch(url)).text(), "404 Introuvable\n");
    });
    await Deno.remove(film);
  },
);
