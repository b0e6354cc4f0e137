/** The benchmark's peers are right, and its chart is whole; the rest is in long/. */
import { assertEquals, assertMatch } from "@std/assert";
import { chart } from "../bench/chart.ts";
import { type Command, startServer } from "../bench/measure.ts";
import { compile, OURS, script } from "../bench/peers.ts";
import type { Report } from "../bench/report.ts";
import type { Result } from "../bench/rounds.ts";
import { bytes, exchange, Program, ROOT, testWith } from "./harness.ts";

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
      const long = "é".repeat(32 * 1024 - 1) + "\n";
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

Deno.test("the benchmark says in one line what it does not know", async () => {
  for (
    const [args, problem] of [
      [["--fast"], /^"--fast": unknown argument\. Usage: .*\n$/],
      [["--only", "mail"], /^--only "mail": write one or more of .*\n$/],
      [["--rounds", "0"], /^--rounds "0": write a number from 1 to 1000\n$/],
    ] as const
  ) {
    const command = ["run", "--allow-all", "bench/bench.ts", ...args];
    await using bench = new Program(Deno.execPath(), command);
    const { code, out, err } = await bench.end();
    assertEquals([code !== 0, out], [true, ""]);
    assertMatch(err, problem);
  }
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
