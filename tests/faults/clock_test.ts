/**
 * The clock: limits are spans of time, and have nothing to do with the date. A
 * clock that somebody sets, or that NTP corrects after a suspend, must neither end
 * a conversation nor make a wait endless.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  header,
  PATIENCE,
  Program,
  ROOT,
  run,
  serve,
  start,
} from "../harness.ts";
import { MessageReader } from "../../scripts/encoding.ts";

const HOURS = { forwards: 6, backwards: -6 };
type Jump = keyof typeof HOURS;

/**
 * A folder with a module to `--preload`, after which the date jumps by hours, and
 * further each time that it is asked for, in workers too (which do not preload).
 */
async function jumping(jump: Jump) {
  const path = await Deno.makeTempDir({ prefix: "horloge-" });
  const clock = `
    const Real = Date;
    let shift = 0;
    const now = () => Real.now() + (shift += ${HOURS[jump]} * 3600_000);
    globalThis.Date = class Date extends Real {
      constructor(...args) { super(...(args.length > 0 ? args : [now()])); }
      static now() { return now(); }
    };`;
  const preload = `
    import "./clock.mjs";
    globalThis.Worker = class extends Worker {
      constructor(url, options) {
        super(import.meta.resolve("./worker.mjs") + "#" + url, options);
      }
    };`;
  // What comes before the script has loaded is kept for it.
  const worker = `
    import "./clock.mjs";
    const early = [];
    self.onmessage = ({ data }) => early.push(data);
    await import(location.hash.slice(1));
    for (const data of early) self.onmessage(new MessageEvent("message", { data }));`;
  for (const [name, code] of Object.entries({ clock, preload, worker })) {
    await Deno.writeTextFile(`${path}/${name}.mjs`, code);
  }
  return {
    path,
    /** The flags of a script's header, and those that make the date jump. */
    flags: (script: string) => [
      ...header(script).flags,
      ...["--preload", `${path}/preload.mjs`],
    ],
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Does something under a clock that jumps forwards, and one that jumps back. */
async function underBoth(
  what: (flags: (script: string) => string[]) => Promise<void>,
): Promise<void> {
  const jumps = Object.keys(HOURS) as Jump[];
  const results = await Promise.allSettled(jumps.map(async (jump) => {
    await using clock = await jumping(jump);
    await what(clock.flags);
  }));
  for (const [i, result] of results.entries()) {
    if (result.status === "fulfilled") continue;
    throw new Error(`The clock jumps ${jumps[i]}`, { cause: result.reason });
  }
}

/** A server that takes clients, says nothing, and hears what they say. */
function listen() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = ["--port", `${listener.addr.port}`];
  return { listener, address, [Symbol.dispose]: () => listener.close() };
}

/**
 * Resolves when a client of ours, whose clock does not jump, has waited a second
 * in vain: by then, a limit that goes by the date would have struck.
 */
async function hourglass(): Promise<void> {
  using mute = listen();
  const args = ["--timeout", "1", ...mute.address];
  const [{ code, err }] = await Promise.all([
    run("client_simple", args),
    mute.listener.accept().then(async (conn) => {
      using _ = conn;
      await hear(conn);
      assertEquals(await conn.read(new Uint8Array(1)), null);
    }),
  ]);
  assertEquals(code, 1);
  assertMatch(err, /aucune réponse en 1 s/);
}

/** Closes a connection where the test would otherwise wait for ever. */
function bounded<T extends Disposable>(conn: T): T & Disposable {
  const limit = setTimeout(() => conn[Symbol.dispose](), 2 * PATIENCE);
  const close = conn[Symbol.dispose].bind(conn);
  return Object.assign(conn, {
    [Symbol.dispose]: () => (clearTimeout(limit), close()),
  });
}

async function connect(server: Program) {
  const port = await server.port();
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const reader = new MessageReader(conn);
  return Object.assign(bounded(conn), {
    say: async (text: string) => void await conn.write(bytes(text)),
    hear: async () => (await reader.read())?.join("\n") ?? null,
  });
}

/** What one read brings. */
async function hear(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(65536);
  const count = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

/** Stops a program, as a suspend does, for a second or more. */
async function suspend(program: Program): Promise<void> {
  program.kill("SIGSTOP");
  await hourglass();
  program.kill("SIGCONT");
}

async function stops(server: Program): Promise<void> {
  server.kill("SIGTERM");
  const { code, out, err } = await server.end();
  assertEquals(code, 0, err);
  assertMatch(out, /Serveur arrêté\n$/);
}

Deno.test("A script under the jumping clock sees other dates, and so do its workers", async () => {
  const code = `
    const skip = Math.round((Date.now() - Date.now()) / 3600_000);
    const same = new Date(0).getTime() === 0 && new Date() instanceof Date;
    if ("DedicatedWorkerGlobalScope" in globalThis) {
      self.onmessage = () => { console.log("worker", skip, same); self.close(); };
    } else {
      console.log("main", skip, same);
      new Worker(import.meta.url, { type: "module" }).postMessage("");
    }`;
  for (const jump of Object.keys(HOURS) as Jump[]) {
    await using clock = await jumping(jump);
    await Deno.writeTextFile(`${clock.path}/main.mjs`, code);
    const flags = ["--allow-read", "--preload", `${clock.path}/preload.mjs`];
    await using program = new Program(Deno.execPath(), [
      ...["run", ...flags, `${clock.path}/main.mjs`],
    ]);
    const { code: exit, out, err } = await program.end();
    assertEquals([exit, err], [0, ""]);
    const skip = -HOURS[jump];
    assertEquals(out, `main ${skip} true\nworker ${skip} true\n`);
  }
});

Deno.test("No script looks at the date but to show it, or to compare it with a file's", async () => {
  // Both are right: nobody waits for them.
  const allowed: Record<string, string[]> = {
    // The greeting says what time it is.
    "client_class.ts": [
      'const now = new Date().toLocaleString("fr-FR");',
    ],
    // The age of a file, whose dates are the clock's. A wrong one costs a read, or
    // (forwards) remembers a file that may still change in the same tick.
    "web_server.ts": [
      "if (Date.now() - changed > 2000) known.set(key, copy);",
    ],
  };
  const found: Record<string, string[]> = {};
  for await (const { name } of Deno.readDir(`${ROOT}scripts`)) {
    const code = (await Deno.readTextFile(`${ROOT}scripts/${name}`))
      .replace(/\/\*[^]*?\*\//g, "").replace(/\/\/.*$/gm, "");
    const lines = code.split("\n").map((line) => line.trim()).filter((line) =>
      /\bDate\b|\bTemporal\b|\btimeOrigin\b|\bhrtime\b/.test(line)
    );
    if (lines.length > 0) found[name] = lines;
  }
  assertEquals(found, allowed);
});

Deno.test("server_simple waits as long as it says, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    const options = { flags: flags("server_simple") };
    await using patient = await serve("server_simple", [], options);
    await using hasty = await serve(
      "server_simple",
      ["--timeout", "0.5"],
      options,
    );
    using slow = await connect(patient), mute = await connect(hasty);
    await patient.says("Client connecté");
    await hourglass();
    await suspend(patient);
    await slow.say("Bonjour\n");
    assertEquals(await slow.hear(), "Bonjour, je suis le serveur");
    assertEquals(await mute.hear(), "Délai dépassé : 0.5 s");
    slow[Symbol.dispose]();
    mute[Symbol.dispose]();
    await Promise.all([stops(patient), stops(hasty)]);
  });
});

