/**
 * Processes and what they cost: started so that they disturb no measurement, ended
 * by their id, their CPU time and memory read from Linux's /proc.
 *
 * @module
 */

/** A program and its arguments. */
export type Command = string[];

/** Named numbers; the end of a name tells the unit: `_us`, `_ms`, `_kib`. */
export type Numbers = Record<string, number>;

/** Everything that runs, so that nothing outlives an interrupted benchmark. */
const running = new Set<Deno.ChildProcess>();

/** Ends whatever still runs, at once. */
export function endAll(): void {
  for (const child of running) {
    try {
      child.kill("SIGKILL");
    } catch { /* It has just ended. */ }
  }
}

// Python would leave its cache beside the peers, and keep its first line to itself.
const ENV = { PYTHONDONTWRITEBYTECODE: "1", PYTHONUNBUFFERED: "1" };

function spawn(
  [program, ...args]: Command,
  options: Deno.CommandOptions,
): Deno.ChildProcess {
  const env = { ...ENV, ...options.env };
  const child = new Deno.Command(program, { args, ...options, env }).spawn();
  running.add(child);
  child.status.then(() => running.delete(child));
  return child;
}

/** What a program prints before it ends; throws its last line if it fails. */
export async function output(command: Command, limit = 60): Promise<string> {
  const signal = AbortSignal.timeout(limit * 1000);
  const pipes = { stdout: "piped", stderr: "piped" } as const;
  const child = spawn(command, { ...pipes, stdin: "null", signal });
  const { success, stdout, stderr } = await child.output();
  if (success) return new TextDecoder().decode(stdout).trim();
  const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new Error(signal.aborted ? "it took too long" : said || "it failed");
}

/** A server under measurement. */
export interface Server extends AsyncDisposable {
  pid: number;
  port: number;
}

/** How a server is started. */
export interface Start {
  command: Command;
  env?: Record<string, string>;
  /** Where it listens, if it does not tell. */
  port?: number;
}

/**
 * Starts a server, and waits until it listens, 15 s at most.
 *
 * Its output goes to a file: to read a pipe would cost this process, and thereby
 * the machine, time for each line of a log.
 *
 * @param folder Where its output may be kept.
 */
export async function startServer(
  { command, env, port = 0 }: Start,
  folder: string,
): Promise<Server> {
  const log = await Deno.makeTempFile({ dir: folder, suffix: ".log" });
  const shell = ["sh", "-c", 'exec "$@" >"$0" 2>&1', log, ...command];
  const child = spawn(shell, { env, stdin: "null" });
  let ended = false;
  child.status.then(() => ended = true);
  const stop = async () => {
    if (!ended) child.kill("SIGKILL");
    await child.status;
  };
  const end = performance.now() + 15_000;
  while (true) {
    const said = await Deno.readTextFile(log);
    const [, told] =
      said.match(/(?:127\.0\.0\.1|localhost)(?::| port )(\d+)/) ??
        [];
    const address = { hostname: "127.0.0.1", port: port || Number(told ?? 0) };
    const listens = address.port > 0 && await Deno.connect(address)
      .then((conn) => conn.close()).then(() => true, () => false);
    if (listens) {
      return {
        pid: child.pid,
        port: address.port,
        [Symbol.asyncDispose]: stop,
      };
    }
    if (ended || performance.now() > end) {
      await stop();
      throw new Error(said.trim().split("\n").at(-1) || "it does not listen");
    }
    await new Promise((resume) => setTimeout(resume, 5));
  }
}

/** The load generator, load.c: its clients are connected until it is disposed of. */
export class Load implements AsyncDisposable {
  #child: Deno.ChildProcess;
  #timer: ReturnType<typeof setTimeout>;
  #lines: ReadableStreamDefaultReader<string>;

  /**
   * @param words Its environment, as load.c knows it.
   * @param limit After how many seconds it is ended.
   */
  constructor(program: string, words: Numbers, limit: number) {
    const entries = Object.entries(words).map((
      [name, value],
    ) => [name, `${value}`]);
    const env = Object.fromEntries(entries);
    this.#child = spawn([program], { env, stdin: "piped", stdout: "piped" });
    const kill = () => this.#child.kill("SIGKILL");
    this.#timer = setTimeout(kill, limit * 1000);
    // Each of its two lines arrives whole: it is written at once.
    const text = this.#child.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.getReader();
  }

  /** Waits until all its clients have been answered once, at least. */
  async ready(): Promise<void> {
    const { value } = await this.#lines.read();
    if (value === undefined) throw new Error("the load has failed");
  }

  /** Runs the load, and returns what it tells. */
  async run(): Promise<Numbers> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    writer.releaseLock();
    const { value } = await this.#lines.read();
    if (value === undefined) throw new Error("the load has failed");
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#child.stdin.close().catch(() => {});
    await this.#lines.cancel();
    await this.#child.status;
  }
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

/** The memory that a process holds (resident set), in KiB. */
export function memoryKib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(status.match(/^VmRSS:\s+(\d+)/m)![1]);
}

/** The middle value; of an even number, the mean of the two. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.floor(half)] + sorted[Math.ceil(half) - 1]) / 2;
}
