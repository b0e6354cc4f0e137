import { assert, assertEquals, assertMatch } from "@std/assert";
import { draw } from "../scripts/async_demo.ts";
import { IN_TERMINAL, run, testWith } from "./harness.ts";

Deno.test("draw of async_demo puts each task where and as long as it was", () => {
  const spans = [
    { name: "A", start: 0, end: 60 },
    { name: "B", start: 60, end: 149.6 },
    // However short, it is seen.
    { name: "C", start: 50, end: 61 },
  ];
  assertEquals(draw(spans, 30), [
    "  A │██ fin à 60 ms",
    "  B │  ███ fin à 150 ms",
    "  C │  █ fin à 61 ms",
  ]);
});

Deno.test("async_demo draws both pictures on one scale, without colours in a pipe, and says what came of it", async () => {
  const { code, out, err } = await run("async_demo", [], { colours: true });
  assertEquals([code, err], [0, ""]);
  const lines = out.trimEnd().split("\n");
  assertEquals(lines.length, 9);
  assertMatch(lines[0], /^Synchrone : .*attend/);
  assertMatch(lines[4], /^Asynchrone : /);
  /** Where the tasks begin and end, in columns. */
  const bars = (from: number) =>
    ["A", "B", "C"].map((name, index) => {
      const [, task, before, bar, ms] = lines[from + index].match(
        /^ {2}(\w) │( *)(█+) fin à (\d+) ms$/,
      )!;
      assertEquals(task, name);
      const end = before.length + bar.length;
      assert(Math.abs(end - Number(ms) / 30) <= 1, `another scale: ${out}`);
      return { begin: before.length, end, ms };
    });
  // Each begins where the one before has ended; or before any has.
  const [a, b, c] = bars(1);
  // (On a busy machine, even A may begin late, but not as late as B.)
  assert(a.begin < 10 && a.end <= b.begin && b.end <= c.begin, out);
  const together = bars(5);
  for (const one of together) {
    for (const other of together) assert(one.begin < other.end, out);
  }
  const [, before, after] = lines[8].match(
    /^Les trois attentes : (\d+) ms à la suite, (\d+) ms ensemble$/,
  )!;
  assertEquals([before, after], [c.ms, together[0].ms]);
  assert(Number(after) < Number(before), out);
});

testWith("python3", "async_demo has colours on a terminal", async () => {
  const options = { colours: true, shell: `${IN_TERMINAL} "$@"` };
  const { out } = await run("async_demo", [], options);
  const lines = out.split("\n").filter((line) => line.includes("│"));
  const colours = lines.map((line) => line.slice(0, 6));
  const [cyan, green] = ["\x1b[36m ", "\x1b[32m "];
  assertEquals(colours, [cyan, cyan, cyan, green, green, green]);
});
