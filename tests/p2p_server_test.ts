import { assert, assertEquals, assertMatch } from "@std/assert";
import { receive, write } from "../scripts/encoding.ts";
import { chat } from "../scripts/p2p_server.ts";
import { bytes, pair, Peer, rest, serve, start, testWith } from "./harness.ts";
import { Tmux, type TmuxOptions } from "./tmux.ts";

const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n";
const READY = "Serveur prêt, en attente de requêtes sur 127.0.0.1:";
const NEVER = new AbortController().signal;

/** A keyboard that a test types on, and a screen that it reads. */
function terminal() {
  let keyboard!: ReadableStreamDefaultController<string>;
  const lines = new ReadableStream<string>({
    start: (it) => void (keyboard = it),
  });
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  const type = (line: string) => keyboard.enqueue(line);
  return { lines, shown, show, type, [Symbol.dispose]() {} };
}

// The conversation.

Deno.test("chat of p2p_server says a line at once, asks for keep-alive, and leaves the next line to the next client", async () => {
  const screen = terminal();
  for (const line of ["un", "deux"]) {
    using ends = await pair();
    const asked: string[] = [];
    ends.server.setNoDelay = (on) => void asked.push(`no delay: ${on}`);
    ends.server.setKeepAlive = (on) => void asked.push(`keep-alive: ${on}`);
    const over = chat(ends.server, screen, NEVER);
    assertEquals(asked, ["no delay: true", "keep-alive: true"]);
    await ends.client.closeWrite();
    assertEquals(await rest(ends.client), `${WELCOME}Au revoir\n`);
    await over;
    screen.type(line);
  }
  using ends = await pair();
  const over = chat(ends.server, screen, NEVER);
  screen.type("FIN");
  assertEquals(await rest(ends.client), `${WELCOME}un\ndeux\nFIN\n`);
  ends.client[Symbol.dispose]();
  await over;
  assertEquals(screen.shown, []);
});

Deno.test("chat of p2p_server shows together what one read brings", async () => {
  using ends = await pair();
  const screen = terminal();
  const over = chat(ends.server, screen, NEVER);
  await ends.client.write(bytes("\n".repeat(32_000)));
  await ends.client.closeWrite();
  await rest(ends.client);
  await over;
  const lines = screen.shown.join("\n").split("\n");
  assertEquals(lines.length, 32_000);
  assert(screen.shown.length < 100, `${screen.shown.length} redraws`);
});

Deno.test("chat of p2p_server loses, at its limit, a client that does not read", async () => {
  using ends = await pair();
  const screen = terminal();
  for (let line = 0; line < 400; line++) screen.type("x".repeat(60_000));
  // The end alone would take longer than a test may.
  await chat(ends.server, screen, NEVER, false, { line: 200, end: 1e6 });
  assertMatch(screen.shown.join("\n"), /^Client perdu : Interrupted: .*$/);
});

for (
  const [what, count] of [["silent", 0], ["that does not read", 400]] as const
) {
  Deno.test(`chat of p2p_server, when it is stopped, leaves a client ${what} at its limit`, async () => {
    using ends = await pair();
    const screen = terminal(), stop = new AbortController();
    for (let line = 0; line < count; line++) screen.type("x".repeat(60_000));
    const limits = { line: 1e6, end: 200 };
    const over = chat(ends.server, screen, stop.signal, false, limits);
    setTimeout(() => stop.abort(), 100);
    if (!count) assertEquals(await rest(ends.client), `${WELCOME}FIN\n`);
    await over;
    assertEquals(screen.shown, []);
  });
}

Deno.test("chat of p2p_server says FIN to a client that was accepted when it was stopped", async () => {
  using ends = await pair();
  const limits = { line: 1e6, end: 200 };
  await chat(ends.server, terminal(), AbortSignal.abort(), false, limits);
  assertEquals(await rest(ends.client), `${WELCOME}FIN\n`);
});

Deno.test("chat of p2p_server loses neither side's last word when both say FIN and more at once", async () => {
  using ends = await pair();
  const screen = terminal();
  screen.type("FIN");
  // More than all the buffers on the way hold: a reset would break it off.
  const much = "FIN\n" + "jamais lu\n".repeat(1_000_000);
  const saying = write(ends.client, bytes(much));
  const over = chat(ends.server, screen, NEVER);
  const heard = await Array.fromAsync(receive(ends.client));
  assertEquals(heard.flat(), [WELCOME.trim(), "FIN"]);
  await saying;
  await ends.client.closeWrite();
  await over;
  assertEquals(screen.shown, ["Client >> FIN"]);
});

