/** Tests of the benchmark: its peers are right and its numbers are whole; no timing. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { chart } from "../bench/chart.ts";
import { type Command, Dialogue, startServer } from "../bench/measure.ts";
import { compile, loadTs, OURS, script } from "../bench/peers.ts";
import type { Report } from "../bench/report.ts";
import type { Result } from "../bench/rounds.ts";
import { bytes, exchange, has, Program, ROOT, testWith } from "./harness.ts";

const PEERS = `${ROOT}bench/peers`;
const ANSWER = "Message reçu\n";

/** A folder of the test's own, which ends with it. */
async function temporary(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "bench-test-" });
  const remove = () => Deno.remove(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: remove };
}

/** Each peer: what it needs, and its command. */
const COMMANDS: [
  string,
  string,
  (folder: string) => Promise<Command> | Command,
][] = [
  [OURS, "sh", () => script(OURS, "--port", "0", "--quiet", "--threads", "1")],
  ["epoll.c", "cc", (folder) => compile(["cc"], "peers/epoll.c", folder)],
  ["threads.py", "python3", () => ["python3", `${PEERS}/threads.py`]],
  [
    "threads.py --naive",
    "python3",
    () => ["python3", `${PEERS}/threads.py`, "--naive"],
  ],
  [
    "asyncio_server.py",
    "python3",
    () => ["python3", `${PEERS}/asyncio_server.py`],
  ],
  ["net.mjs", "node", () => ["node", `${PEERS}/net.mjs`]],
];

