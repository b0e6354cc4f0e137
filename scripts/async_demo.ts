#!/usr/bin/env -S deno run
/**
 * Synchronous and asynchronous waiting, drawn: the course's first section.
 *
 * Synchronous: wait for A to end before B begins. Asynchronous: begin A, begin B,
 * and come back to each when it is ready; one thread, no parallel work. (The
 * course swaps the two words, and ties them to bytes, frames, TCP and UDP, which
 * have nothing to do with it.) It pays where a program waits, for a network or a
 * disk. It does not make a computation faster, and while one runs, nothing else
 * does: see threads_demo.ts.
 *
 * @run deno run scripts/async_demo.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { cyan, green, setColorEnabled } from "jsr:@std/fmt@^1.0.0/colors";

/** A request and its answer, as far as waiting goes. */
export type Task = [name: string, milliseconds: number];

/** When a task began and ended, in milliseconds since the first one began. */
export type Span = { name: string; start: number; end: number };

/** One after the other: the waits add up. */
export async function sequential(tasks: Task[]): Promise<Span[]> {
  const origin = performance.now();
  const spans: Span[] = [];
  for (const task of tasks) spans.push(await request(task, origin));
  return spans;
}

/** All at once: as long as the longest. Nothing is awaited until all have begun. */
export async function concurrent(tasks: Task[]): Promise<Span[]> {
  const origin = performance.now();
  return await Promise.all(tasks.map((task) => request(task, origin)));
}

/** Waits as a program waits for a server: the thread is free meanwhile. */
async function request([name, ms]: Task, origin: number): Promise<Span> {
  const start = performance.now() - origin;
  await new Promise((resume) => setTimeout(resume, ms));
  return { name, start, end: performance.now() - origin };
}

/**
 * Draws spans under each other, on one scale.
 *
 * @param scale Milliseconds that one column stands for.
 */
export function draw(spans: Span[], scale: number): string[] {
  return spans.map(({ name, start, end }) => {
    const before = Math.round(start / scale);
    const during = Math.max(1, Math.round(end / scale) - before);
    const bar = " ".repeat(before) + "█".repeat(during);
    return `  ${name} │${bar} fin à ${Math.round(end)} ms`;
  });
}

async function main(): Promise<void> {
  const { help } = parseArgs(Deno.args, {
    boolean: ["help"],
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Option : --help");
  setColorEnabled(Deno.stdout.isTerminal());
  const tasks: Task[] = [["A", 600], ["B", 300], ["C", 450]];
  console.log("Synchrone : on attend la fin de A pour commencer B");
  const one = await sequential(tasks);
  for (const line of draw(one, 30)) console.log(cyan(line));
  console.log("Asynchrone : on commence tout, on reprend ce qui est prêt");
  const all = await concurrent(tasks);
  for (const line of draw(all, 30)) console.log(green(line));
  const before = Math.round(Math.max(...one.map(({ end }) => end)));
  const after = Math.round(Math.max(...all.map(({ end }) => end)));
  console.log(
    `Les trois attentes : ${before} ms à la suite, ${after} ms ensemble`,
  );
}

if (import.meta.main) {
  await main().catch((error) => {
    console.error(`${error}`);
    Deno.exit(1);
  });
}