Deno.test("p2p_server ends the conversation when its client says FIN in any case, and shows nothing that follows", async () => {
  await using server = await serve("p2p_server");
  for (const fin of ["FIN\n", "fin\n", " Fin \r\n"]) {
    await using client = await Peer.connect(await server.port());
    await client.say(`bonjour\n${fin}jamais lu\n`);
    assertEquals(await client.ended(), WELCOME + "Au revoir\n");
  }
  await server.says(
    /^(.*\nClient connecté.*\nClient >> bonjour\nClient >> +fin *\nCONNEXION INTERROMPUE\n){3}Serveur prêt.*\n$/i,
  );
});

Deno.test("p2p_server ends the conversation when its keyboard says FIN in any case, and hears the rest", async () => {
  await using server = await serve("p2p_server");
  for (const fin of ["FIN", " fin"]) {
    await using client = await Peer.connect(await server.port());
    await client.hears(WELCOME);
    await server.type(fin + "\n");
    assertEquals(await client.ended(), `${WELCOME}${fin}\n`);
    await client.say("dernier mot\n");
    client.socket.end();
  }
  await server.says(
    /(Client connecté.*\nClient >> dernier mot\nCONNEXION INTERROMPUE\nServeur prêt.*\n){2}$/,
  );
});

Deno.test("p2p_server makes a second client wait its turn", async () => {
  await using server = await serve("p2p_server");
  await using first = await Peer.connect(await server.port());
  await first.hears(WELCOME);
  await using second = await Peer.connect(await server.port());
  // It speaks before the first one does, and is heard after it.
  await second.say("deux\n");
  await first.say("un\n");
  await server.says("Client >> un\n");
  await first.end();
  await second.hears(WELCOME);
  await server.says(/>> un\nCONNEXION INTERROMPUE\n(.*\n){2}Client >> deux\n$/);
});

Deno.test("p2p_server says what is typed to a client that sends without pause", async () => {
  await using server = await serve("p2p_server");
  await using client = await Peer.connect(await server.port());
  const flood = client.say("encore\n".repeat(5_000_000));
  await server.says("Client >> encore\n");
  await server.type("du calme\n");
  await client.hears("du calme\n");
  await client.reset();
  await flood;
});

// The end of its input.

for (const last of ["deux", "deux\n"]) {
  Deno.test(`p2p_server says what is left, ${JSON.stringify(last)}, then FIN, and ends when its input ends`, async () => {
    await using server = await serve("p2p_server");
    await using client = await Peer.connect(await server.port());
    await client.hears(WELCOME);
    await server.type("un\n" + last);
    await server.endInput();
    assertEquals(await client.ended(), `${WELCOME}un\ndeux\nFIN\n`);
    client.socket.end();
    const { code, out, err } = await server.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nCONNEXION INTERROMPUE\nServeur arrêté\n$/);
  });
}

for (
  const [last, said] of [["deux", "deux\nFIN\n"], [
    "deux\nfin\n",
    "deux\nfin\n",
  ]]
) {
  Deno.test(`p2p_server keeps ${JSON.stringify(last)}, after a FIN, for the client to come`, async () => {
    await using server = await serve("p2p_server");
    await server.type("un\nFIN\n" + last);
    await server.endInput();
    for (const words of ["un\nFIN\n", said]) {
      await using client = await Peer.connect(await server.port());
      assertEquals(await client.ended(), WELCOME + words);
    }
    assertEquals((await server.end()).code, 0);
  });
}

Deno.test("p2p_server stops though a line waits in its pipe, which stays open", async () => {
  await using server = await serve("p2p_server");
  await server.type("FIN\npour le prochain\n");
  await using client = await Peer.connect(await server.port());
  assertEquals(await client.ended(), WELCOME + "FIN\n");
  client.socket.end();
  await server.says(/INTERROMPUE\nServeur prêt.*\n$/);
  server.kill();
  assertEquals((await server.end()).code, 0);
});

Deno.test("p2p_server ends when its input ends and nobody is there", async () => {
  await using server = await serve("p2p_server");
  await server.endInput();
  const { code, out, err } = await server.end();
  assertEquals([code, err], [0, ""]);
  assertMatch(out, /^Serveur prêt.*\nServeur arrêté\n$/);
});

