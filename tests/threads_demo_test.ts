import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  countPrimes,
  join,
  type Order,
  start as startThread,
} from "../scripts/threads_demo.ts";
import { header, run, start } from "./harness.ts";

const DEMO = "threads_demo";

/** The numbers of primes below powers of ten (OEIS A006880). */
const PRIMES = [[10, 4], [100, 25], [1000, 168], [10_000, 1229]];

Deno.test("threads_demo counts to three in two threads, which take turns", async () => {
  const { code, out, err } = await run(DEMO);
  assertEquals([code, err], [0, ""]);
  const lines = out.trimEnd().split("\n");
  assertEquals(lines.pop(), "Les deux threads ont fini");
  for (const name of ["Thread A", "Thread B"]) {
    assertEquals(
      lines.filter((line) => line.startsWith(name)),
      [0, 1, 2].map((i) => `${name} : ${i}`),
    );
  }
  assertEquals(lines.length, 6);
  // Each had begun before the other one ended.
  assert(lines.indexOf("Thread A : 0") < lines.indexOf("Thread B : 2"), out);
  assert(lines.indexOf("Thread B : 0") < lines.indexOf("Thread A : 2"), out);
});

Deno.test("threads_demo --work finds as many primes with two threads as with one", async () => {
  const { code, out, err } = await run(DEMO, ["--work", "--threads", "2"]);
  assertEquals([code, err], [0, ""]);
  const [title, ...rows] = out.trimEnd().split("\n");
  assertMatch(title, /^Nombres premiers sous 3000000\b/);
  assertEquals(rows.length, 2);
  for (const [i, row] of rows.entries()) {
    // There are 216816 primes below three millions.
    const time = String.raw`█+ \d+\.\d\d s, ×\d+\.\d\d \(216816 trouvés\)$`;
    assertMatch(row, new RegExp(`^${i + 1} thread\\(s\\) ${time}`));
  }
});

Deno.test("countPrimes of threads_demo finds all primes, however they are shared out", () => {
  for (const [limit, primes] of PRIMES) {
    for (const shares of [1, 2, 3, 7, 64]) {
      let found = 0;
      for (let share = 0; share < shares; share++) {
        found += countPrimes(limit, share, shares);
      }
      assertEquals(found, primes, `below ${limit} in ${shares} shares`);
    }
  }
});

Deno.test({
  name:
    "join of threads_demo gives what its thread found, or rejects when it dies",
  sanitizeOps: true,
  sanitizeResources: true,
  async fn() {
    const [good, bad] = [await startThread(), await startThread()];
    const order = { limit: 10_000, share: 0, shares: 1 };
    assertEquals(await join(good, order), 1229);
    // No order at all, which the thread does not survive.
    await assertRejects(
      () => join(bad, null as unknown as Order),
      Error,
      "null",
    );
  },
});

Deno.test("threads_demo stops with 0 on SIGINT, while its threads compute", async () => {
  await using demo = start(DEMO, ["--work", "--threads", "64"]);
  await demo.says("1 thread(s)");
  demo.kill("SIGINT");
  const { code, out, err } = await demo.end();
  assertEquals([code, err], [0, ""]);
  assert(!out.includes("64 thread(s)"), out);
});

Deno.test("threads_demo says that a thread died, and ends with 1", async () => {
  // In place of the demo's threads, one that throws.
  const code = `globalThis.Worker = class extends Worker {
    constructor(url, options) {
      super("data:application/javascript,throw new Error('cassé')", options);
    }
  };`;
  const preload = `data:application/javascript,${encodeURIComponent(code)}`;
  const flags = [...header(DEMO).flags, "--preload", preload];
  const { code: status, out, err } = await run(DEMO, [], { flags });
  assertEquals([status, out], [1, ""]);
  // The other lines are Deno's own, about errors that it calls uncaught.
  assertMatch(err, /^Thread interrompu : .*cassé$/m);
});

for (
  const args of [
    ["--prout"],
    ["bonjour"],
    ["--threads", "2"],
    ["--work", "--threads", "0"],
    ["--work", "--threads", "1.5"],
    ["--work", "--threads", "x"],
    ["--work", "--threads="],
  ]
) {
  Deno.test(`threads_demo ${args.join(" ")} is wrong usage, said in one line`, async () => {
    const { code, out, err } = await run(DEMO, args);
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}
