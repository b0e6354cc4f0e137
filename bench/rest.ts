/**
 * What is not a load on a server: memory of idle clients, start-up, and computing on
 * several threads.
 *
 * @module
 */
import { join, start } from "../scripts/threads_demo.ts";
import {
  type Command,
  Dialogue,
  memoryKib,
  output,
  startServer,
} from "./measure.ts";
import { type Peers, script, type Tools } from "./peers.ts";
import { type Context, interleave, type Result } from "./rounds.ts";

const here = (path: string) => `${import.meta.dirname}/${path}`;

/** How much memory a client costs that has spoken once, and is silent now. */
export async function measureMemory(
  context: Context,
  peers: Peers,
): Promise<Result[]> {
  const { folder, generator, clients } = context;
  const what = { measurement: "memory", case: `${clients} idle clients` };
  const measure = async (name: string) => {
    // A new server each time, since few give memory back.
    await using server = await startServer(peers[name], folder);
    const idle = (count: number): Command => [
      ...generator,
      ...[`port=${server.port}`, `clients=${count}`, "seconds=0"],
    ];
    const before = await (async () => {
      // Ten clients come and go: what a server needs once is not counted.
      await using few = new Dialogue(idle(10), 60);
      await few.line();
      return await memoryKib(server.pid);
    })();
    await using many = new Dialogue(idle(clients), 120);
    await many.line();
    const after = await memoryKib(server.pid);
    return {
      kib_per_client: (after - before) / clients,
      before_kib: before,
      after_kib: after,
    };
  };
  const rounds = Math.min(3, context.rounds);
  return await interleave(context, what, Object.keys(peers), measure, rounds);
}

/** How long a program takes from its start until its first output, in ms. */
async function untilItSpeaks([program, ...args]: Command): Promise<number> {
  const begin = performance.now();
  const child = new Deno.Command(program, {
    args,
    env: { PYTHONDONTWRITEBYTECODE: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const limit = setTimeout(() => child.kill("SIGKILL"), 15_000);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const ms = performance.now() - begin;
  clearTimeout(limit);
  if (value !== undefined) child.kill("SIGKILL");
  await reader.cancel();
  await child.status;
  if (value === undefined) throw new Error("it ended without a word");
  return ms;
}

/** How long programs take to start. */
export async function measureStartUp(
  context: Context,
  { commands }: Tools,
  peers: Peers,
): Promise<Result[]> {
  const { python3, node } = commands;
  const parse = "import argparse; argparse.ArgumentParser().parse_args(['-h'])";
  const trivial: Peers = {
    "async_demo.ts --help": script("async_demo", "--help"),
    ...python3 && { "python3, argparse's --help": [...python3, "-c", parse] },
    ...node && { "node, nothing": [...node, "-e", "0"] },
  };
  const servers: Peers = {
    server_simple: script("server_simple", "--port", "0"),
    ...peers,
  };
  const results: Result[] = [];
  for (
    const [name, programs, measure] of [
      ["a trivial script, until it ends", trivial, async (command: Command) => {
        const begin = performance.now();
        await output(command);
        return performance.now() - begin;
      }],
      ["a server, until its first line", servers, untilItSpeaks],
    ] as const
  ) {
    const what = { measurement: "start-up", case: name };
    const names = Object.keys(programs);
    // The first time, files come from the disk, and Deno compiles them.
    for (const one of names) await measure(programs[one]).catch(() => {});
    const round = async (one: string) => ({ ms: await measure(programs[one]) });
    const rounds = Math.max(3, context.rounds);
    results.push(...await interleave(context, what, names, round, rounds));
  }
  return results;
}

/** The same computation, threads_demo's, on 1 to all cores (4 at most). */
export async function measureComputing(
  context: Context,
  { commands }: Tools,
): Promise<Result[]> {
  const limit = context.quick ? 200_000 : 1_000_000;
  const { python3, node } = commands, deno = "threads_demo (Deno workers)";
  const programs: Peers = {
    ...python3 && { "Python threads": [...python3, here("peers/primes.py")] },
    ...node && { "Node worker_threads": [...node, here("peers/primes.mjs")] },
  };
  const ours = async (shares: number) => {
    const workers = await Promise.all(Array.from({ length: shares }, start));
    const begin = performance.now();
    const found = await Promise.all(
      workers.map((worker, share) => join(worker, { limit, share, shares })),
    );
    const ms = performance.now() - begin;
    return `${found.reduce((sum, primes) => sum + primes)} ${ms}`;
  };
  const expected = Number((await ours(1)).split(" ")[0]);
  const results: Result[] = [], names = [deno, ...Object.keys(programs)];
  const most = Math.min(4, navigator.hardwareConcurrency);
  for (let threads = 1; threads <= most; threads++) {
    const count = `${threads} thread${threads > 1 ? "s" : ""}`;
    const name = `primes below ${limit.toLocaleString("en")}, ${count}`;
    const what = { measurement: "computing", case: name };
    const measure = async (name: string) => {
      const words = [`${limit}`, `${threads}`];
      const [found, ms] = (name === deno
        ? await ours(threads)
        : await output([...programs[name], ...words], 120)).split(" ");
      if (Number(found) !== expected) {
        throw new Error(`it found ${found}`);
      }
      return { ms: Number(ms) };
    };
    const rounds = Math.min(3, context.rounds);
    results.push(...await interleave(context, what, names, measure, rounds));
  }
  for (const result of results) {
    const alone = results.find(({ server }) => server === result.server)!;
    result.median.speed_up = alone.median.ms / result.median.ms;
  }
  return results;
}
