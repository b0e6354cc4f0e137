import { assert, assertEquals, assertRejects } from "@std/assert";
import { chat } from "../scripts/p2p_client.ts";
import {
  bytes,
  pair,
  type Peer,
  python,
  rest,
  start,
  testWith,
} from "./harness.ts";
import { receive, write } from "../scripts/encoding.ts";
import { atTerminal, type Tmux, type TmuxOptions } from "./tmux.ts";

const OPEN = "CONNEXION ÉTABLIE AVEC LE SERVEUR\n";
const OVER = "CONNEXION INTERROMPUE\n";
const NEVER = new AbortController().signal;

/** A keyboard on which this has been typed, and a screen that a test reads. */
function terminal(...typed: string[]) {
  const lines = new ReadableStream<string>({
    start: (keyboard) => typed.forEach((line) => keyboard.enqueue(line)),
  });
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  return { lines, shown, show, [Symbol.dispose]() {} };
}

/** More than all the buffers on the way hold. */
const MUCH = Array<string>(400).fill("x".repeat(60_000));

// The conversation.

Deno.test("chat of p2p_client says a line at once, asks for keep-alive, and closes", async () => {
  using ends = await pair();
  const asked: string[] = [];
  ends.client.setNoDelay = (on) => void asked.push(`no delay: ${on}`);
  ends.client.setKeepAlive = (on) => void asked.push(`keep-alive: ${on}`);
  const screen = terminal("un", " fin ", "jamais dit");
  const over = chat(ends.client, screen, NEVER);
  assertEquals(asked, ["no delay: true", "keep-alive: true"]);
  await ends.server.write(bytes("Au revoir"));
  await ends.server.closeWrite();
  assertEquals(await rest(ends.server), "un\n fin \n");
  await over;
  assertEquals(screen.shown, ["Serveur >> Au revoir"]);
});

Deno.test("chat of p2p_client ends when the server says FIN in any case, and shows nothing that follows", async () => {
  for (const fin of ["FIN", " fin "]) {
    using ends = await pair();
    const screen = terminal();
    const over = chat(ends.client, screen, NEVER);
    await ends.server.write(bytes(`un\n${fin}\njamais lu\n`));
    assertEquals(await rest(ends.server), "Au revoir\n");
    await over;
    assertEquals(screen.shown, [`Serveur >> un\nServeur >> ${fin}`]);
  }
});

Deno.test("chat of p2p_client shows together what one read brings", async () => {
  using ends = await pair();
  const screen = terminal();
  const over = chat(ends.client, screen, NEVER);
  await ends.server.write(bytes("\n".repeat(32_000)));
  await ends.server.closeWrite();
  await over;
  assertEquals(screen.shown.join("\n").split("\n").length, 32_000);
  assert(screen.shown.length < 100, `${screen.shown.length} redraws`);
});

Deno.test("chat of p2p_client fails, at its limit, with a server that does not read", async () => {
  using ends = await pair();
  // The end alone would take longer than a test may.
  const limits = { line: 200, end: 1e6 };
  await assertRejects(
    () => chat(ends.client, terminal(...MUCH), NEVER, false, limits),
    Deno.errors.Interrupted,
  );
});

Deno.test("chat of p2p_client, when it is to leave, says FIN, and waits no longer than its limit", async () => {
  for (const typed of [[], MUCH]) {
    using ends = await pair();
    const stop = new AbortController(), limits = { line: 1e6, end: 200 };
    const screen = terminal(...typed);
    const over = chat(ends.client, screen, stop.signal, false, limits);
    setTimeout(() => stop.abort(), 100);
    await over;
    if (typed !== MUCH) assertEquals(await rest(ends.server), "FIN\n");
  }
});

testWith(
  "python3",
  "chat of p2p_client forgives a server that resets after FIN",
  async () => {
    await using server = python(`
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1])
c, _ = l.accept()
while b"FIN" not in c.recv(100): pass
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
c.close()`);
    const [port] = await server.says(/^\d+/);
    const conn = await Deno.connect({ port: Number(port) });
    await chat(conn, terminal("FIN"), NEVER);
  },
);

Deno.test("chat of p2p_client loses neither side's last word when both say FIN and more at once", async () => {
  using ends = await pair();
  // More than all the buffers on the way hold: a reset would break it off.
  const much = "FIN\n" + "jamais lu\n".repeat(1_000_000);
  const saying = write(ends.server, bytes(much));
  const over = chat(ends.client, terminal("FIN"), NEVER);
  assertEquals(await Array.fromAsync(receive(ends.server)), [["FIN"]]);
  await saying;
  await ends.server.closeWrite();
  await over;
});

Deno.test("chat of p2p_client says FIN, and ends its half, when it is told to leave before it begins", async () => {
  using ends = await pair();
  const over = chat(ends.client, terminal(), AbortSignal.abort());
  const begin = performance.now();
  assertEquals(await rest(ends.server), "FIN\n");
  assert(performance.now() - begin < 2000, "it waits for the server");
  await over;
});

for (const [input, said] of [["", "FIN\n"], ["un\ndeux", "un\ndeux\nFIN\n"]]) {
  Deno.test(`p2p_client says what is left, ${JSON.stringify(input)}, then FIN, and ends when its input ends`, async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = ["--port", `${listener.addr.port}`];
    await using client = start("p2p_client", address, { stdin: "piped" });
    await client.type(input);
    await client.endInput();
    using conn = await listener.accept();
    assertEquals(await rest(conn), said);
    assertEquals(await client.end(), { code: 0, out: OPEN + OVER, err: "" });
  });
}

