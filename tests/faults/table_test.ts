/**
 * README's table of what goes wrong: each fault, with each script that can meet it,
 * is a test of its own. Here stands which; the tests are with their scripts.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Program, ROOT } from "../harness.ts";

/** The test for a fault and a script; a name alone is its whole name. */
type Cases = Record<string, string>;

/** One test for several scripts, whose name `%` stands for. */
const each = (name: string, ...scripts: string[]): Cases =>
  Object.fromEntries(scripts.map((s) => [s, name.replace("%", s)]));

/** Cases of matrix_test.ts, where each client meets its server. */
const relayed = (name: string, ...scripts: string[]): Cases =>
  Object.fromEntries(scripts.map((script) => {
    const pair = {
      server_simple: "client_simple and server_simple",
      client_simple: "client_simple and server_simple",
      client_class: "client_class and server_simple",
      p2p_server: "p2p_client and p2p_server",
      p2p_client: "p2p_client and p2p_server",
      multithread_server: "multithread_client and multithread_server",
      multithread_client: "multithread_client and multithread_server",
      web_server: "a web client and web_server",
    }[script];
    return [script, `${pair} ${name}`];
  }));

const SERVERS = ["server_simple", "p2p_server", "multithread_server"];
const CLIENTS = [
  ...["client_simple", "client_class", "p2p_client", "multithread_client"],
];

