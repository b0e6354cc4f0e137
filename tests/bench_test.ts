/** The benchmark counts right, and the guide shows what it measured. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertStringIncludes } from "@std/assert";
import { chart, LANGUAGES } from "../bench/chart.ts";
import { fill, page, picture, RESULTS } from "../bench/guide.ts";
import { cpuTime, runLoad, startServer } from "../bench/measure.ts";
import { compile, findTools, linePeers } from "../bench/peers.ts";
import { receive, write } from "../scripts/encoding.ts";
import {
  bytes,
  copyOut,
  exchange,
  Program,
  python,
  rest,
  ROOT,
  testWith,
} from "./harness.ts";

const ANSWER = "Message reçu\n";

testWith(
  "cc",
  "Every peer of the benchmark that this machine has answers each line once",
  async () => {
    await using folder = await copyOut();
    const tools = await findTools(false);
    const peers = await linePeers(tools, folder.path);
    for (const [name, command] of Object.entries(peers)) {
      await using server = await startServer(command, folder.path);
      const { port } = server;
      const answers = async (text: string, count: number) =>
        assertEquals(await exchange(port, text), ANSWER.repeat(count), name);
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
      assertEquals(await rest(conn), ANSWER.repeat(2), name);
    }
  },
);

testWith("cc", "The load counts the messages that the server got", async () => {
  await using folder = await copyOut();
  const load = await compile("load.c", folder.path);
  const serve = async (conn: Deno.Conn) => {
    using _ = conn;
    let lines = 0;
    for await (const messages of receive(conn)) {
      lines += messages.length;
      await write(conn, bytes(ANSWER.repeat(messages.length)));
    }
    return lines;
  };
  /** What the load tells, and what each of its clients sent, the least first. */
  const run = async (clients: number, words: Record<string, number>) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const told = runLoad(load, { port: listener.addr.port, ...words });
    const talks: Promise<number>[] = [];
    while (talks.length < clients) talks.push(serve(await listener.accept()));
    const sent = await Promise.all(talks);
    return { told: await told, sent: sent.sort((a, b) => a - b) };
  };
  // The warm-up is not counted; then, each client sends one block.
  const block = { clients: 2, lines: 500, split: 1, warm: 0.01, seconds: 0 };
  const once = await run(2, block);
  assert(once.told.messages === 1000 && once.sent[0] >= 1000);
  const before = cpuTime(Deno.pid);
  const words = { clients: 3, greedy: 1, seconds: 0.2, pid: Deno.pid };
  const { told, sent } = await run(4, words);
  const [least, median, most, greedy] = sent;
  assertEquals(told.messages, least + median + most + greedy);
  // A message that is under way at the end is not counted for its client.
  const counted = [told.least, told.median, told.most];
  assertEquals(counted, [least - 1, median - 1, most - 1]);
  assert(0 < told.mean_ms && told.mean_ms <= told.slowest_ms);
  // The server is this process.
  const cpu = told.cpu_us * told.messages / 1e6;
  assert(0 < cpu && cpu <= cpuTime(Deno.pid) - before + 0.02);
  const kib = Deno.memoryUsage().rss / 1024;
  assert(kib / 2 < told.kib && told.kib < kib * 2);
});

Deno.test("The benchmark says in one line what it does not know", async () => {
  const args = ["run", "--allow-all", "bench/bench.ts", "--only", "mail"];
  await using bench = new Program(Deno.execPath(), args);
  const { code, out, err } = await bench.end();
  assertEquals([code, out], [1, ""]);
  assertMatch(err, /^.*: --only mail: not of loads,.*\n$/);
});

Deno.test("The guide's figures and charts are those of the last run that was saved", async () => {
  const report = JSON.parse(await Deno.readTextFile(RESULTS));
  const config = await Deno.readTextFile(`${ROOT}guide/haproxy.cfg`);
  for (const language of LANGUAGES) {
    const text = await Deno.readTextFile(page(language));
    // `deno fmt` aligns the columns.
    const cells = (text: string) => text.replace(/ +/g, " ");
    assertEquals(cells(text), cells(fill(text, report, language)));
    const drawn = await Deno.readTextFile(picture(language));
    assertEquals(drawn, chart(report, language));
    const clients = report.clients.toLocaleString(language);
    assertStringIncludes(text, clients.replace(/\s/, " "));
    // What it shows of HAProxy's configuration stands in it.
    const [, shown] = text.match(/^```text\n(backend .*?)^```$/ms)!;
    assertStringIncludes(config, shown);
  }
});

testWith("python3", "The guide's charts are whole XML", async () => {
  const parse =
    "import xml.dom.minidom as xml\nfor f in sys.argv[1:]: xml.parse(f)";
  await using parser = python(parse, ...LANGUAGES.map(picture));
  assertEquals(await parser.end(), { code: 0, out: "", err: "" });
});
