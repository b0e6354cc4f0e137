/** What only multithread_server does: threads, many clients, and its way to end them. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve as serveClients } from "../scripts/multithread_server.ts";
import {
  bytes,
  exchange,
  header,
  Peer,
  printed,
  rest,
  run,
  serve,
} from "./harness.ts";

const ANSWER = "Message reçu\n";

/** Serves in this process, with limits that no test has to wait long for. */
function serveHere(changes: { maxClients?: number; limit?: number } = {}) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const { port } = listener.addr;
  const limits = { maxClients: 100, limit: 60_000, ...changes };
  const settings = { thread: 1, listen: { port }, quiet: true, raw: false };
  const done = serveClients(listener, stop.signal, { ...settings, ...limits });
  return {
    connect: () => Deno.connect({ hostname: "127.0.0.1", port }),
    stop: () => stop.abort(),
    done,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

/** Waits until as many answers have come. */
async function answers(conn: Deno.Conn, count: number): Promise<string> {
  const buffer = new Uint8Array(65_536);
  let text = "";
  while (text.length < count * ANSWER.length) {
    const length = await conn.read(buffer);
    if (length === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, length));
  }
  return text;
}

Deno.test("multithread_server prints each message with its client and thread, and its greeting and farewell", async () => {
  await using server = await serve("multithread_server", ["--threads", "1"]);
  assertMatch(server.out, /\(threads : 1\)\n$/);
  const heard = await exchange(
    await server.port(),
    "un\ndeux\r\nFin\nquatre\n",
  );
  assertEquals(heard, ANSWER.repeat(3));
  await server.says("Connexion fermée");
  const name = server.out.match(/127\.0\.0\.1:\d+ \[Thread 1\]/)![0];
  assertEquals(server.out.split("\n").slice(1), [
    `Instance de serveur prête pour ${name}`,
    `Message reçu du client ${name} : un`,
    `Message reçu du client ${name} : deux`,
    `Message reçu du client ${name} : Fin`,
    `Connexion fermée avec ${name}`,
    "",
  ]);
});

Deno.test("multithread_server --quiet prints nothing of clients and messages", async () => {
  await using server = await serve("multithread_server", ["--quiet"]);
  const heard = await exchange(await server.port(), "secret\nfin\n");
  assertEquals(heard, ANSWER.repeat(2));
  server.kill();
  const { out } = await server.end();
  assertMatch(out, /^Serveur prêt, .*\nServeur arrêté\n$/);
});

Deno.test({
  name: "multithread_server's threads share its clients out",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await serve("multithread_server", ["--threads", "2"]);
    const port = await server.port();
    const greet = () => exchange(port, "bonjour\n");
    const heard = await Promise.all(Array.from({ length: 40 }, greet));
    assertEquals(heard, heard.map(() => ANSWER));
    await server.says("[Thread 1] : bonjour\n");
    await server.says("[Thread 2] : bonjour\n");
  },
});

Deno.test("multithread_server refuses a number of threads that it cannot start", async () => {
  for (const threads of ["0", "1000", "deux"]) {
    const { code, err } = await run("multithread_server", [
      "--threads",
      threads,
    ]);
    assertEquals([code, err], [1, "Error: --threads : 1 à 999\n"]);
  }
});

Deno.test("multithread_server answers all the messages of a read with one write", async () => {
  await using server = serveHere();
  using conn = await server.connect();
  await conn.write(bytes("a\n".repeat(200)));
  const buffer = new Uint8Array(65_536);
  const count = await conn.read(buffer);
  const text = new TextDecoder().decode(buffer.subarray(0, count!));
  assertEquals(text, ANSWER.repeat(200));
});

Deno.test("multithread_server holds back no small answer (Nagle's algorithm)", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accept = listener.accept.bind(listener);
  const calls: (boolean | undefined)[] = [];
  listener.accept = async () => {
    const conn = await accept();
    conn.setNoDelay = (on) => void calls.push(on);
    return conn;
  };
  const stop = new AbortController();
  const { port } = listener.addr;
  const settings = { thread: 1, listen: { port }, quiet: true, raw: false };
  const limits = { maxClients: 1, limit: 60_000 };
  const done = serveClients(listener, stop.signal, { ...settings, ...limits });
  assertEquals(await exchange(port, "bonjour\n"), ANSWER);
  assertEquals(calls, [true]);
  stop.abort();
  await done;
});

Deno.test("multithread_server tells a silent client, and one that drips, that its time is over", async () => {
  await using server = serveHere({ limit: 200 });
  const lines = await printed(async () => {
    for (const drip of [false, true]) {
      using conn = await server.connect();
      const timer = setInterval(() => {
        if (drip) conn.write(bytes("x")).catch(() => {});
      }, 20);
      assertEquals(await rest(conn), "Délai dépassé\n");
      clearInterval(timer);
    }
  });
  assertEquals(lines, []);
});

Deno.test("multithread_server gives a client that speaks its whole time again", async () => {
  await using server = serveHere({ limit: 300 });
  using conn = await server.connect();
  const begin = performance.now();
  while (performance.now() - begin < 900) {
    await conn.write(bytes("je suis là\n"));
    assertEquals(await answers(conn, 1), ANSWER);
    await new Promise((resume) => setTimeout(resume, 50));
  }
});

