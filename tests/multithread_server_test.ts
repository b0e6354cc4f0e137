/** What only multithread_server does: threads, many clients, and its way to end them. */
import { assertEquals, assertMatch } from "@std/assert";
import { serve as serveClients } from "../scripts/multithread_server.ts";
import {
  bytes,
  exchange,
  PATIENCE,
  Peer,
  preload,
  printed,
  read,
  rest,
  run,
  serve,
  start,
  timers,
} from "./harness.ts";

const ANSWER = "Message reçu\n";

const SETTINGS = {
  thread: 1,
  listen: { port: 0 },
  maxClients: 100,
  limit: 60_000,
  quiet: true,
  raw: false,
};

/** Serves in this process, with limits that no test has to wait long for. */
function serveHere(changes: { maxClients?: number; limit?: number } = {}) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const stop = new AbortController();
  const { port } = listener.addr;
  const settings = { ...SETTINGS, ...changes };
  const done = serveClients(listener, stop.signal, settings);
  return {
    connect: () => Deno.connect({ hostname: "127.0.0.1", port }),
    meet: () => Peer.connect(port),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

/**
 * Serves one client, in memory: each of its pieces is there for one read, and then it
 * ends; an empty one makes it silent instead. All writes wait for `release`, or for
 * the connection's end.
 */
function inMemory(pieces: string[], changes = {}) {
  const delays: (boolean | undefined)[] = [], written: string[] = [];
  const writing = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<never>();
  const silence = Promise.withResolvers<never>();
  silence.promise.catch(() => {}); // Perhaps nobody waits for it.
  let gone = false;
  const conn = {
    remoteAddr: { hostname: "127.0.0.1", port: 1 },
    setNoDelay: (on?: boolean) => void delays.push(on),
    read(buffer: Uint8Array) {
      const piece = pieces.shift();
      if (piece === undefined) return Promise.resolve(null);
      if (piece === "") return silence.promise;
      buffer.set(bytes(piece));
      return Promise.resolve(piece.length);
    },
    async write(data: Uint8Array) {
      if (gone) throw new Deno.errors.BadResource();
      written.push(new TextDecoder().decode(data));
      writing.resolve();
      await released.promise;
      return data.length;
    },
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]() {
      gone = true;
      released.reject(new Deno.errors.Interrupted());
      silence.reject(new Deno.errors.Interrupted());
    },
  };
  const clients = [conn];
  const listener = {
    accept: async () => clients.pop() ?? await closed.promise,
    close: () => closed.reject(new Deno.errors.BadResource()),
  } as unknown as Deno.TcpListener;
  const aborter = new AbortController();
  const done = serveClients(listener, aborter.signal, {
    ...SETTINGS,
    ...changes,
  });
  const stop = () => {
    aborter.abort();
    return done;
  };
  const release = released.resolve;
  return { delays, written, writing: writing.promise, release, stop };
}

Deno.test("multithread_server prints each message with its client and thread, and its greeting and farewell", async () => {
  await using server = await serve("multithread_server", ["--threads", "1"]);
  assertMatch(server.out, /\(threads : 1\)\n$/);
  const heard = await exchange(
    await server.port(),
    "enfin\nfinir\r\n Fin \nquatre\n",
  );
  assertEquals(heard, ANSWER.repeat(3));
  await server.says("Connexion fermée");
  const name = server.out.match(/127\.0\.0\.1:\d+ \[Thread 1\]/)![0];
  assertEquals(server.out.split("\n").slice(1), [
    `Instance de serveur prête pour ${name}`,
    `Message reçu du client ${name} : enfin`,
    `Message reçu du client ${name} : finir`,
    `Message reçu du client ${name} :  Fin `,
    `Connexion fermée avec ${name}`,
    "",
  ]);
});