/** The table: what happens, what holds, and the test with each script. */
const ROWS: [what: string, holds: string, Cases][] = [
  [
    "a client resets the connection before `accept`",
    "one line; the others are served",
    {
      ...relayed(
        "go on when a reset comes before the server has accepted",
        ...SERVERS,
        "web_server",
      ),
    },
  ],
  [
    "the peer resets the connection later",
    "one line; that conversation only",
    {
      ...relayed(
        "say so when a reset comes in the middle of the client's message",
        ...SERVERS,
      ),
      ...each("% has its descriptors back after 500 resets", "web_server"),
      ...relayed(
        "say so when a reset comes in the middle of the server's answer",
        ...CLIENTS,
      ),
    },
  ],
  [
    "a message comes byte by byte, two come in one piece",
    "each is read whole, once",
    relayed(
      "understand each other one byte at a time",
      ...SERVERS,
      "web_server",
      ...CLIENTS,
    ),
  ],
  [
    "the peer closes its sending side (`nc -N`) and waits",
    "it gets every answer (not from the web server: Deno.serve takes it for gone)",
    relayed(
      "bring the answer home when the client's side ends behind its message",
      ...SERVERS,
    ),
  ],
  [
    "a write takes only part of the bytes",
    "the rest follows, in order",
    {
      ...each(
        "Conversation keeps lines whole that are said all at once to a slow reader",
        ...["p2p_server", "p2p_client"],
      ),
      ...each(
        "% says its last word after its answers, to who reads them at last",
        "multithread_server",
      ),
      ...each(
        "% sends a long message whole, though a write takes only part of it",
        "client_simple",
      ),
      ...each(
        "ClientSocket keeps messages whole that are sent all at once",
        "client_class",
      ),
      ...each(
        "% sends a long line whole, though a write takes only part of it",
        "multithread_client",
      ),
    },
  ],
  [
    "two small messages leave in a row",
    "the second does not wait 40 ms for the first (Nagle's algorithm)",
    {
      ...each(
        "% sends a second line at once, though the first is not acknowledged yet",
        "p2p_server",
      ),
      ...each(
        "% sends a second answer at once, though the first is not acknowledged yet",
        "multithread_server",
      ),
      ...each(
        "% lets a line leave before the one before is acknowledged",
        "p2p_client",
      ),
      ...each(
        "ClientSocket of % lets a message leave before the one before is acknowledged",
        "client_class",
      ),
    },
  ],
  [
    "the peer is silent, or sends a byte a second",
    "after `--timeout` seconds the server says so and hangs up, the client gives up (in the chat: never)",
    {
      ...each(
        "% ends a drip of one byte a second at its limit",
        ...["server_simple", "multithread_server"],
      ),
      ...each(
        "% says so when the server drips its answer for longer than --timeout",
        "client_simple",
      ),
      ...each(
        "% gives up a server that drips its answer for longer than --timeout",
        "client_class",
      ),
      ...each(
        "% leaves a server that drips its answer for longer than --timeout",
        "multithread_client",
      ),
      ...each(
        "% gives up on a server that never answers, says so and ends with 1",
        "udp_client",
      ),
    },
  ],
  [
    "the peer never reads",
    "it is left after a while, and nothing is kept for it; others are served meanwhile",
    {
      ...each("% is not held by a client that never reads", "server_simple"),
      ...each(
        "% gives up a client that never reads, and takes the next",
        "p2p_server",
      ),
      ...each(
        "% lets readers that stall delay nobody, and keeps nothing for them",
        "multithread_server",
      ),
      ...each(
        "% lets downloads that stall delay nobody, and keeps nothing for them",
        "web_server",
      ),
      ...each(
        "% says so when the server never reads its message",
        "client_simple",
      ),
      ...each(
        "ClientSocket waits no longer than its limit, to receive or to send",
        "client_class",
      ),
      ...each(
        "% gives up a server that never reads, and one that never answers",
        "p2p_client",
      ),
      ...each(
        "% leaves a server that never reads its line, after --timeout",
        "multithread_client",
      ),
    },
  ],
  [
    "the peer never stops sending",
    "it takes its turn",
    {
      ...each(
        "% serves the next client after one that sends without pause",
        "server_simple",
      ),
      ...each(
        "% says what is typed to a client that sends without pause, and stops all the same",
        "p2p_server",
      ),
      ...each(
        "% lets no client wait 100 ms beside three that send without pause",
        "multithread_server",
      ),
      ...each(
        "% still takes what is typed, and SIGTERM, while the server never pauses",
        ...["p2p_client", "multithread_client"],
      ),
    },
  ],
  [
    "very many connect at once",
    "as many wait as the script says: five and one, a thousand",
    {
      ...each(
        "% lets six clients wait, as the course's listen(5) does, and no seventh",
        "server_simple",
      ),
      ...each("% lets a thousand clients in at once", "multithread_server"),
    },
  ],
  [
    "a line never ends",
    "both sides are told; that conversation only",
    {
      ...each(
        "% refuses an endless line, and says so to both sides",
        "server_simple",
      ),
      ...each(
        "% refuses what is no message, and says so to both sides",
        "p2p_server",
      ),
      ...each("% refuses a line that never ends", "multithread_server"),
      ...each(
        "% says so when the server answers with an endless line",
        "client_simple",
      ),
      ...each(
        "% refuses an endless line, and says so to both sides",
        "client_class",
      ),
      ...each(
        "% refuses what is no message, and says so to both sides",
        "p2p_client",
      ),
      ...each(
        "% leaves a server whose answer never ends",
        "multithread_client",
      ),
    },
  ],
  [
    "bytes are not UTF-8",
    "both sides are told; that conversation only",
    {
      ...each(
        "% refuses broken UTF-8, and says so to both sides",
        "server_simple",
      ),
      ...each(
        "% refuses what is no message, and says so to both sides",
        "p2p_server",
      ),
      ...each(
        "% answers the good messages before broken UTF-8, and refuses that",
        "multithread_server",
      ),
      ...each("% refuses what is not UTF-8", "udp_server"),
      ...each(
        "% says so when the server answers with broken UTF-8",
        "client_simple",
      ),
      ...each(
        "ClientSocket tells the server that its bytes are not UTF-8",
        "client_class",
      ),
      ...each(
        "% refuses what is no message, and says so to both sides",
        "p2p_client",
      ),
      ...each(
        "% tells a server that its answer is not UTF-8, and leaves",
        "multithread_client",
      ),
      ...each(
        "% refuses an answer that is not UTF-8, says so and ends with 1",
        "udp_client",
      ),
    },
  ],
  [
    "odd but right characters: NUL, U+FEFF, an emoji cut in two",
    "shown as they came, but for the NUL",
    {
      ...each(
        "% shows U+FEFF, U+FFFD and an emoji as they were sent, without the NUL",
        ...SERVERS,
        "udp_server",
      ),
      ...each(
        "% shows any UTF-8 as it came, less NUL and the line ending",
        ...CLIENTS,
      ),
      ...each("% shows any UTF-8 as it came, less NUL", "udp_client"),
    },
  ],
  [
    "escape sequences, control and bidirectional control characters",
    "never reach your terminal",
    {
      ...each(
        "% outlives any bytes, and answers each client as it should",
        ...["server_simple", "p2p_server"],
      ),
      ...each(
        "% strips what commands a terminal from the messages that it prints",
        "multithread_server",
      ),
      ...each(
        "% logs each request in one line that no client can forge",
        "web_server",
      ),
      ...each(
        "% strips what commands a terminal from what it prints",
        "udp_server",
      ),
      ...each("% lets no escape sequence of a server through", "client_simple"),
      ...each(
        "% shows nothing of a server that commands a terminal",
        "p2p_client",
      ),
      ...each(
        "% strips what commands a terminal from what it shows",
        "multithread_client",
      ),
      ...each(
        "% strips what commands a terminal from the answer",
        "udp_client",
      ),
    },
  ],
  [
    "no file descriptor is left (`ulimit -n`)",
    "the server waits a moment and goes on",
    {
      ...each(
        "% waits and serves on when no file descriptor is left",
        ...SERVERS,
      ),
      ...each(
        "% with 64 file descriptors outlives 200 connections",
        "web_server",
      ),
    },
  ],
  [
    "too many clients (`--max-clients`)",
    "they are told, those inside are served",
    each(
      "% refuses a flood beyond --max-clients with a word, and serves those inside",
      "multithread_server",
    ),
  ],
  [
    "an error that nobody foresaw, with one client",
    "one line; that client only",
    {
      ...each(
        "% survives an unexpected error in a client's handler",
        ...SERVERS,
      ),
      ...each(
        "handle of % never throws, and never shows a secret",
        "web_server",
      ),
      ...each("% goes on when an answer cannot be sent", "udp_server"),
    },
  ],
  [
    "a thread dies",
    "the server: its clients are cut off, the others served, a new one takes its place; the demo: one line",
    {
      ...each(
        "% replaces a thread that dies while another one serves",
        "multithread_server",
      ),
      ...each("% says that a thread died, and ends with 1", "threads_demo"),
    },
  ],
  [
    "datagrams are lost, or nobody is there",
    "the client sends again, and gives up in time; a burst costs the server nothing but the datagrams",
    {
      ...each(
        "% drops most of a burst, and answers who comes later",
        "udp_server",
      ),
      ...each("% sends again when its first datagram is lost", "udp_client"),
    },
  ],
  [
    "what should be sent is too long for a datagram",
    "one line, exit 1",
    each(
      "% refuses to send what no datagram holds, says so and ends with 1",
      "udp_client",
    ),
  ],
  [
    "Ctrl-C, SIGTERM",
    "peers are told, and it ends within 3 s; a server's second Ctrl-C ends it at once",
    {
      ...each("% stops on SIGTERM, and tells a silent client", "server_simple"),
      ...each(
        "%, on SIGINT or SIGTERM, tells a silent client and ends",
        "p2p_server",
      ),
      ...each(
        "% tells silent clients that it stops, and ends with 0 on SIGTERM",
        "multithread_server",
      ),
      ...each("% stops within 3 s while a download stands still", "web_server"),
      ...each("% ends with 0 on SIGINT", "udp_server"),
      ...each(
        "% stops with 0 on SIGTERM, while it waits",
        ...["client_simple", "client_class", "p2p_client"],
      ),
      ...each(
        "% stops with 0 on SIGTERM, while it waits for an answer",
        ...["multithread_client", "udp_client"],
      ),
      ...each(
        "% stops with 0 on SIGTERM, before it is done",
        ...["async_demo", "threads_demo"],
      ),
    },
  ],
  [
    "the peer leaves while you type",
    "the script ends by itself, or waits for the next peer",
    {
      ...each(
        "%, at a terminal, takes the next client while a line is typed",
        "p2p_server",
      ),
      ...each(
        "%, at a terminal, ends by itself when the server leaves while a line is typed",
        ...["p2p_client", "multithread_client"],
      ),
    },
  ],
  [
    "an address that never answers",
    "one line after 5 s, exit 1",
    {
      ...each(
        "% gives up connecting after five seconds",
        ...["client_simple", "client_class", "multithread_client"],
      ),
      ...each(
        "% gives up a server that never reads, and one that never answers",
        "p2p_client",
      ),
    },
  ],
  [
    "a host that does not exist; a port in use; nobody there",
    "one line that says what to do, exit 1",
    {
      ...each("% says in one line why it cannot listen", "server_simple"),
      ...each(
        "% says in one line why it cannot listen, with exit code 1",
        "p2p_server",
      ),
      ...each(
        "% says in one line that its host is unknown",
        ...["multithread_server", "udp_server"],
      ),
      ...each("% says in one line why it cannot listen", "web_server"),
      ...each("% says in one line why it cannot connect", "client_simple"),
      ...each(
        "% says in one line what is wrong, and exits with 1 or 2",
        "client_class",
      ),
      ...each(
        "% says in one line why it cannot connect, with exit code 1",
        "p2p_client",
      ),
      ...each(
        "% says in one line that it does not know a host",
        ...["multithread_client", "udp_client"],
      ),
    },
  ],
  [
    "a permission is missing",
    "one line that names it, exit 1",
    each(
      "% without --allow-net says so in one line",
      ...[...SERVERS, "udp_server", "web_server", ...CLIENTS, "udp_client"],
    ),
  ],
  [
    "a web client asks for `..`, a link out of the folder, a FIFO",
    "400 or 404; it is never opened",
    each(
      "% opens nothing but files and folders, and no dotfile",
      "web_server",
    ),
  ],
  [
    "a download is broken off",
    "its file is closed",
    each(
      "% has its descriptors back after 300 downloads that are broken off",
      "web_server",
    ),
  ],
];

