#!/usr/bin/env -S deno run --allow-read
/**
 * Threads as Web Workers: section 4', multithreading.
 *
 * A worker is a thread with a JavaScript world of its own, started from a module:
 * this very file, which therefore asks which side it is on. Workers share no
 * variable unless they are handed one (multithread_server.ts does so): they post
 * messages, and there is nothing to lock. Threads are for computing, and `--work`
 * measures what they bring. To wait for a network, `await` is enough and costs
 * less: see async_demo.ts.
 *
 * @run deno run --allow-read scripts/threads_demo.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { cyan, setColorEnabled } from "jsr:@std/fmt@^1.0.0/colors";

const HELP = "Usage : threads_demo.ts [--work [--threads N]] [--help]";

/** What a worker is told to do: count to three, or its share of the primes. */
export type Order = { name: string } | {
  limit: number;
  share: number;
  shares: number;
};

/** Starts a thread; ready to take an order when the promise resolves. */
export function start(): Promise<Worker> {
  const worker = new Worker(import.meta.url, { type: "module" });
  return answer(worker).then(() => worker);
}

/** Gives a thread its order, waits for the result, and ends it: Python's `join`. */
export async function join(worker: Worker, order: Order): Promise<number> {
  worker.postMessage(order);
  try {
    return await answer(worker);
  } finally {
    worker.terminate();
  }
}

function answer(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) =>
      typeof data === "number" ? resolve(data) : reject(new Error(data));
    worker.onerror = (event) => {
      // Without this, an error in a worker would end the main thread too.
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
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
export function countPrimes(
  limit: number,
  share: number,
  shares: number,
): number {
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

/** Measures the same work on 1 to `most` threads, and draws what it took. */
async function work(most: number): Promise<void> {
  const limit = 3_000_000;
  const cores = navigator.hardwareConcurrency;
  console.log(
    `Nombres premiers sous ${limit} ; cœurs : ${cores}, s'ils sont libres`,
  );
  let alone = 0;
  for (let shares = 1; shares <= most; shares++) {
    const workers = await Promise.all(Array.from({ length: shares }, start));
    const begin = performance.now();
    const results = await Promise.all(
      workers.map((worker, share) => join(worker, { limit, share, shares })),
    );
    const seconds = (performance.now() - begin) / 1000;
    alone ||= seconds;
    const bar = "█".repeat(Math.max(1, Math.round(30 * seconds / alone)));
    const total = results.reduce((sum, primes) => sum + primes);
    const speed = `${seconds.toFixed(2)} s, ×${(alone / seconds).toFixed(2)}`;
    console.log(`${shares} thread(s) ${cyan(bar)} ${speed} (${total} trouvés)`);
  }
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["help", "work"],
    string: ["threads"],
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (args.help) return console.log(HELP);
  const threads = Number(
    args.threads ?? Math.min(64, navigator.hardwareConcurrency),
  );
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= 64)) {
    exit(2, `--threads "${args.threads}" : écrivez un nombre de 1 à 64`);
  }
  if (args.threads && !args.work) exit(2, "--threads va avec --work");
  setColorEnabled(Deno.stdout.isTerminal());
  const stop = () => Deno.exit(0);
  Deno.addSignalListener("SIGINT", stop);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  // Deno loads a worker's module with this program's own permissions.
  const path = import.meta.filename;
  const { state } = await Deno.permissions.request({ name: "read", path });
  if (state !== "granted") exit(1, "Lecture interdite : ajoutez --allow-read");

  try {
    if (args.work) return await work(threads);
    const [a, b] = await Promise.all([start(), start()]);
    await Promise.all([
      join(a, { name: "Thread A" }),
      join(b, { name: "Thread B" }),
    ]);
    console.log("Les deux threads ont fini");
  } catch (error) {
    exit(1, `Thread interrompu : ${(error as Error).message}`);
  }
}

if ("DedicatedWorkerGlobalScope" in globalThis) {
  // In a worker, `self` is the other end of the channel that `start` opened.
  const main = self as unknown as Worker;
  main.onmessage = ({ data }: MessageEvent<Order>) => {
    try {
      const result = "name" in data
        ? count(data.name)
        : countPrimes(data.limit, data.share, data.shares);
      main.postMessage(result);
    } catch (error) {
      // Uncaught here, it would be printed with its stack, whatever main does.
      main.postMessage((error as Error).message);
    }
  };
  main.postMessage(0);
} else if (import.meta.main) {
  await main();
}
