/**
 * Processes and what they cost: started so that they disturb no measurement, ended
 * by their id, their CPU time and memory read from the system.
 *
 * @module
 */

/** A program and its arguments. */
export type Command = [program: string, ...args: string[]];

/** Everything that runs, so that nothing outlives an interrupted benchmark. */
const running = new Set<Deno.ChildProcess>();

/** Ends whatever still runs, at once. */
export function endAll(): void {
  for (const child of running) kill(child);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch { /* It has just ended. */ }
}

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

// Python would leave its cache beside the peers, and keep its first line to itself.
const ENV = {
  NO_COLOR: "1",
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONUNBUFFERED: "1",
  PYTHONUTF8: "1",
  NO_UPDATE_CHECK: "1", // Of npm's serve, which would ask the network.
};

/** For `sh`: all the descriptors that the user may have. */
const RAISE = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null';

/** A server under measurement. */
export interface Server extends AsyncDisposable {
  pid: number;
  port: number;
}

/**
 * Starts a server, and waits until it says where it listens, 15 s at most.
 *
 * Its output goes to a file: to read a pipe would cost this process, and thereby
 * the machine, time for each line of a log.
 *
 * @param folder Where its output may be kept.
 * @param port The port, for a server that does not tell.
 */
export async function startServer(
  [program, ...args]: Command,
  folder: string,
  port = 0,
): Promise<Server> {
  const log = await Deno.makeTempFile({ dir: folder, suffix: ".log" });
  const child = new Deno.Command("sh", {
    args: ["-c", `${RAISE}; exec "$@" >"$0" 2>&1`, log, program, ...args],
    env: ENV,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  running.add(child);
  let ended = false;
  child.status.then(() => {
    ended = true;
    running.delete(child);
  });
  const stop = async () => {
    if (!ended) kill(child);
    await child.status;
    await Deno.remove(log).catch(() => {});
  };
  const ready = async () => {
    if (!port) {
      const said = await Deno.readTextFile(log);
      port = Number(
        said.match(/(?:127\.0\.0\.1|localhost)(?::| port )(\d+)\b/)?.[1] ?? 0,
      );
    }
    // A server that listens accepts, even before it has been told of anybody.
    return port > 0 && await Deno.connect({ hostname: "127.0.0.1", port })
      .then((conn) => (conn.close(), true), () => false);
  };
  const end = performance.now() + 15_000;
  while (!await ready()) {
    if (ended || performance.now() > end) {
      const said = (await Deno.readTextFile(log)).trim().split("\n").at(-1);
      await stop();
      throw new Error(`${program} did not start: ${said || "it said nothing"}`);
    }
    await pause(5);
  }
  return { pid: child.pid, port, [Symbol.asyncDispose]: stop };
}

/** A running program that is talked to by lines. */
export class Dialogue implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #lines: ReadableStreamDefaultReader<string>;
  #rest = "";
  #stderr: Promise<string>;
  #timer: ReturnType<typeof setTimeout>;
  #late = false;

  /** @param limit After how many seconds it is ended. */
  constructor([program, ...args]: Command, limit: number) {
    this.#child = new Deno.Command("sh", {
      args: ["-c", `${RAISE}; exec "$@"`, "sh", program, ...args],
      env: ENV,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    running.add(this.#child);
    this.#child.status.then(() => running.delete(this.#child));
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .getReader();
    this.#stderr = new Response(this.#child.stderr).text();
    this.#timer = setTimeout(() => {
      this.#late = true;
      kill(this.#child);
    }, limit * 1000);
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits for a line. Throws, with its last word, if none comes. */
  async line(): Promise<string> {
    while (!this.#rest.includes("\n")) {
      const { value } = await this.#lines.read();
      if (value === undefined) {
        const said = (await this.#stderr).trim().split("\n").at(-1);
        throw new Error(this.#late ? "it took too long" : said || "it ended");
      }
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return line;
  }

  /** Sends it an empty line. */
  async nudge(): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new Uint8Array([10]));
    writer.releaseLock();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    kill(this.#child);
    clearTimeout(this.#timer);
    await this.#lines.cancel().catch(() => {});
    await this.#stderr;
    await this.#child.status;
  }
}

/** What a program prints before it ends; throws if it does not end well. */
export async function output(
  [program, ...args]: Command,
  limit = 60,
): Promise<string> {
  const signal = AbortSignal.timeout(limit * 1000);
  const command = new Deno.Command(program, { args, env: ENV, signal });
  const { success, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  if (success) return out.trim();
  const last = err.trim().split("\n").at(-1);
  throw new Error(signal.aborted ? "it took too long" : last || "it failed");
}

/** The CPU time of a process so far, user and system, all its threads, in seconds. */
export interface CpuTime {
  /** Of the threads that live, exact to a few ms at worst; NaN if nothing tells. */
  fine: number;
  /** Which threads those are. */
  threads: string;
  /** Of threads that have ended as well, in ticks of 10 ms; NaN if nothing tells. */
  coarse: number;
}

/** Reads it: from Linux's /proc, elsewhere from `ps`; Windows has neither. */
export async function cpuTime(pid: number): Promise<CpuTime> {
  const time = { fine: NaN, threads: "", coarse: NaN };
  try {
    const threads = [...Deno.readDirSync(`/proc/${pid}/task`)]
      .map(({ name }) => name);
    time.threads = threads.sort().join();
    // To read those of a thousand threads would take longer than a tick.
    if (threads.length <= 64) {
      const ns = threads.map((thread) => {
        const path = `/proc/${pid}/task/${thread}/schedstat`;
        return Number(Deno.readTextFileSync(path).split(" ")[0]);
      });
      time.fine = ns.reduce((sum, one) => sum + one, 0) / 1e9;
    }
  } catch { /* Not this kernel, or a thread that has just ended. */ }
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name, in parentheses, may have spaces; fields 14 and 15 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    time.coarse = (Number(fields[11]) + Number(fields[12])) / 100;
    return time;
  } catch { /* No /proc. */ }
  try {
    // [[dd-]hh:]mm:ss, on macOS with hundredths.
    const told = await output(["ps", "-o", "time=", "-p", `${pid}`]);
    const [seconds, minutes, hours = 0, days = 0] = told.split(/[:-]/)
      .reverse().map(Number);
    time.coarse = ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
  } catch { /* It stays NaN. */ }
  return time;
}

/** The CPU time from one reading to another, in seconds; NaN if nothing tells. */
export function cpuBetween(before: CpuTime, after: CpuTime): number {
  // A thread that has ended took its fine time with it.
  const fine = before.threads === after.threads
    ? after.fine - before.fine
    : NaN;
  return Number.isNaN(fine) ? after.coarse - before.coarse : fine;
}

/** The memory that a process holds (resident set), in KiB; NaN if nothing tells. */
export async function memoryKib(pid: number): Promise<number> {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(status.match(/^VmRSS:\s+(\d+)/m)![1]);
  } catch { /* No /proc. */ }
  return await output(["ps", "-o", "rss=", "-p", `${pid}`])
    .then(Number, () => NaN);
}

/** The middle value; of an even number, the mean of the two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b), half = sorted.length / 2;
  return (sorted[Math.floor(half)] + sorted[Math.ceil(half) - 1]) / 2;
}
