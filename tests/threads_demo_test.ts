import { assert, assertEquals, assertMatch } from "@std/assert";
import { countPrimes } from "../scripts/threads_demo.ts";
import { IN_TERMINAL, LINUX, preload, run, testWith } from "./harness.ts";

const DEMO = "threads_demo";

Deno.test("countPrimes of threads_demo counts in its share of the blocks what is below the limit", () => {
  const found = [
    { limit: 7, share: 0, shares: 1 },
    { limit: 3000, share: 0, shares: 2 },
    { limit: 3000, share: 1, shares: 2 },
  ].map(countPrimes);
  assertEquals(found, [3, 168 + 127, 135]);
});

Deno.test("threads_demo counts to three in two threads, which take turns", async () => {
  let together = false;
  // On a busy machine, one thread may be done before the other one has begun.
  for (let i = 0; i < 10 && !together; i++) {
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
    together = lines.indexOf("Thread A : 0") < lines.indexOf("Thread B : 2") &&
      lines.indexOf("Thread B : 0") < lines.indexOf("Thread A : 2");
  }
  assert(together, "one never began before the other one ended");
});

Deno.test("threads_demo waits for both threads, whichever ends first", async () => {
  for (const last of ["A", "B"]) {
    // One has its order when the other one has ended.
    const late = `
      let begin;
      globalThis.Worker = class extends Worker {
        postMessage(order) {
          const post = () => super.postMessage(order);
          if (order.name === "Thread ${last}") begin = post;
          else post();
        }
        terminate() {
          super.terminate();
          begin();
        }
      };`;
    const { out } = await run(DEMO, [], preload(DEMO, late));
    assertMatch(out, RegExp(`${last} : 2\nLes deux threads ont fini\n$`));
  }
});

Deno.test("threads_demo --work finds as many primes on all cores as on one, and draws, without colours in a pipe, how long each took", async () => {
  // It looks at the clock twice for each number of threads: they take 2 s, 1 s…
  // Meanwhile, all of them work, and none starts.
  const clock = `
    let looks = 0, ended = 0;
    performance.now = () => ++looks % 2 === 1 ? 0 : 4000 / looks;
    globalThis.Worker = class extends Worker {
      constructor(...args) {
        super(...args);
        if (looks % 2 === 1) console.error("A thread starts late");
      }
      postMessage(order) {
        const before = order.shares * (order.shares - 1) / 2;
        if (ended !== before) console.error("One works after the other");
        super.postMessage(order);
      }
      terminate() {
        super.terminate();
        ended++;
      }
    };`;
  const options = { ...preload(DEMO, clock), colours: true };
  const { code, out, err } = await run(DEMO, ["--work"], options);
  assertEquals([code, err], [0, ""]);
  // As the French write numbers, with a narrow space that does not break.
  const [title, ...rows] = out.replaceAll("\u202f", " ").trimEnd().split("\n");
  const cores = navigator.hardwareConcurrency;
  assertEquals(
    title,
    `Nombres premiers inférieurs à 3 000 000 ; cœurs de la machine : ${cores}`,
  );
  assertEquals(rows.length, Math.min(8, cores));
  for (const [i, row] of rows.entries()) {
    const threads = i + 1, bar = "█".repeat(Math.round(30 / threads));
    const seconds = `${Math.round(200 / threads) / 100}`.replace(".", ",");
    const result = `${bar} ${seconds} s, ×${threads} (216 816 trouvés)`;
    assertEquals(row, `threads : ${threads} ${result}`);
  }
});

testWith(
  LINUX,
  "threads_demo says in one line that a thread has failed",
  async () => {
    // The lines of the threads cannot be written.
    const { code, err } = await run(DEMO, [], {
      shell: 'exec "$@" >/dev/full',
    });
    assertEquals(code, 1);
    assertMatch(err, /^Error: No space left on device.*\n$/);
  },
);

testWith(
  "python3",
  "threads_demo --work draws eight lines at most, with colours on a terminal",
  async () => {
    const many = `
      Object.defineProperty(navigator, "hardwareConcurrency", { value: 9 });
      globalThis.Worker = class {
        constructor() { this.postMessage(); }
        postMessage() { queueMicrotask(() => this.onmessage({ data: 1 })); }
        terminate() {}
      };`;
    const { out } = await run(DEMO, ["--work"], {
      ...preload(DEMO, many),
      colours: true,
      shell: `${IN_TERMINAL} "$@"`,
    });
    assertEquals(out.match(/^threads : \d+/gm)?.at(-1), "threads : 8");
    assert(out.includes("\x1b[36m█"), out);
  },
);
