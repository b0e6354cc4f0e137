/**
 * Processes: started so that they disturb no measurement, ended by their id.
 *
 * @module
 */

/** A program and its arguments. */
export type Command = string[];

/** Named numbers; the end of a name tells the unit: `_us`, `_ms`; `kib` is KiB. */
export type Numbers = Record<string, number>;

/** Its abort ends whatever still runs, so that nothing outlives the benchmark. */
export const interruption = new AbortController();

/** What a program prints in 2 minutes at most; throws its last line if it fails. */
export async function output([program, ...args]: Command): Promise<string> {
  const limit = AbortSignal.timeout(120_000);
  const signal = AbortSignal.any([interruption.signal, limit]);
  const command = new Deno.Command(program, { args, signal, stdin: "null" });
  const { success, stdout, stderr } = await command.output();
  if (success) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new Error(limit.aborted ? "it took too long" : said || "it failed");
}

/** Runs the load generator with these words, and returns what it tells (load.c). */
export async function runLoad(load: string, words: Numbers): Promise<Numbers> {
  const all = Object.entries(words).map(([name, value]) => `${name}=${value}`);
  return JSON.parse(await output(["env", ...all, load]));
}

/** A server under measurement. */
export interface Server extends AsyncDisposable {
  pid: number;
  port: number;
}

/**
 * Starts a server, and waits until it listens where it says so, 15 s at most.
 *
 * Its output goes to a file: to read a pipe would cost this process, and thereby
 * the machine, time for each line of a log.
 *
 * @param folder Where its output may be kept.
 */
export async function startServer(
  command: Command,
  folder: string,
): Promise<Server> {
  const log = await Deno.makeTempFile({ dir: folder, suffix: ".log" });
  const args = ["-c", 'exec "$@" >"$0" 2>&1', log, ...command];
  const { signal } = interruption;
  const child = new Deno.Command("sh", { args, signal, stdin: "null" }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  const end = performance.now() + 15_000;
  while (!ended && performance.now() < end) {
    const said = await Deno.readTextFile(log);
    const told = said.match(/(?:127\.0\.0\.1|localhost)(?::| port )(\d+)/);
    try {
      const port = Number(told?.[1]);
      using _ = await Deno.connect({ hostname: "127.0.0.1", port });
      const stop = () => child[Symbol.asyncDispose]();
      return { pid: child.pid, port, [Symbol.asyncDispose]: stop };
    } catch { // Not yet.
      await new Promise((resume) => setTimeout(resume, 5));
    }
  }
  await child[Symbol.asyncDispose]();
  const said = await Deno.readTextFile(log);
  throw new Error(said.trim().split("\n").at(-1) || "it does not listen");
}

/**
 * The CPU time of a process so far, in s: user and system, with that of threads that
 * have ended (proc(5), fields 14 and 15 of `stat`, in ticks of 10 ms).
 */
export function cpuTime(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The second field, the name in parentheses, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** The middle value; of an even number, the mean of the two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.floor(half)] + sorted[Math.ceil(half) - 1]) / 2;
}
