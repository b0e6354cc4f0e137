/**
 * How long answers took: counted in buckets, so that a run of millions of messages
 * needs no memory for each. Exact to 1.6 %; load.c has the same.
 *
 * @module
 */
const BUCKETS = 64 * 40;

/** What the clients of one worker have done. */
export interface Told {
  messages: number;
  greedy: number;
  /** Times, in buckets of 1/64 of a power of two ns. */
  histogram: Float64Array;
  /** The longest time, in ns. */
  longest: number;
}

/** One run: until when, in ms of `performance.now()`, and its counts. */
export type Run = Told & { end: number };

/** Begins a run of so many seconds. */
export const newRun = (seconds: number): Run => ({
  messages: 0,
  greedy: 0,
  histogram: new Float64Array(BUCKETS),
  longest: 0,
  end: performance.now() + seconds * 1000,
});

/** Notes that a block of messages, begun at that time (ms), has been answered. */
export function note(run: Run, begin: number, messages: number): void {
  const ns = Math.max(1, Math.round((performance.now() - begin) * 1e6));
  const shift = Math.max(0, Math.floor(Math.log2(ns)) - 6);
  const index = shift * 64 + Math.floor(ns / 2 ** shift);
  run.histogram[Math.min(index, BUCKETS - 1)]++;
  run.longest = Math.max(run.longest, ns);
  run.messages += messages;
}

/** The time, in µs, that a share of all answers took at most. */
export function quantile(histogram: Float64Array, share: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let sum = 0;
  const index = histogram.findIndex((count) =>
    (sum += count) >= share * total && total > 0
  );
  const shift = index < 128 ? 0 : Math.floor(index / 64) - 1;
  return index < 0 ? 0 : (index - shift * 64 + 0.5) * 2 ** shift / 1000;
}
