/** What every server of scripts.ts promises, and every TCP server to its clients. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { MAX_LINE, NOT_UTF8, TOO_LONG } from "./any_bytes.ts";
import {
  exchange,
  has,
  hold,
  limit,
  PAUSES,
  Peer,
  preload,
  Program,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";
import { all } from "./scripts.ts";

const BROKEN = Uint8Array.of(0xff, 10);

/** Nothing on stderr but single lines. */
function assertCalm(err: string): void {
  assert(!/^\s+at |^error: /m.test(err), `a stack trace: ${err}`);
}

/** The address of a module. */
const module = (code: string) =>
  `data:text/javascript,${encodeURIComponent(code)}`;
/** After this, a message that begins with "!" (33) breaks its handler; pauses are told. */
const BREAK = module(`
  ${PAUSES}
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (bytes) {
    if (bytes?.[0] === 33) throw new TypeError("cassé");
    return decode.call(this, bytes);
  };`);
/** Does so in workers too, which preload nothing. */
const BREAKING = `
  import "${BREAK}";
  globalThis.Worker = class extends Worker {
    constructor(url, options) {
      const code = \`import "${BREAK}"; import "\${url}";\`;
      super("data:text/javascript," + encodeURIComponent(code), options);
    }
  };`;

for (const { name, transport, args = [], tcp } of all("server")) {
  Deno.test(`${name} says in one line that its port is taken, and which option helps`, async () => {
    const at = { hostname: "127.0.0.1", port: 0 };
    // A listener that would share its port with others of its kind.
    const taken = transport === "udp"
      ? Deno.listenDatagram({ ...at, transport, reuseAddress: true })
      : Deno.listen({ ...at, reusePort: true });
    const { port } = taken.addr as Deno.NetAddr;
    const end = await run(name, ["--port", `${port}`, ...args]);
    taken.close();
    assertEquals([end.code, end.out], [1, ""]);
    const free = { web_server: 8089, relay: 50002 }[name] ?? 50001;
    assertMatch(end.err, RegExp(`^AddrInUse: .* --port ${free}\n$`));
  });

  Deno.test(`${name} says in one line that an address is not this machine's, where no option helps`, async () => {
    const host = ["--host", "192.0.2.1", "--port", "0"]; // RFC 5737: nobody's.
    const { code, out, err } = await run(name, [...host, ...args]);
    assertEquals([code, out], [1, ""]);
    assertMatch(err, /^AddrNotAvailable: [^:]*\n$/);
  });

  Deno.test(`${name} ends with 1 when it cannot print where it listens`, async () => {
    const shell = 'exec "$@" >/dev/full';
    const { code, err } = await run(name, ["--port", "0", ...args], { shell });
    assertEquals(code, 1);
    assertMatch(err, /^.*No space left.*\n$/);
    assert(!/--host|--port/.test(err), "it blames the network");
  });

  testWith(
    "IPv6",
    `${name} listens on IPv6${
      tcp ? ", and a second signal ends it at once" : ""
    }`,
    async () => {
      await using server = await serve(name, ["--host", "::1", ...args]);
      assertMatch(server.out, /^.* (http:\/\/)?\[::1\]:\d+/);
      if (!tcp) return; // Only a client that stays makes it wait for another signal.
      await using _client = await Peer.connect(await server.port(), "::1");
      await server.says(`${tcp.accepted}[::1]:`);
      // Not the same twice: a signal that waits already is not sent again.
      server.kill("SIGTERM");
      server.kill("SIGINT");
      assertEquals((await server.end()).code, 130);
    },
  );
}