Deno.test("multithread_server waits as long as it says, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    const options = { flags: flags("multithread_server") };
    const two = ["--threads", "2"];
    await using patient = await serve("multithread_server", two, options);
    await using hasty = await serve(
      "multithread_server",
      [...two, "--timeout", "0.5"],
      options,
    );
    using slow = await connect(patient), mute = await connect(hasty);
    await slow.say("un\n");
    assertEquals(await slow.hear(), "Message reçu");
    await hourglass();
    await suspend(patient);
    await slow.say("deux\n");
    assertEquals(await slow.hear(), "Message reçu");
    assertEquals(await mute.hear(), "Délai dépassé : 0.5 s");
    // It has 3 s for a client that does not leave.
    await stops(patient);
    await stops(hasty);
    assertEquals(await slow.hear(), "Le serveur s'arrête");
  });
});

Deno.test("multithread_server gives each client at least the time that it says", async () => {
  const args = ["--threads", "1", "--timeout", "0.3"];
  await using server = await serve("multithread_server", args);
  // Its watch looks four times a second: some come just before that.
  const times = await Promise.all(
    Array.from({ length: 25 }, async (_, i) => {
      await new Promise((resume) => setTimeout(resume, 20 * i));
      const begin = performance.now();
      using conn = await connect(server);
      assertEquals(await conn.hear(), "Délai dépassé : 0.3 s");
      return performance.now() - begin;
    }),
  );
  assert(Math.min(...times) >= 300, `${Math.min(...times)} ms`);
});

