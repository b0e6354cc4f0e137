/**
 * threads_demo.ts's computation on Node's workers: primes.mjs LIMIT THREADS.
 *
 * Prints how many there are, and the ms that it took once the workers were asked.
 */
import { once } from "node:events";
import process from "node:process";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

function count(limit, share, shares) {
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

if (isMainThread) {
  const [limit, shares] = process.argv.slice(2).map(Number);
  const workers = Array.from(
    { length: shares },
    () => new Worker(new URL(import.meta.url)),
  );
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const begin = performance.now();
  const found = await Promise.all(workers.map(async (worker, share) => {
    worker.postMessage([limit, share, shares]);
    return (await once(worker, "message"))[0];
  }));
  const ms = performance.now() - begin;
  console.log(found.reduce((sum, primes) => sum + primes), ms);
  process.exit(0);
} else {
  parentPort.on("message", (order) => parentPort.postMessage(count(...order)));
  parentPort.postMessage("ready");
}