for (const script of all("server", "tcp")) {
  const { name, args = [], except = {} } = script;
  const { accepted, backlog, welcome, answer, farewell, shows, course } = script
    .tcp!;
  const ANSWER = welcome + answer(["bonjour"]);

  Deno.test(`${name} serves one client after the other, whatever each does`, async (t) => {
    await using server = await serve(name, args, preload(name, BREAKING));
    const port = await server.port();
    const step = (what: string, fn: () => Promise<void>, ignore = false) =>
      t.step({
        name: `${name} ${what}`,
        ignore,
        async fn() {
          server.out = server.err = "";
          await fn();
          assertCalm(server.err);
        },
      });

    await step("answers a message that ends with the stream", async () => {
      assertEquals(await exchange(port, "bonjour"), ANSWER);
      await server.says(shows("bonjour"));
    });
    await step("reads two messages that come in one piece", async () => {
      const both = ["un", "deux"];
      assertEquals(await exchange(port, "un\ndeux\n"), welcome + answer(both));
      await server.says(shows("un"));
    });
    await step(
      "shows UTF-8 that comes byte by byte, but for what commands a terminal",
      async () => {
        await using client = await Peer.connect(port);
        const odd = "\ufeffé\0€ 😀\ufffd\x1b[2J\x07\u202e\x9b31m";
        await client.drip(odd + "\r\n");
        assertEquals(await client.end(), welcome + answer([odd]));
        await server.says(shows("\ufeffé€ 😀\ufffd[2J31m"));
      },
    );
    await step("takes a line of 64 KiB, and refuses what is none", async () => {
      const longest = "x".repeat(MAX_LINE - 1) + "\n";
      assertEquals(await exchange(port, longest), welcome + answer([longest]));
      const wrong = [["x" + longest, TOO_LONG], [BROKEN, NOT_UTF8]] as const;
      for (const [data, refusal] of wrong) {
        assertEquals(await exchange(port, data), `${welcome}${refusal}\n`);
        await server.complains(refusal);
      }
    });
    await step(
      "loses a client to an error that nobody foresaw, and no other",
      async () => {
        const heard = await exchange(port, "!\n").catch(() => "");
        assert(!heard.includes("cassé"), heard);
        await server.complains("cassé\n");
        assertEquals(await exchange(port, "bonjour\n"), ANSWER);
        assertEquals(server.err.match(/\n/g)?.length, 1, server.err);
      },
    );
    await step(
      "loses a client that resets in the middle, and no other",
      async () => {
        await using client = await Peer.connect(port);
        await client.say("la moiti");
        await server.says(`${accepted}127.0.0.1:${client.socket.localPort}`);
        await client.hears(welcome);
        await client.reset();
        await server.complains(/ConnectionReset/);
        assertEquals(await exchange(port, "bonjour\n"), ANSWER);
        assertEquals(server.err.match(/\n/g)?.length, 1, server.err);
      },
    );

    const linux = Deno.build.os === "linux";
    await step(
      "loses a client that resets before it is accepted, and no other",
      async () => {
        await hold(server);
        for (let gone = 0; gone < 5; gone++) {
          await using client = await Peer.connect(port);
          await client.reset();
        }
        server.kill("SIGCONT");
        await server.complains(/^(Client .*NotConnected.*\n){5}/);
        assertEquals(await exchange(port, "bonjour\n"), ANSWER);
        assert(!server.err.includes("Pause"), server.err);
      },
      !linux,
    );
    await step(
      "waits and goes on when no file descriptor is left",
      async () => {
        await limit(server, 3);
        const waiting = exchange(port, "bonjour\n");
        const count = (text: string) => server.err.split(text).length - 1;
        await server.until(() => count("non accepté") > 5, "6 lines");
        // The last line of each thread, of two at most, may still have none.
        assert(count("Pause\n") >= count("non accepté") - 2, server.err);
        await limit(server, 1000);
        assertEquals(await waiting, ANSWER);
      },
      !linux || !has("prlimit"),
    );

    await using silent = await Peer.connect(port);
    await server.says(`${accepted}127.0.0.1:${silent.socket.localPort}`);
    server.kill("SIGINT");
    // It does not leave, and so the server must.
    await silent.hears(welcome + farewell);
    const { code, out } = await server.end();
    assertEquals(code, 0);
    assertMatch(out, /Serveur arrêté\n$/);
  });

  Deno.test(`${name} serves on, or ends with 1, when the disk under stderr is full`, async () => {
    const shell = 'exec "$@" 2>/dev/full';
    await using server = await serve(name, args, { shell });
    await outlives(server, BROKEN, ANSWER);
  });

  Deno.test(`${name} serves on, or ends with 1, when the disk under stdout fills up`, async () => {
    const file = await Deno.makeTempFile({ prefix: "disque-" });
    // A file may have one block. Without the trap, a signal would end the process.
    const shell = `trap "" XFSZ; ulimit -f 1; exec "$@" >${file}`;
    await using server = start(name, ["--port", "0", ...args], {
      shell,
      stdin: "piped",
    });
    try {
      while (!(server.out = await Deno.readTextFile(file)).includes("\n")) {
        await new Promise((resume) => setTimeout(resume, 5));
      }
      await outlives(server, "bonjour\n", ANSWER);
    } finally {
      await Deno.remove(file);
    }
  });

  if (backlog) {
    testWith(
      "ss",
      `${name} lets ${backlog} clients wait to be accepted`,
      async () => {
        await using server = await serve(name, args);
        const filter = `sport = :${await server.port()}`;
        await using sockets = new Program("ss", ["-Hltn", filter]);
        // In each line, the second number is the length of the queue.
        const { out } = await sockets.end();
        const most = Deno.readTextFileSync("/proc/sys/net/core/somaxconn");
        const queue = Math.min(backlog, Number(most));
        assertMatch(out, RegExp(`^(LISTEN +0 +${queue} .*\n)+$`));
      },
    );
  }

  if (!except["others are served beside a client"]) {
    Deno.test(`${name} serves others beside a client that sends without pause, and one that never reads`, async () => {
      await using server = await serve(name, args);
      const port = await server.port();
      for (const reads of [true, false]) {
        server.out = "";
        await using greedy = await Peer.connect(port);
        // More than all the buffers on the way hold.
        const sent = greedy.say("encore\n".repeat(5_000_000));
        const ended = reads ? greedy.ended() : undefined;
        await server.says("encore");
        for (let other = 0; other < 4; other++) {
          assertEquals(await exchange(port, "bonjour\n"), ANSWER);
        }
        await greedy.reset();
        await Promise.all([sent, ended?.catch(() => {})]);
      }
    });
  }

  for (const { file, args: words, typed, peerShows, scriptShows } of course) {
    testWith(
      "python3",
      `${name} --raw talks to the course's ${file}`,
      async () => {
        await using server = await serve(name, [...args, "--raw"]);
        const port = `${await server.port()}`;
        const command = words.map((word) => word.replace("PORT", port));
        const path = `tests/peers/${file}`;
        await using client = new Program("python3", [path, ...command], {
          stdin: "piped",
        });
        if (typed) await client.type(typed[0]);
        if (typed?.[1]) {
          await server.says(shows(typed[0].trim()));
          await server.type(typed[1]);
        }
        const { code, out } = await client.end();
        assertEquals(code, 0);
        assertMatch(out, peerShows);
        await server.says(scriptShows);
      },
    );
  }
}

/** All its clients come to an end, and the last one is served if it still runs. */
async function outlives(
  server: Program,
  data: Uint8Array | string,
  answer: string,
) {
  const port = await server.port();
  for (let client = 0; client < 20; client++) {
    await exchange(port, data).catch(() => {});
  }
  const last = await exchange(port, "bonjour\n").catch(() => "");
  if (last === answer) return;
  assertEquals((await server.end()).code, 1);
  assertCalm(server.err);
  assert(!/--host|--port/.test(server.err), "it blames the network");
}