/** The names of all tests but those of the page, the benchmark and std/. */
async function names(): Promise<Set<string>> {
  const files = ["tests", "tests/faults"].flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)]
      .filter(({ name }) => /^(?!guide|bench|std).*_test\.ts$/.test(name))
      .map(({ name }) => `./${folder}/${name}`)
  );
  const code = `
    const names = [];
    const test = (one, two) => void names.push(one.name ?? one);
    Deno.test = Object.assign(test, { ignore: test, beforeAll() {}, afterAll() {} });
    for (const file of ${JSON.stringify(files)}) {
      await import("file://${ROOT}" + file);
    }
    console.log(JSON.stringify(names));
    Deno.exit();`;
  await using listing = new Program(Deno.execPath(), [
    ...["run", "--allow-all", "--no-check", "--config", ROOT + "deno.json"],
    `data:application/typescript,${encodeURIComponent(code)}`,
  ]);
  const { code: end, out, err } = await listing.end();
  assertEquals([end, err], [0, ""]);
  return new Set(JSON.parse(out));
}

Deno.test("README's table of what goes wrong names exactly the tests that there are", async () => {
  const [section] = Deno.readTextFileSync(ROOT + "README.md")
    .match(/^## When things go wrong\n[^]*?(?=^## )/m) ?? [""];
  const rows = section.split("\n").filter((line) => line.startsWith("|"))
    .slice(2).map((row) => row.split("|").slice(1, -1).map((c) => c.trim()));
  assertEquals(
    rows,
    ROWS.map(([what, holds, cases]) => [
      what,
      holds,
      Object.keys(cases).join(", "),
    ]),
  );
  const there = await names();
  const missing = ROWS.flatMap(([, , cases]) => Object.values(cases))
    .filter((name) => !there.has(name));
  assertEquals(missing, []);
});