Deno.test("p2p_client ends at FIN, though there is more in its pipe, which stays open", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = ["--port", `${listener.addr.port}`];
  await using client = start("p2p_client", address, { stdin: "piped" });
  await client.type("FIN\n");
  using conn = await listener.accept();
  assertEquals(await conn.read(new Uint8Array(9)), 4);
  await client.type("jamais dit\n");
  await conn.write(bytes("un\n"));
  await client.says("Serveur >> un\n");
  assertEquals(await rest(conn), "");
  assertEquals(await client.end(), {
    code: 0,
    out: `${OPEN}Serveur >> un\n${OVER}`,
    err: "",
  });
});

Deno.test("p2p_client ends when the server leaves, however much is still to be said", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = ["--port", `${listener.addr.port}`];
  await using client = start("p2p_client", address, { stdin: "piped" });
  const typing = client.type("encore une ligne\n".repeat(100_000));
  const conn = await listener.accept();
  await client.says(OPEN);
  await conn.closeWrite();
  await Promise.all([rest(conn), typing.catch(() => {})]);
  assertEquals((await client.end()).out, OPEN + OVER);
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
    `p2p_client, at a terminal, ${name}`,
    () =>
      atTerminal("p2p_client", async (terminal, server) => {
        await terminal.shows(OPEN + "Client >>");
        await play(terminal, server);
      }, options),
  );
}

// With the prompt of ten: short of one row, just one row, one more, three rows.
for (const length of [29, 30, 31, 85]) {
  onScreen(
    `keeps a line of ${length} characters when lines come in`,
    async (terminal, server) => {
      const line = "é123456789".repeat(9).slice(0, length);
      await terminal.type(line);
      const rows = ("Client >> " + line).match(/.{1,40}/g)!.join("\n");
      await terminal.shows(OPEN + rows);
      await server.say("un\ndeux\n");
      await terminal.shows(`${OPEN}Serveur >> un\nServeur >> deux\n${rows}`);
      await terminal.press("Home");
      await server.say("trois\n");
      await terminal.shows(`\nServeur >> deux\nServeur >> trois\n${rows}`);
      await terminal.type("0");
      await terminal.press("Enter");
      await server.hears(`0${line}\n`);
      await terminal.shows("\nClient >>");
    },
    { columns: 40 },
  );
}

onScreen(
  "keeps an emoji that is half typed around",
  async (terminal, server) => {
    await terminal.type("a😀b");
    await terminal.press("Left");
    await server.say("👍 reçu\n");
    await terminal.shows("\nServeur >> 👍 reçu\nClient >> a😀b");
    await terminal.type("c");
    await terminal.press("Enter");
    await server.hears("a😀cb\n");
  },
);

onScreen("goes on after Ctrl-Z and fg", async (terminal, server) => {
  await terminal.type("abc");
  await terminal.shows("\nClient >> abc");
  await terminal.press("C-z");
  await terminal.shows(/Stopped[^]*\n\$$/);
  await terminal.type("fg");
  await terminal.press("Enter");
  await terminal.shows("\nClient >> abc");
  await terminal.type("def");
  await terminal.press("Enter");
  await server.hears("abcdef\n");
  await terminal.press("C-c");
  await server.hears("FIN\n");
});

onScreen("says what is left at Ctrl-D", async (terminal, server) => {
  await terminal.paste("un\ndeux\ntrois\n\x04");
  await server.hears("un\ndeux\ntrois\nFIN\n");
  server.socket.end();
  assertEquals(await terminal.ended(), 0);
});

/** A connection on which no write ends while the peer is silent. */
const STUCK = `
  const { connect } = Deno;
  Deno.connect = async (options) => {
    const conn = await connect(options);
    conn.write = () => conn.read(new Uint8Array(1)); // Until it is closed.
    return conn;
  };`;

onScreen(
  "leaves at Ctrl-C though lines wait that cannot be said",
  async (terminal) => {
    await terminal.paste("un\ndeux\ntrois\nquatre");
    await terminal.shows("\nClient >> trois\nClient >> quatre");
    await terminal.press("C-c");
    await terminal.shows(`\n${OVER}$`);
    assertEquals(await terminal.ended(), 0);
  },
  { preload: STUCK },
);

for (const key of ["C-c", "C-d"]) {
  onScreen(
    `says FIN at ${key}, and hears the last word`,
    async (terminal, server) => {
      await terminal.press(key);
      await server.hears("FIN\n");
      await server.say("Au revoir\n");
      server.socket.end();
      await terminal.shows(`${OPEN}Serveur >> Au revoir\n${OVER}$`);
      assertEquals(await terminal.ended(), 0);
    },
  );
}

onScreen(
  "ends when the server leaves while a line is typed",
  async (terminal, server) => {
    await terminal.type("à moit");
    await terminal.shows("\nClient >> à moit");
    server.socket.end();
    await terminal.shows(`${OPEN}${OVER}$`);
    assertEquals(await terminal.ended(), 0);
  },
);

onScreen(
  "says in one line that the server is lost while a line is typed",
  async (terminal, server) => {
    await terminal.type("à moit");
    await terminal.shows("\nClient >> à moit");
    await server.reset();
    await terminal.shows(/LE SERVEUR\nConnectionReset: .*\n\$$/);
    assertEquals(await terminal.ended(), 1);
  },
);