for (const from of ["</dev/null", "0>/dev/null"]) {
  Deno.test({
    name:
      `p2p_server only listens when it has no keyboard (${from}), and stops when it is told to`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const shell = `exec "$@" ${from}`;
      await using server = start("p2p_server", ["--port", "0"], { shell });
      for (const word of ["un", "deux"]) {
        await using client = await Peer.connect(await server.port());
        await client.say(word);
        assertEquals(await client.end(), WELCOME + "Au revoir\n");
        await server.says(`Client >> ${word}\nCONNEXION INTERROMPUE\n`);
      }
      server.kill();
      const { code, err } = await server.end();
      assertEquals([code, err], [0, ""]);
    },
  });
}

// At a terminal.

/** The server at a terminal, on a port that it has shown. */
function onScreen(
  name: string,
  play: (terminal: Tmux, port: number) => Promise<void>,
  options: TmuxOptions = {},
): void {
  testWith("tmux", `p2p_server, at a terminal, ${name}`, async () => {
    const screen = { columns: 80, ...options };
    await using terminal = await Tmux.run("p2p_server", ["--port=0"], screen);
    const [, port] = await terminal.shows(/127\.0\.0\.1:(\d+)\nServeur >>$/);
    await play(terminal, Number(port));
  });
}

onScreen(
  "says that nobody is there, and says that line to nobody",
  async (terminal, port) => {
    await terminal.type("personne ?");
    await terminal.press("Enter");
    await terminal.shows(
      "\nLigne perdue : personne n'est connecté\nServeur >>",
    );
    await using client = await Peer.connect(port);
    await terminal.shows(/\nClient connecté.*\nServeur >>$/);
    await terminal.type("bonjour");
    await terminal.press("Enter");
    await client.hears(WELCOME + "bonjour\n");
  },
);

onScreen(
  "keeps what is half typed from one client to the next",
  async (terminal, port) => {
    await terminal.type("à moi");
    for (let client = 0; client < 2; client++) {
      await using client = await Peer.connect(port);
      await client.hears(WELCOME);
      await client.say("coucou\n");
      await terminal.shows("\nClient >> coucou\nServeur >> à moi");
      await client.end();
      await terminal.shows(
        `\nCONNEXION INTERROMPUE\n${READY}${port}\nServeur >> à moi`,
      );
    }
    await using client = await Peer.connect(port);
    await client.hears(WELCOME);
    await terminal.type("tié");
    await terminal.press("Enter");
    await client.hears("à moitié\n");
  },
);

onScreen("goes on after Ctrl-Z and fg", async (terminal, port) => {
  await using client = await Peer.connect(port);
  await terminal.type("abc");
  await terminal.shows("\nServeur >> abc");
  await terminal.press("C-z");
  await terminal.shows(/Stopped[^]*\n\$$/);
  await terminal.type("fg");
  await terminal.press("Enter");
  await terminal.shows("\nServeur >> abc");
  await terminal.type("def");
  await terminal.press("Enter");
  await client.hears("abcdef\n");
});

for (const key of ["C-c", "C-d"]) {
  onScreen(`says FIN and ends at ${key}`, async (terminal, port) => {
    await using client = await Peer.connect(port);
    await client.hears(WELCOME);
    await terminal.press(key);
    assertEquals(await client.ended(), WELCOME + "FIN\n");
    client.socket.end();
    await terminal.shows("\nCONNEXION INTERROMPUE\nServeur arrêté\n$");
    assertEquals(await terminal.ended(), 0);
  });
}

/** Connections on which no write ends while the peer is silent. */
const STUCK = `
  const { listen } = Deno;
  Deno.listen = (options) => {
    const listener = listen(options), accept = listener.accept.bind(listener);
    listener.accept = async () => {
      const conn = await accept();
      conn.write = () => conn.read(new Uint8Array(1)); // Until it is closed.
      return conn;
    };
    return listener;
  };`;

onScreen(
  "ends at Ctrl-C though lines wait that cannot be said",
  async (terminal, port) => {
    await using _client = await Peer.connect(port);
    await terminal.shows(/\nClient connecté.*\nServeur >>$/);
    await terminal.paste("un\ndeux\ntrois\nquatre");
    await terminal.shows("\nServeur >> trois\nServeur >> quatre");
    await terminal.press("C-c");
    await terminal.shows("\nCONNEXION INTERROMPUE\nServeur arrêté\n$");
    assertEquals(await terminal.ended(), 0);
  },
  { preload: STUCK },
);

onScreen("ends at once at the second Ctrl-C", async (terminal, port) => {
  await using client = await Peer.connect(port);
  await client.hears(WELCOME);
  await terminal.press("C-c");
  await client.hears("FIN\n");
  await terminal.press("C-c");
  assertEquals(await terminal.ended(), 130);
});