for (const [name, tool, command] of COMMANDS) {
  testWith(
    tool,
    `${name} answers each line once, however it arrives`,
    async () => {
      await using folder = await temporary();
      const started = await command(folder.path);
      await using server = await startServer(started, folder.path);
      const { port } = server;
      // Glued lines, and a last one without its end before a half-close.
      assertEquals(
        await exchange(port, "un\ndeux\r\n\ntrès\nfin?"),
        ANSWER.repeat(5),
      );
      assertEquals(await exchange(port, ""), "");
      // FIN is answered and ends, in any case; what follows is not a message.
      assertEquals(await exchange(port, "a\n fIn \nb\nc\n"), ANSWER.repeat(2));
      assertEquals(await exchange(port, "a\nFIN"), ANSWER.repeat(2));
      // As long as a line may be, and more answers than fit into one write.
      const long = "é".repeat(32 * 1024) + "\n";
      assertEquals(await exchange(port, long + "a\n" + long), ANSWER.repeat(3));
      const many = await exchange(port, "Bonjour\n".repeat(20_000));
      assertEquals(many, ANSWER.repeat(20_000));

      // One byte at a time; FIN, so cut, is seen, and the server ends it.
      using conn = await Deno.connect({ port });
      conn.setNoDelay(true);
      for (const byte of bytes("élan\nfin\n")) {
        await conn.write(new Uint8Array([byte]));
        await new Promise(setImmediate);
      }
      assertEquals(await new Response(conn.readable).text(), ANSWER.repeat(2));
    },
  );
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

Deno.test("the benchmark names what is missing on a machine", async () => {
  await using folder = await temporary();
  // Only what the benchmark itself stands on.
  const sh = new TextDecoder().decode(
    new Deno.Command("sh", { args: ["-c", "command -v sh"] }).outputSync()
      .stdout,
  ).trim();
  await Deno.symlink(sh, `${folder.path}/sh`);
  const args = SHORT.filter((arg) => arg !== "--json");
  const { code, out, err } = await bench(args, folder.path);
  assertEquals(code, 0, err);
  for (const tool of ["cc", "python3", "node"]) {
    assertMatch(
      out,
      RegExp(`^Missing: ${tool}: .* \\(it is not on this machine\\)$`, "m"),
    );
  }
  assertMatch(out, /^Load: load\.ts /m);
  assertMatch(out, /multithread_server +[█▏▎▍▌▋▊▉]+/);
  assert(!out.includes("asyncio"));
});

Deno.test("the benchmark refuses what it does not know", async () => {
  const cases: [string[], RegExp][] = [
    [["--fast"], /^"--fast": unknown argument\. Usage: .*\n$/],
    [["server"], /^"server": unknown argument\. Usage: .*\n$/],
    [["--only", "web,mail"], /^--only "mail": write one or more of .*\n$/],
    [["--rounds", "0"], /^--rounds "0": write a number from 1 to 1000\n$/],
    [["--seconds", "x"], /^--seconds "x": write a number from 0\.05 to 600\n$/],
    [["--lang", "de"], /^--lang "de": write en or fr\n$/],
  ];
  const results = await Promise.all(cases.map(([args]) => bench(args)));
  results.forEach(({ code, out, err }, i) => {
    assertEquals([code, out], [2, ""]);
    assertMatch(err, cases[i][1]);
  });
  const { code, out } = await bench(["--help"]);
  assertEquals(code, 0);
  assertMatch(out, /^Usage: deno task bench .*\n$/);
});

const result = (measurement: string, server: string, cpu: number): Result => ({
  ...{ measurement, server, rounds: [], median: { cpu_us: 5 * cpu } },
  ...{ ratio: { cpu_us: cpu }, limited: 0 },
  case: measurement === "pipelined" ? "16 clients" : "64 clients",
});

const REPORT: Report = {
  date: "2026-01-02T03:04:05.678Z",
  machine: {
    ...{ os: "linux", arch: "x86_64", cores: 2, kernel: "linux 6.1" },
    model: "A <very> long name & more of it, which no picture has the room for",
  },
  versions: { deno: "2.9.6", python3: "3.11.7" },
  ...{ missing: [], generator: "load.c", limit: "C, epoll" },
  options: { quick: false, only: [], rounds: 5, seconds: 1, clients: 2000 },
  results: ["lock-step", "pipelined"].flatMap((measurement) => [
    result(measurement, OURS, 1.75),
    result(measurement, "Python threads", 123.4),
    result(measurement, "C, epoll", 1),
  ]),
};

testWith("python3", "the chart is whole XML, in both languages", async () => {
  const parse = "import xml.dom.minidom; xml.dom.minidom.parse(sys.stdin)";
  for (const language of ["en", "fr"] as const) {
    const args = ["-c", `import sys; ${parse}`];
    await using python = new Program("python3", args, { stdin: "piped" });
    await python.type(chart(REPORT, language));
    await python.endInput();
    assertEquals(await python.end(), { code: 0, out: "", err: "" });
  }
});

Deno.test("the chart follows light and dark, and the same report gives the same", () => {
  const picture = chart(REPORT, "en");
  assertEquals(picture, chart(structuredClone(REPORT), "en"));
  assertMatch(picture, /\.ground \{ fill: #ffffff; \}/);
  assertMatch(picture, /@media \(prefers-color-scheme: dark\)/);
  assertEquals(picture.match(/<rect class="ours"/g)!.length, 2);
  assertMatch(picture, />× 1\.8</);
  assertMatch(picture, />× 123</);
  assertMatch(picture, /A &lt;very&gt; long name &amp; more/);
  assertMatch(chart(REPORT, "fr"), />× 1,8</);
});

Deno.test("the chart keeps everything inside the picture", () => {
  for (const language of ["en", "fr"] as const) {
    const picture = chart(REPORT, language);
    const [, width, height] = picture.match(/viewBox="0 0 (\d+) (\d+)"/)!.map(
      Number,
    );
    // How wide a letter is on the average, in a font as wide as DejaVu Sans.
    const widths: Record<string, number> = {
      title: 9.4,
      group: 7.6,
      small: 5.8,
    };
    const pattern =
      /<text(?: class="(\w+)")? x="([\d.]+)" y="(\d+)">(.*)<\/text>/g;
    const texts = [...picture.matchAll(pattern)];
    assertEquals(texts.length, picture.match(/<text/g)!.length);
    for (const [, style, x, y, text] of texts) {
      const letters = text.replaceAll(/&\w+;/g, "&").length;
      const end = Number(x) + letters * (widths[style] ?? 6.9);
      assert(end <= width, text);
      assert(Number(y) < height);
    }
    for (
      const [, x, wide] of picture.matchAll(
        /<rect class="\w+" x="(\d+)" y="\d+" width="([\d.]+)"/g,
      )
    ) {
      assert(Number(x) + Number(wide) + 40 <= width);
    }
  }
});
