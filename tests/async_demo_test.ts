import { assert, assertEquals, assertMatch } from "@std/assert";
import { concurrent, draw, sequential } from "../scripts/async_demo.ts";
import { run } from "./harness.ts";

const TASKS: [string, number][] = [["A", 30], ["B", 10], ["C", 20]];

Deno.test("sequential of async_demo begins a task when the one before has ended", async () => {
  const spans = await sequential(TASKS);
  assertEquals(spans.map(({ name }) => name), ["A", "B", "C"]);
  let ended = 0;
  for (const { start, end } of spans) {
    assert(ended <= start && start < end, JSON.stringify(spans));
    ended = end;
  }
});

Deno.test("concurrent of async_demo begins all tasks before one of them ends", async () => {
  const spans = await concurrent(TASKS);
  // In the order of the tasks, whichever was ready first.
  assertEquals(spans.map(({ name }) => name), ["A", "B", "C"]);
  const lastStart = Math.max(...spans.map(({ start }) => start));
  const [a, b, c] = spans.map(({ end }) => end);
  assert(lastStart < b && b <= c && c <= a, JSON.stringify(spans));
});

Deno.test("draw of async_demo puts each task where and as long as it was", () => {
  const spans = [
    { name: "A", start: 0, end: 60 },
    { name: "B", start: 60, end: 149.6 },
    // However short, it is seen.
    { name: "C", start: 60, end: 61 },
  ];
  assertEquals(draw(spans, 30), [
    "  A │██ fin à 60 ms",
    "  B │  ███ fin à 150 ms",
    "  C │  █ fin à 61 ms",
  ]);
});

Deno.test("async_demo draws both pictures, and says what came of it", async () => {
  const { code, out, err } = await run("async_demo");
  assertEquals([code, err], [0, ""]);
  const lines = out.trimEnd().split("\n");
  assertEquals(lines.length, 9);
  assertMatch(lines[0], /^Synchrone : .*attend/);
  assertMatch(lines[4], /^Asynchrone : /);
  const indents = (from: number) =>
    ["A", "B", "C"].map((name, i) => {
      const [, task, before] = lines[from + i].match(
        /^ {2}(\w) │( *)█+ fin à \d+ ms$/,
      )!;
      assertEquals(task, name);
      return before.length;
    });
  // One after the other: each further to the right. All at once: none as far as B.
  const [a, b, c] = indents(1);
  assert(a === 0 && a < b && b < c, out);
  for (const indent of indents(5)) assert(indent < b, out);
  const [, before, after] = lines[8].match(
    /^Les trois attentes : (\d+) ms à la suite, (\d+) ms ensemble$/,
  )!;
  assert(Number(after) < Number(before), out);
});