Deno.test("multithread_server does not count the time for which it is stopped", async () => {
  const args = ["--threads", "1", "--timeout", "1"];
  await using server = await serve("multithread_server", args);
  using conn = await connect(server);
  await conn.say("avant\n");
  assertEquals(await conn.hear(), "Message reçu");
  server.kill("SIGSTOP");
  await conn.say("pendant\n");
  // Two seconds, of which it has one.
  await hourglass();
  await hourglass();
  server.kill("SIGCONT");
  assertEquals(await conn.hear(), "Message reçu");
  assertEquals(await conn.hear(), "Délai dépassé : 1 s");
});

Deno.test("p2p_server keeps a silent peer, and leaves one that does not answer FIN, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    const options = { flags: flags("p2p_server") };
    await using server = await serve("p2p_server", [], options);
    using slow = await connect(server);
    assertMatch(await slow.hear() ?? "", /^Vous êtes connecté/);
    await hourglass();
    await suspend(server);
    await slow.say("toujours là\n");
    await server.says("Client >> toujours là\n");
    server.kill("SIGTERM");
    // FIN comes, and nothing is said to it: the server has 3 s for that.
    assertEquals(await slow.hear(), "FIN");
    assertEquals((await server.end()).code, 0);
    assertMatch(server.out, /Serveur arrêté\n$/);
  });
});

Deno.test("udp_server answers before and after the clock jumps", async () => {
  await underBoth(async (flags) => {
    const options = { flags: flags("udp_server") };
    await using server = await serve("udp_server", [], options);
    const ask = () => run("udp_client", ["Bonjour", ...server.address]);
    assertEquals((await ask()).out, "Bonjour, je suis le serveur\n");
    await suspend(server);
    assertEquals((await ask()).out, "Bonjour, je suis le serveur\n");
    await stops(server);
  });
});

Deno.test("web_server keeps a connection, shows a file as it is now, and stops in time, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    const root = await Deno.makeTempDir({ prefix: "web-" });
    await using _ = {
      [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
    };
    await Deno.writeTextFile(`${root}/a.txt`, "avant");
    const options = { flags: flags("web_server") };
    await using server = await serve("web_server", ["--root", root], options);
    using client = await connect(server), stalled = await connect(server);
    const get = async () => {
      await client.say("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n");
      // The head and the body, in one read or in two.
      let answer = "";
      while (!/\r\n\r\n.{5}$/s.test(answer)) {
        const more = await hear(client);
        assert(more, "the server has closed");
        answer += more;
      }
      assert(answer.startsWith("HTTP/1.1 200 OK\r\n"), answer);
      return answer.slice(-5);
    };
    // Twice: what it remembers must be right as well.
    assertEquals([await get(), await get()], ["avant", "avant"]);
    await stalled.say(
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    );
    await hourglass();
    await Deno.writeTextFile(`${root}/a.txt`, "après".slice(0, 4));
    await Deno.writeTextFile(`${root}/a.txt`, "pense");
    await suspend(server);
    assertEquals([await get(), await get()], ["pense", "pense"]);
    await stops(server); // Though a client has not ended its request.
  });
});