Deno.test("multithread_server --quiet prints nothing of clients and messages, and has a thread for each core", async () => {
  await using server = await serve("multithread_server", ["--quiet"]);
  const heard = await exchange(await server.port(), "secret\nfin\n");
  assertEquals(heard, ANSWER.repeat(2));
  server.kill();
  const { out } = await server.end();
  const threads = Deno.build.os === "linux" ? navigator.hardwareConcurrency : 1;
  const title = `Serveur prêt, .* \\(threads : ${threads}\\)`;
  assertMatch(out, RegExp(`^${title}\nServeur arrêté\n$`));
});

Deno.test("multithread_server refuses a number of threads that it cannot start", async () => {
  for (const threads of ["0", "1000", "deux"]) {
    const args = ["--threads", threads];
    const { code, err } = await run("multithread_server", args);
    assertEquals([code, err], [1, "Error: --threads : 1 à 999\n"]);
  }
});

Deno.test("multithread_server answers all the messages of a read with one write, at once (Nagle's algorithm)", async () => {
  const client = inMemory(["a\n".repeat(200)]);
  await client.writing;
  assertEquals(client.written, [ANSWER.repeat(200)]);
  assertEquals(client.delays, [true]);
  client.release();
  await client.stop();
});

Deno.test("multithread_server tells a client that is silent, or drips, that its time is over, and gives who speaks the whole of it again", async () => {
  const { setInterval } = globalThis;
  let tick = () => {}, every = 0;
  Object.assign(globalThis, {
    setInterval(work: () => void, ms: number) {
      tick = work;
      every = ms;
    },
  });
  await using server = serveHere({ limit: 1000 });
  Object.assign(globalThis, { setInterval });
  assertEquals(every, 100, "a tenth of the limit");
  const lines = await printed(async () => {
    await using silent = await server.meet(), drips = await server.meet();
    await using speaks = await server.meet();
    await speaks.say("je suis là\n");
    await speaks.hears(ANSWER); // Those before have been accepted, too.
    for (let tenth = 0; tenth < 10; tenth++) {
      await drips.say("x");
      tick();
    }
    await speaks.say("toujours là\n");
    await speaks.hears(ANSWER.repeat(2));
    tick();
    for (const client of [silent, drips]) {
      assertEquals(await client.ended(), "Délai dépassé\n");
    }
    await speaks.say("fin\n");
    assertEquals(await speaks.end(), ANSWER.repeat(3));
  });
  assertEquals(lines, []);
});

Deno.test("multithread_server reckons the time of a message from when its client has taken the answer before", async () => {
  const { setInterval } = globalThis;
  let tick = () => {};
  Object.assign(globalThis, { setInterval: (work: () => void) => tick = work });
  const client = inMemory(["un\n", ""]);
  Object.assign(globalThis, { setInterval });
  await client.writing;
  for (let tenth = 0; tenth < 7; tenth++) tick();
  client.release();
  await new Promise(setImmediate); // Now the answer has been taken.
  for (let tenth = 0; tenth < 7; tenth++) tick();
  await new Promise(setImmediate);
  await client.stop();
  assertEquals(client.written, [ANSWER, "Le serveur s'arrête\n"]);
});

Deno.test("multithread_server says so to who comes when it is full, and takes who comes later", async () => {
  await using server = serveHere({ maxClients: 1 });
  const first = await server.connect();
  await first.write(bytes("un\n"));
  assertEquals(await read(first), ANSWER);
  using second = await server.connect();
  assertEquals(await rest(second), "Serveur complet\n");
  await first.write(bytes("fin\n"));
  assertEquals(await rest(first), ANSWER);
  // There is room again once it has noticed that both have left.
  let heard = "";
  for (let i = 0; i < 1000 && heard !== ANSWER; i++) {
    using conn = await server.connect();
    await conn.write(bytes("deux\n"));
    heard = await read(conn);
  }
  assertEquals(heard, ANSWER);
});

Deno.test("multithread_server finishes the answer under way when it stops, says its last word, raw or as a line, and answers nothing more", async () => {
  for (const end of ["\n", ""]) {
    const client = inMemory(["un\n", "deux\n"], { raw: end === "" });
    await client.writing;
    const done = client.stop();
    await new Promise(setImmediate); // Whatever it would say too early is said now.
    const answer = "Message reçu" + end;
    assertEquals(client.written, [answer]);
    client.release();
    await done;
    assertEquals(client.written, [answer, "Le serveur s'arrête" + end]);
  }
});

