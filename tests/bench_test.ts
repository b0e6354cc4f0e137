/** The benchmark counts right, and the guide shows what it measured. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { chart } from "../bench/chart.ts";
import { fill, LANGUAGES, page, RESULTS } from "../bench/guide.ts";
import { Load, type Numbers, startServer } from "../bench/measure.ts";
import { compile, findTools, linePeers } from "../bench/peers.ts";
import { write } from "../scripts/encoding.ts";
import { bytes, exchange, Program, ROOT, testWith } from "./harness.ts";

const ANSWER = "Message reçu\n";

/** A folder of the test's own, which ends with it. */
async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "bench-test-" });
  const remove = () => Deno.remove(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: remove };
}

testWith(
  "cc",
  "Every peer of the benchmark that this machine has answers each line once",
  async () => {
    await using folder = await temporary();
    const tools = await findTools(false);
    const peers = await linePeers(tools, folder.path);
    for (const [name, start] of Object.entries(peers)) {
      await using server = await startServer(start, folder.path);
      const { port } = server;
      const answers = async (text: string, count: number) =>
        assertEquals(await exchange(port, text), ANSWER.repeat(count), name);
      await answers("", 0);
      await answers("un\ndeux\n\ntrès\n", 4);
      // As long as a line may be, and more answers than fit into one write.
      const long = "é".repeat(32 * 1024 - 1) + "\n";
      await answers(long + "a\n" + long, 3);
      await answers("Bonjour\n".repeat(20_000), 20_000);
      // One byte at a time.
      using conn = await Deno.connect({ port });
      conn.setNoDelay(true);
      for (const byte of bytes("élan\nà toi\n")) {
        await conn.write(new Uint8Array([byte]));
        await new Promise(setImmediate);
      }
      await conn.closeWrite();
      const heard = await new Response(conn.readable).text();
      assertEquals(heard, ANSWER.repeat(2), name);
    }
  },
);

/** A server that counts the lines that it answers. */
function counter(): AsyncDisposable & { port: number; lines: number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const conversations: Promise<void>[] = [];
  const server = {
    port: listener.addr.port,
    lines: 0,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(conversations);
    },
  };
  const serve = async (conn: Deno.Conn) => {
    using _ = conn;
    const room = new Uint8Array(65536);
    let got = await conn.read(room);
    while (got !== null) {
      const count = room.subarray(0, got).filter((byte) => byte === 10).length;
      server.lines += count;
      await write(conn, bytes(ANSWER.repeat(count)));
      got = await conn.read(room);
    }
  };
  const accepting = (async () => {
    for await (const conn of listener) conversations.push(serve(conn));
  })().catch(() => {});
  return server;
}

testWith("cc", "The load counts the messages that the server got", async () => {
  await using folder = await temporary();
  const program = await compile("load.c", folder.path);
  const run = async (words: Numbers, port: number) => {
    await using load = new Load(program, { port, ...words }, 20);
    await load.ready();
    return await load.run();
  };
  const cases: [words: Numbers, messages: number][] = [
    [{ clients: 3 }, 3],
    [{ clients: 2, lines: 500 }, 1000],
    [{ clients: 1, lines: 2, split: 1 }, 2],
  ];
  for (const [words, messages] of cases) {
    await using server = counter();
    // Of 0 seconds, both the warm-up and the run are one block of each client.
    const told = await run({ ...words, seconds: 0 }, server.port);
    assertEquals([told.messages, server.lines], [messages, 2 * messages]);
  }
  await using server = counter();
  const words = { clients: 3, greedy: 1, warm: 0, seconds: 0.2 };
  const told = await run(words, server.port);
  // The warm-up is one line of each polite client, and 2,000 of the greedy one.
  assert(server.lines >= told.messages + 2003 && told.messages > 2003);
  assert(
    0 < told.least && told.least <= told.median && told.median <= told.most,
  );
  assert(0 < told.middle_ms && told.middle_ms <= told.slowest_ms);
  assert(told.seconds >= 0.2 && told.slowest_ms < 1000 * told.seconds);
});

Deno.test("The benchmark says in one line what it does not know", async () => {
  for (
    const [args, problem] of [
      [["--fast"], /^.*: --fast: unknown argument .*\n$/],
      [["--quick", "--save"], /^.*: --save: not of rough figures\n$/],
      [["--only", "mail"], /^.*: --only mail: not of loads,.*\n$/],
    ] as const
  ) {
    const command = ["run", "--allow-all", "bench/bench.ts", ...args];
    await using bench = new Program(Deno.execPath(), command);
    const { code, out, err } = await bench.end();
    assertEquals([code, out], [1, ""]);
    assertMatch(err, problem);
  }
});

Deno.test("The guide's figures and charts are those of the last run that was saved", async () => {
  const report = JSON.parse(await Deno.readTextFile(RESULTS));
  for (const language of LANGUAGES) {
    const text = await Deno.readTextFile(page(language));
    // `deno fmt` aligns the columns.
    const cells = (text: string) => text.replace(/ +/g, " ");
    assertEquals(cells(text), cells(fill(text, report, language)));
    const drawn = await Deno.readTextFile(`${ROOT}guide/bench.${language}.svg`);
    assertEquals(drawn, chart(report, language));
    const clients = report.clients.toLocaleString(language);
    assertStringIncludes(text, clients.replace(/\s/, " "));
    // What it shows of HAProxy's configuration stands in it.
    const config = await Deno.readTextFile(`${ROOT}guide/haproxy.cfg`);
    const [, shown] = text.match(/^```text\n(backend .*?)^```$/ms)!;
    assert(config.includes(shown));
  }
});

testWith("python3", "The guide's charts are whole XML", async () => {
  const parse = "import sys, xml.dom.minidom as dom; dom.parse(sys.argv[1])";
  for (const language of LANGUAGES) {
    const args = ["-c", parse, `guide/bench.${language}.svg`];
    await using python = new Program("python3", args);
    assertEquals(await python.end(), { code: 0, out: "", err: "" });
  }
});