const CLIENTS = ["client_simple", "client_class", "multithread_client"];

for (const script of CLIENTS) {
  Deno.test(`${script} waits as long as it says, wherever the clock jumps`, async () => {
    await underBoth(async (flags) => {
      using server = listen();
      const options = { flags: flags(script), stdin: "piped" as const };
      const patient = async () => {
        await using client = start(script, server.address, options);
        using conn = bounded(await server.listener.accept());
        if (script === "multithread_client") await client.type("Bonjour\n");
        assertMatch(await hear(conn), /^Bonjour.*\n$/);
        await hourglass();
        await suspend(client);
        await conn.write(bytes("Enfin une réponse\n"));
        await client.says("Enfin une réponse\n");
        await client.endInput();
        // It is the client that leaves: the other way round would be an error.
        assertEquals(await hear(conn), "");
        conn[Symbol.dispose]();
        const { code, err } = await client.end();
        assertEquals([code, err], [0, ""]);
      };
      await patient();
      const args = ["--timeout", "0.5", ...server.address];
      await using client = start(script, args, options);
      using conn = bounded(await server.listener.accept());
      if (script === "multithread_client") await client.type("Bonjour\n");
      assertMatch(await hear(conn), /^Bonjour.*\n$/);
      const { code, err } = await client.end();
      assertEquals(code, 1);
      assertMatch(err, /aucune réponse en 0.5 s/);
    });
  });
}

Deno.test("udp_client waits as long as it says, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    const hostname = "127.0.0.1", transport = "udp";
    const socket = Deno.listenDatagram({ hostname, port: 0, transport });
    using _ = { [Symbol.dispose]: () => socket.close() };
    const { port } = socket.addr as Deno.NetAddr;
    const options = { flags: flags("udp_client") };
    const address = ["--port", `${port}`];
    const args = ["Bonjour", "--timeout", "60", ...address];
    await using client = start("udp_client", args, options);
    const [message, sender] = await socket.receive();
    assertEquals(new TextDecoder().decode(message), "Bonjour");
    await hourglass();
    await suspend(client);
    await socket.send(bytes("Enfin une réponse"), sender);
    assertEquals(await client.end(), {
      code: 0,
      out: "Enfin une réponse\n",
      err: "",
    });
    const hasty = ["Bonjour", "--timeout", "0.5", ...address];
    const { code, err } = await run("udp_client", hasty, options);
    assertEquals(code, 1);
    assertMatch(err, /aucune réponse en 0.5 s/);
  });
});

Deno.test("p2p_client keeps a silent peer, and leaves one that does not answer FIN, wherever the clock jumps", async () => {
  await underBoth(async (flags) => {
    using server = listen();
    const options = { flags: flags("p2p_client"), stdin: "piped" as const };
    await using client = start("p2p_client", server.address, options);
    using conn = bounded(await server.listener.accept());
    await client.says("CONNEXION ETABLIE");
    await hourglass();
    await suspend(client);
    await conn.write(bytes("toujours là\n"));
    await client.says("Serveur >> toujours là\n");
    await client.type("moi aussi\n");
    assertEquals(await hear(conn), "moi aussi\n");
    client.kill("SIGTERM");
    assertEquals(await hear(conn), "FIN\n");
    const { code, out, err } = await client.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /CONNEXION INTERROMPUE\n$/);
  });
});
