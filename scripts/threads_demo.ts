#!/usr/bin/env -S deno run --allow-read
/**
 * Threads as Web Workers: section 4', multithreading.
 *
 * A worker is a thread with a JavaScript world of its own, started from a module:
 * this very file, which therefore asks which side it is on. Workers share nothing:
 * they post messages, and there is nothing to lock. They are for computing, and
 * `--work` measures what they bring on free cores. To wait, see async_demo.ts.
 *
 * @run deno run --allow-read scripts/threads_demo.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { cyan, setColorEnabled } from "jsr:@std/fmt@^1.0.0/colors";

/** The primes below `limit`, as far as they are in the share numbered `share`. */
export type Share = { limit: number; share: number; shares: number };

/** What a worker is told to do: count to three, or look for primes. */
export type Order = { name: string } | Share;

/** Starts a thread; it is ready for an order when the promise resolves. */
export async function start(): Promise<Worker> {
  const worker = new Worker(import.meta.url, { type: "module" });
  await nextMessage(worker);
  return worker;
}

/** Gives a thread its order, waits for the result, and ends it: Python's `join`. */
export async function join(worker: Worker, order: Order): Promise<number> {
  worker.postMessage(order);
  try {
    return await nextMessage(worker);
  } finally {
    worker.terminate();
  }
}

function nextMessage(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => {
      if (data instanceof Error) reject(data);
      else resolve(data);
    };
  });
}

/** What a worker does: it says that it is ready, and follows its order. */
function obey(): void {
  // In a worker, `self` is the other end of the channel that `start` opened.
  const main = self as unknown as Worker;
  main.onmessage = ({ data }: MessageEvent<Order>) => {
    try {
      main.postMessage("name" in data ? count(data.name) : countPrimes(data));
    } catch (error) {
      // Uncaught, it would end the whole program, with a stack trace.
      main.postMessage(error);
    }
  };
  main.postMessage(0);
}

/** The course's `compteur`. */
function count(name: string): number {
  for (let i = 0; i < 3; i++) {
    console.log(`${name} : ${i}`);
    // Stops this thread, and no other, for 100 ms.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  }
  return 3;
}

/**
 * Counts the primes below `limit` in one share of the work: of every `shares`
 * blocks of a thousand numbers, the one numbered `share`.
 */
export function countPrimes({ limit, share, shares }: Share): number {
  let primes = 0;
  for (let block = share * 1000; block < limit; block += shares * 1000) {
    for (let n = Math.max(2, block); n < Math.min(limit, block + 1000); n++) {
      let divisor = 2;
      while (divisor * divisor <= n && n % divisor !== 0) divisor++;
      if (divisor * divisor > n) primes++;
    }
  }
  return primes;
}

/** Measures the same work on one thread, on two… and draws what it took. */
async function measure(limit: number): Promise<void> {
  const cores = navigator.hardwareConcurrency;
  // As the French write numbers: 3 000 000 and 0,95.
  const french = new Intl.NumberFormat("fr-FR", { maximumFractionDigits: 2 });
  const below = `Nombres premiers inférieurs à ${french.format(limit)}`;
  console.log(`${below} ; cœurs de la machine : ${cores}`);
  let alone = 0;
  // Eight lines are enough to see it.
  for (let shares = 1; shares <= Math.min(8, cores); shares++) {
    const workers = await Promise.all(Array.from({ length: shares }, start));
    const begin = performance.now();
    const results = await Promise.all(
      workers.map((worker, share) => join(worker, { limit, share, shares })),
    );
    const seconds = (performance.now() - begin) / 1000;
    if (shares === 1) alone = seconds;
    const bar = cyan("█".repeat(Math.round(30 * seconds / alone)));
    const speed = french.format(alone / seconds);
    const result = `${bar} ${french.format(seconds)} s, ×${speed}`;
    const total = french.format(results.reduce((sum, found) => sum + found));
    console.log(`threads : ${shares} ${result} (${total} trouvés)`);
  }
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["work", "help"],
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (args.help) return console.log("Option : --work");
  setColorEnabled(Deno.stdout.isTerminal());
  // Deno loads a worker's module with the permissions of this program.
  await Deno.stat(import.meta.filename!);
  if (args.work) return await measure(3_000_000);
  const [a, b] = await Promise.all([start(), start()]);
  const first = join(a, { name: "Thread A" });
  const second = join(b, { name: "Thread B" });
  await Promise.all([first, second]);
  console.log("Les deux threads ont fini");
}

// In a worker, import.meta.main is true as well.
if ("DedicatedWorkerGlobalScope" in globalThis) {
  obey();
} else if (import.meta.main) {
  await main().catch((error) => {
    console.error(`${error}`);
    Deno.exit(1);
  });
}
