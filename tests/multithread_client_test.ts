import { assert, assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../scripts/encoding.ts";
import { converse } from "../scripts/multithread_client.ts";
import { bytes, pair, type Peer, rest, start, testWith } from "./harness.ts";
import { atTerminal, type Tmux, type TmuxOptions } from "./tmux.ts";

/** These lines, and then nothing more, for ever. */
async function* typed(...lines: string[]) {
  yield* lines;
  await new Promise(() => {});
}

/** What `conn` brings with one read. */
async function read(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(100);
  const count = await conn.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

Deno.test("converse of multithread_client says a line once the one before is answered", async () => {
  using ends = await pair();
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  const over = converse(ends.client, typed("un", "deux", " fin "), show);
  for (const line of ["un", "deux", " fin "]) {
    assertEquals(await read(ends.server), line + "\n");
    await ends.server.write(bytes(`${line.length}\n`));
  }
  assertEquals(await rest(ends.server), "");
  await over;
  assertEquals(shown, ["2", "4", "5"]);
});

Deno.test("converse of multithread_client leaves when its lines end, once all are answered", async () => {
  using ends = await pair();
  async function* lines() {
    yield "un";
  }
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  const over = converse(ends.client, lines(), show);
  assertEquals(await read(ends.server), "un\n");
  await ends.server.write(bytes("reçu\n"));
  assertEquals(await rest(ends.server), "");
  ends.server[Symbol.dispose]();
  await over;
  assertEquals(shown, ["reçu"]);
});

Deno.test("converse of multithread_client sends nothing of what cannot be a message", async () => {
  using ends = await pair();
  const lines = typed("x".repeat(65_536));
  await assertRejects(() => converse(ends.client, lines, () => {}), Refusal);
  assertEquals(await rest(ends.server), "");
});

Deno.test("converse of multithread_client fails when the server leaves between two lines", async () => {
  using ends = await pair();
  await ends.server.write(bytes("Le serveur s'arrête\n"));
  ends.server[Symbol.dispose]();
  const shown: string[] = [];
  await assertRejects(
    () => converse(ends.client, typed(), (text) => shown.push(text)),
    Deno.errors.UnexpectedEof,
  );
  assertEquals(shown, ["Le serveur s'arrête"]);
});

Deno.test("converse of multithread_client ends well when the server leaves at FIN without a word", async () => {
  using ends = await pair();
  const over = converse(ends.client, typed("FIN"), () => {});
  assertEquals(await read(ends.server), "FIN\n");
  ends.server[Symbol.dispose]();
  await over;
});

for (
  const [what, line, raw] of [
    ["is silent", "bonjour", false],
    // More than all the buffers on the way hold.
    ["does not read", "x".repeat(20_000_000), true],
  ] as const
) {
  Deno.test(`converse of multithread_client gives up, at its limit, a server that ${what}`, async () => {
    using ends = await pair();
    const error = await assertRejects(
      () => converse(ends.client, typed(line), () => {}, raw, 200),
      DOMException,
    );
    assertEquals(error.name, "TimeoutError");
  });
}

Deno.test("converse of multithread_client has no limit between an answer and the next line", async () => {
  using ends = await pair();
  const next = Promise.withResolvers<void>();
  async function* lines() {
    yield "un";
    await next.promise;
    yield "FIN";
  }
  const over = converse(ends.client, lines(), () => {}, false, 100);
  for (const line of ["un\n", "FIN\n"]) {
    assertEquals(await read(ends.server), line);
    await ends.server.write(bytes("reçu\n"));
    if (line === "un\n") setTimeout(next.resolve, 300);
  }
  ends.server[Symbol.dispose]();
  await over;
});

Deno.test("converse of multithread_client speaks while the server never pauses", async () => {
  using ends = await pair();
  let reads = 0;
  // Each read is ready at once: a loop of them would let nobody else in.
  ends.client.read = (buffer) => {
    const over = ++reads > 100;
    return Promise.resolve(over ? null : buffer.fill(10).length);
  };
  async function* lines() {
    await new Promise(setImmediate); // A key is pressed.
    yield "au secours";
    await new Promise(() => {});
  }
  const over = converse(ends.client, lines(), () => {}).catch(() => {});
  assertEquals(await read(ends.server), "au secours\n");
  assert(reads <= 100, "when it had heard all");
  await over;
});

Deno.test("multithread_client ends at FIN, though there is more in its pipe, which stays open", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = ["--port", `${listener.addr.port}`];
  await using client = start("multithread_client", address, { stdin: "piped" });
  await client.type("FIN\n");
  using conn = await listener.accept();
  assertEquals(await read(conn), "FIN\n");
  await client.type("jamais dit\n");
  await conn.write(bytes("reçu\n"));
  assertEquals(await rest(conn), "");
  assertEquals((await client.end()).code, 0);
});

Deno.test("multithread_client leaves in its pipe what it cannot say yet", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = ["--port", `${listener.addr.port}`];
  await using client = start("multithread_client", address, { stdin: "piped" });
  using _silent = await listener.accept();
  // Until half a second has not been enough for one more.
  const lines = "Bonjour, une ligne de texte\n".repeat(3000);
  let typed = 0, typing = Promise.resolve(), full = false;
  while (!full && typed < 200) {
    let timer;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(() => resolve(void (full = true)), 500);
    });
    typing = client.type(lines).catch(() => {});
    await Promise.race([typing, late]);
    clearTimeout(timer);
    typed++;
  }
  client.kill("SIGKILL");
  await typing;
  assert(typed < 50, `${typed} times 84 kB were taken`);
});

