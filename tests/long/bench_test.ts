/** The benchmark measures: its load generators count right, its report is whole. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Command, Dialogue } from "../../bench/measure.ts";
import { compile, loadTs, OURS } from "../../bench/peers.ts";
import type { Report } from "../../bench/report.ts";
import { bytes, has, Program, testWith } from "../harness.ts";

const ANSWER = "Message reçu\n";

/** A folder of the test's own, which ends with it. */
async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "bench-test-" });
  const remove = () => Deno.remove(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: remove };
}

/** One run of a load generator, and what it tells. */
async function load(
  generator: Command,
  port: number,
  ...words: string[]
): Promise<Record<string, number>> {
  await using talk = new Dialogue([...generator, `port=${port}`, ...words], 20);
  assertEquals(await talk.line(), "ready");
  await talk.nudge();
  return JSON.parse(await talk.line());
}

/** Counts the lines that it is sent, and answers each; or serves a file of 9 bytes. */
function counter(signal: AbortSignal): { port: number; lines: () => number } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  signal.addEventListener("abort", () => listener.close());
  let lines = 0;
  const serve = async (conn: Deno.Conn) => {
    using _ = conn;
    const room = new Uint8Array(65536);
    for (let got; (got = await conn.read(room)) !== null;) {
      const text = new TextDecoder().decode(room.subarray(0, got));
      const count = text.split("\n").length - 1;
      const http = text.startsWith("GET /file-9 HTTP/1.1\r\n");
      lines += http ? 1 : count;
      let answer = bytes(
        http
          ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nneuf: 9 !"
          : ANSWER.repeat(count),
      );
      while (answer.length) answer = answer.subarray(await conn.write(answer));
    }
  };
  (async () => {
    for await (const conn of listener) serve(conn).catch(() => {});
  })().catch(() => {});
  return { port: (listener.addr as Deno.NetAddr).port, lines: () => lines };
}

const GENERATORS: [
  string,
  string,
  (folder: string) => Promise<Command> | Command,
][] = [
  ["load.c", "cc", (folder) => compile(["cc"], "load.c", folder)],
  ["load.ts", "sh", () => loadTs()],
];

for (const [name, tool, command] of GENERATORS) {
  testWith(
    tool,
    `${name} counts the messages that the server got`,
    async () => {
      await using folder = await temporary();
      const generator = await command(folder.path);
      const cases: [words: string[], each: number][] = [
        [["clients=3"], 3],
        [["clients=2", "lines=500"], 1000],
        [["clients=1", "lines=2", "split=1", "nodelay=1"], 2],
        [["clients=4", "get=9"], 4],
      ];
      for (const [words, each] of cases) {
        const stop = new AbortController(), server = counter(stop.signal);
        // Of 0 seconds, both the warm-up and the run are one block of each client.
        const told = await load(generator, server.port, ...words, "seconds=0");
        assertEquals(
          [told.messages, server.lines()],
          [each, 2 * each],
          `${words}`,
        );
        stop.abort();
      }
      const stop = new AbortController(), server = counter(stop.signal);
      const some = ["clients=3", "greedy=1", "warm=0", "seconds=0.2"];
      const told = await load(generator, server.port, ...some);
      assert(told.messages > 3 && told.greedy >= 2000);
      // The warm-up again: one line of each polite client, 2000 of the greedy one.
      assertEquals(server.lines(), told.messages + told.greedy + 2003);
      assert(0 < told.p50_us && told.p50_us <= told.p99_us);
      assert(told.p99_us <= told.max_us * 1.02 && told.seconds >= 0.2);
      stop.abort();
    },
  );
}

/** Runs the benchmark; without a word about its progress. */
async function bench(args: string[], path?: string) {
  const command = [
    Deno.execPath(),
    "run",
    "--allow-all",
    "bench/bench.ts",
    ...args,
  ];
  await using program = path === undefined
    ? new Program(command[0], command.slice(1))
    : new Program("env", [`PATH=${path}`, ...command]);
  return await program.end();
}

const SHORT = [
  ...["--quick", "--only", "lock-step", "--json"],
  ...["--rounds", "1", "--seconds", "0.1"],
];

Deno.test("the benchmark tells its numbers, its machine and its tools as JSON", async () => {
  const { code, out, err } = await bench(SHORT);
  assertEquals(code, 0, err);
  const report: Report = JSON.parse(out);
  assert(
    report.machine.cores > 0 && report.machine.model && report.machine.kernel,
  );
  assertEquals(report.versions.deno, Deno.version.deno);
  assertEquals(report.options.rounds, 1);
  assertEquals(report.options.seconds, 0.1);
  assertMatch(report.generator, has("cc") ? /^load\.c / : /^load\.ts /);
  const tools = ["cc", "python3", "node"];
  for (const tool of tools) {
    assertEquals(tool in report.versions, has(tool));
    assertEquals(
      report.missing.some((one) => one.startsWith(tool)),
      !has(tool),
    );
  }
  const ours = report.results.filter(({ server }) => server === OURS);
  const cases = ["1 client", "64 clients", "1000 clients"];
  assertEquals(ours.map((one) => one.case), cases);
  for (const { measurement, rounds, median, error } of report.results) {
    assertEquals([measurement, error, rounds.length], [
      "lock-step",
      undefined,
      1,
    ]);
    const names = [
      "messages",
      "seconds",
      "rate_per_s",
      "p50_us",
      "p99_us",
      "max_us",
    ];
    if (Deno.build.os === "linux") {
      names.push("cpu_us", "busy", "generator_busy");
    }
    for (const name of names) {
      assert(median[name] > 0 && median[name] === rounds[0][name], name);
    }
  }
});