Deno.test("multithread_server says so to who comes when it is full, and takes who comes later", async () => {
  await using server = serveHere({ maxClients: 1 });
  const first = await server.connect();
  await first.write(bytes("un\n"));
  assertEquals(await answers(first, 1), ANSWER);
  using second = await server.connect();
  assertEquals(await rest(second), "Serveur complet\n");
  await first.write(bytes("fin\n"));
  assertEquals(await rest(first), ANSWER);
  // There is room again once it has noticed that both have left.
  let heard = "";
  for (let i = 0; i < 1000 && heard !== ANSWER; i++) {
    using conn = await server.connect();
    await conn.write(bytes("deux\n"));
    heard = await answers(conn, 1);
  }
  assertEquals(heard, ANSWER);
});

/** A client that asks for more answers than the kernels hold, and reads none. */
async function stall(server: { connect: () => Promise<Deno.TcpConn> }) {
  const conn = await server.connect();
  let sent = 0;
  const request = bytes("\n".repeat(65_536));
  const flood = async () => {
    while (sent < 50_000_000) sent += await conn.write(request);
  };
  // Its own writes wait as well, since the server does not read on.
  const { promise, resolve } = Promise.withResolvers<void>();
  flood().catch(() => {});
  let before = -1;
  const timer = setInterval(() => {
    if (before === sent) resolve();
    before = sent;
  }, 100);
  await promise;
  clearInterval(timer);
  return conn;
}

Deno.test("multithread_server closes a client that does not take its answers, at the limit", async () => {
  await using server = serveHere({ limit: 500 });
  await printed(async () => {
    using conn = await stall(server);
    const heard = await rest(conn);
    // Cut off, perhaps in the middle of an answer, but with no last word in it.
    const end = heard.replaceAll(ANSWER, "");
    assert(
      end.length < ANSWER.length || end === "ConnectionReset",
      end.slice(0, 200),
    );
  });
});

Deno.test("multithread_server says its last word after an answer, not in its middle", async () => {
  await using server = serveHere();
  await printed(async () => {
    using conn = await stall(server);
    server.stop();
    const heard = await rest(conn);
    assertMatch(heard, /^(Message reçu\n)+(Le serveur s'arrête\n)?$/);
  });
});

Deno.test("multithread_server stops in time though a client takes nothing", async () => {
  await using server = await serve("multithread_server", ["--threads", "1"]);
  const port = await server.port();
  using conn = await stall({
    connect: () => Deno.connect({ hostname: "127.0.0.1", port }),
  });
  server.kill();
  const { code, out } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /\nServeur arrêté\n$/);
  conn[Symbol.dispose]();
});

/** Starts it after `code`, which puts something in the place of `Worker`. */
async function serveAfter(code: string, args: string[]) {
  const url = `data:application/javascript,${encodeURIComponent(code)}`;
  const flags = [...header("multithread_server").flags, "--preload", url];
  return await serve("multithread_server", args, { flags });
}

Deno.test({
  name:
    "multithread_server replaces a thread that dies while another one serves",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using server = await serveAfter(
      `const workers = [];
       globalThis.Worker = class extends Worker {
         constructor(...args) { super(...args); workers.push(this); }
       };
       // No worker expects this: the first one dies of it.
       Deno.addSignalListener("SIGUSR2", () => workers[0].postMessage(null));`,
      ["--threads", "2"],
    );
    const port = await server.port();
    /** Connects until the kernel has picked this thread. */
    const connectTo = async (thread: number) => {
      while (true) {
        const peer = await Peer.connect(port);
        const from = peer.socket.localPort;
        const [, picked] = await server.says(
          new RegExp(`prête pour 127.0.0.1:${from} .Thread (\\d)`),
        );
        if (Number(picked) === thread) return peer;
        await peer[Symbol.asyncDispose]();
      }
    };
    await using first = await connectTo(1);
    await using second = await connectTo(2);
    server.kill("SIGUSR2");
    await server.complains(/^Thread 1 mort, relancé : .+\n/m);
    await first.ended();
    await second.say("bonjour\n");
    await second.hears(ANSWER);
    await using again = await connectTo(1);
    await again.say("bonjour\n");
    await again.hears(ANSWER);
    server.kill();
    assertEquals((await server.end()).code, 0);
  },
});

Deno.test("multithread_server replaces a thread that throws where nobody catches", async () => {
  await using server = await serveAfter(
    `let first = true;
     globalThis.Worker = class extends Worker {
       constructor(url, options) {
         const code = "postMessage('listening'); setTimeout(() => x.y, 100)";
         super(first ? "data:application/javascript," + code : url, options);
         first = false;
       }
     };`,
    ["--threads", "2"],
  );
  await server.complains(/^Thread 1 mort, relancé : .*x is not defined\n/m);
  assertEquals(await exchange(await server.port(), "bonjour\n"), ANSWER);
  server.kill();
  assertEquals((await server.end()).code, 0);
});