Deno.test("multithread_server cuts off, a second after it stops, a client that takes no answer", async () => {
  const client = inMemory(["bonjour\n"]);
  const { setTimeout } = globalThis, limits: number[] = [];
  globalThis.setTimeout = ((work: () => void, ms: number) => {
    if (ms >= 1000) limits.push(ms);
    return setTimeout(work, ms);
  }) as typeof setTimeout;
  const lines = await printed(async () => {
    await client.writing;
    // Later than this second, it takes the answer, and would be told the last word.
    const late = setTimeout(client.release, 5000);
    await client.stop();
    clearTimeout(late);
  });
  Object.assign(globalThis, { setTimeout });
  assertEquals(limits, [1000, 1000], "for the answer, and to hang up");
  assertEquals(client.written, [ANSWER]);
  assertEquals(lines, [
    "Client perdu, 127.0.0.1:1 [Thread 1] : Interrupted",
  ]);
});

Deno.test({
  name:
    "multithread_server's threads share its clients out, and one that dies is replaced",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const killer = preload(
      "multithread_server",
      `const workers = [];
       globalThis.Worker = class extends Worker {
         constructor(...args) { super(...args); workers.push(this); }
       };
       // No worker expects this: the first one dies of it.
       Deno.addSignalListener("SIGUSR2", () => workers[0].postMessage(null));`,
    );
    const args = ["--threads", "2"];
    await using server = await serve("multithread_server", args, killer);
    const port = await server.port();
    /** Connects until the kernel has picked this thread. */
    const connectTo = async (thread: number) => {
      const end = performance.now() + PATIENCE;
      while (performance.now() < end) {
        const before = server.out.length; // A port is used again in time.
        const peer = await Peer.connect(port);
        const line = RegExp(
          `prête pour .*:${peer.socket.localPort} .Thread (\\d)`,
        );
        const ready = () => server.out.slice(before).match(line);
        const [, picked] = await server.until(ready, line);
        if (Number(picked) === thread) return peer;
        await peer[Symbol.asyncDispose]();
      }
      throw new Error(`The kernel never picked thread ${thread}`);
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
    const { code, out } = await server.end();
    assertEquals(code, 0);
    // It has waited for both of its clients, which are still there.
    assertMatch(out, /(\nConnexion fermée avec .*){2}\nServeur arrêté\n$/);
  },
});

Deno.test("multithread_server tells a thread its limits, starts it again a second after it throws where nobody catches, and ends at a signal meanwhile", async () => {
  const broken = preload(
    "multithread_server",
    `globalThis.Worker = class extends Worker {
       constructor(url, options) { super("data:text/javascript,x.y", options); }
       postMessage({ maxClients, limit }) { console.log(maxClients, limit); }
     };
     ${timers('console.log("pause", ms);')}`,
  );
  await using server = start("multithread_server", ["--port", "0"], broken);
  await server.complains(
    /(^Thread 1 mort, relancé : .*x is not defined\n[^]*){2}/m,
  );
  server.kill();
  const { out } = await server.end();
  assertEquals(server.signal, "SIGTERM");
  // What a thread is told, and the time until the next one.
  assertMatch(out, /^10000 300000\npause 1000\n10000 300000\n/);
});

Deno.test("multithread_server stops though a thread has just died", async () => {
  const dying = preload(
    "multithread_server",
    `globalThis.Worker = class {
       terminate() { console.log("terminé"); }
       postMessage(settings) {
         if (settings === "stop") return;
         queueMicrotask(() => this.onmessage({ data: 50000 }));
         setTimeout(() => this.onmessage({ data: "cassé" }));
       }
     };`,
  );
  const args = ["--threads", "1"];
  await using server = await serve("multithread_server", args, dying);
  await server.complains("mort, relancé : cassé");
  server.kill();
  const { code, out } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /\nterminé\nServeur arrêté\n$/);
});