// At a terminal.

/** A test with the script at a terminal, which has asked for a line. */
function onScreen(
  name: string,
  play: (terminal: Tmux, server: Peer) => Promise<void>,
  options?: TmuxOptions,
): void {
  testWith(
    "tmux",
    `multithread_client, at a terminal, ${name}`,
    () =>
      atTerminal("multithread_client", async (terminal, server) => {
        await terminal.shows(/conversation\n>>$/);
        await play(terminal, server);
      }, options),
  );
}

onScreen(
  "keeps a line half typed when the answer comes",
  async (terminal, server) => {
    await terminal.type("first");
    await terminal.press("Enter");
    await server.hears("first\n");
    await terminal.type("hel");
    await terminal.shows("\n>> first\n>> hel");
    await server.say("Message reçu\n");
    await terminal.shows("\n>> first\nMessage reçu\n>> hel");
    await terminal.type("lo");
    await terminal.press("Enter");
    await server.hears("first\nhello\n");
  },
);

onScreen(
  "keeps a long line when the server speaks unasked",
  async (terminal, server) => {
    const long = "0123456789".repeat(9).slice(0, 87);
    await terminal.type(long);
    await server.say("un\ndeux\n");
    // On rows of 45 columns, the prompt among them.
    const rows = [">> " + long.slice(0, 42), long.slice(42)];
    await terminal.shows(["conversation", "un", "deux", ...rows].join("\n"));
    await terminal.press("Enter");
    await server.hears(`${long}\n`);
  },
  { columns: 45 },
);

onScreen("goes on after Ctrl-Z and fg", async (terminal, server) => {
  await terminal.type("abc");
  await terminal.shows("\n>> abc");
  await terminal.press("C-z");
  await terminal.shows(/Stopped[^]*\n\$$/);
  await terminal.type("fg");
  await terminal.press("Enter");
  await terminal.shows("\n>> abc");
  await terminal.type("def");
  await terminal.press("Enter");
  await server.hears("abcdef\n");
});

onScreen(
  "is interrupted by Ctrl-C, though 3,000 lines wait",
  async (terminal, server) => {
    const lines = Array.from({ length: 3000 }, (_, i) => `ligne ${i}\n`);
    await terminal.paste(lines.join(""));
    await server.hears("ligne 0\n");
    await terminal.shows("\n>> ligne 2999\n>>");
    await terminal.press("C-c");
    assertEquals(await terminal.ended(), 130);
  },
);

onScreen("leaves at Ctrl-D", async (terminal) => {
  await terminal.press("C-d");
  await terminal.shows("conversation\nConnexion fermée\n$");
  assertEquals(await terminal.ended(), 0);
});

onScreen(
  "ends when the server leaves while a line is typed",
  async (terminal, server) => {
    await terminal.type("à moit");
    await terminal.shows("\n>> à moit");
    server.socket.end();
    await terminal.shows("\nUnexpectedEof: le serveur est parti\n$");
    assertEquals(await terminal.ended(), 1);
  },
);
