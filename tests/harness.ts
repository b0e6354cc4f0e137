/**
 * What the tests share: starting the real scripts with their headers' commands,
 * reading what they say, and ending them by their process id; and raw peers. Every
 * wait has a limit.
 */
import net from "node:net";
import { scripts } from "./scripts.ts";

/** The folder of the project, where all commands of README.md are run. */
export const ROOT = import.meta.dirname!.replace(/tests$/, "");

/**
 * How long anything may take, in milliseconds, before a test gives it up: long enough
 * for a busy machine. The mutants, for which much is waited for in vain, set it.
 */
export const PATIENCE = Number(Deno.env.get("PATIENCE") ?? 180_000);

/** All scripts that a header's command runs, by name, without `.ts`. */
export const SCRIPTS = [...Deno.readDirSync(ROOT + "scripts")]
  .map((entry) => entry.name.replace(/\.ts$/, ""))
  .filter((name) => name !== "encoding")
  .sort();

/** The command in a script's header, without `deno run`: its flags, and its path. */
export function header(script: string): { flags: string[]; path: string } {
  const text = Deno.readTextFileSync(`${ROOT}scripts/${script}.ts`);
  const run = text.match(/^ \* @run deno run (.*)$/m)?.[1].split(" ");
  if (!run) throw new Error(`${script}.ts has no @run line`);
  return { flags: run.slice(0, -1), path: run.at(-1)! };
}

/** How to start a {@linkcode Program}. */
export interface StartOptions {
  /** Permission flags in place of the header's. */
  flags?: string[];
  /** `null` (at its end from the start) unless the test types something. */
  stdin?: "piped" | "null";
  /** The folder to run in; the project's unless told. */
  cwd?: string;
  /** Whether it may have colours, should it want them. */
  colours?: boolean;
  /** The shell line that runs it, as `"$@"`; to redirect what it prints. */
  shell?: string;
}

/** What changes, and ends: a condition that is waited for is asked again each time. */
class Changes {
  ended = false;
  #next = Promise.withResolvers<void>();

  /** Something has changed. */
  tell(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** What `condition` gives as soon as it holds; an error with what was `seen` if not. */
  async until<T>(
    condition: () => T | undefined | null | false,
    what: RegExp | string,
    seen: () => string,
    patience = PATIENCE,
  ): Promise<T> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.tell();
    }, patience);
    try {
      while (true) {
        const next = this.#next.promise;
        const value = condition();
        if (value) return value;
        if (this.ended) throw new Error(`Ended before ${what}\n${seen()}`);
        if (late) throw new Error(`Waited in vain for ${what}\n${seen()}`);
        await next;
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

const regexp = (pattern: RegExp | string) =>
  typeof pattern === "string" ? RegExp(RegExp.escape(pattern)) : pattern;

/** A running program: what it has said so far, and how it ends. */
export class Program implements AsyncDisposable {
  /** All of stdout so far. */
  out = "";
  /** All of stderr so far. */
  err = "";
  /** The signal that ended it, if one did. */
  signal: Deno.Signal | null = null;
  #child: Deno.ChildProcess;
  #stdin?: WritableStreamDefaultWriter<Uint8Array>;
  #done: Promise<{ code: number; out: string; err: string }>;
  #changes = new Changes();

  constructor(command: string, args: string[], options: StartOptions = {}) {
    const { stdin = "null", cwd = ROOT, colours, shell } = options;
    const NO_COLOR = colours ? "" : "1";
    if (shell) {
      args = ["-c", shell, "sh", command, ...args];
      command = "sh";
    }
    this.#child = new Deno.Command(command, {
      args,
      cwd,
      stdin,
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR, PYTHONUNBUFFERED: "1", PYTHONUTF8: "1" },
    }).spawn();
    if (stdin === "piped") this.#stdin = this.#child.stdin.getWriter();
    const collect = async (stream: "out" | "err") => {
      const bytes = this.#child[`std${stream}`];
      for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
        this[stream] += text;
        this.#changes.tell();
      }
    };
    const all = [this.#child.status, collect("out"), collect("err")] as const;
    this.#done = Promise.all(all).then(([{ code, signal }]) => {
      this.signal = signal;
      this.#changes.ended = true;
      this.#changes.tell();
      return { code, out: this.out, err: this.err };
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until `condition` holds, which is asked whenever the program speaks. */
  until<T>(
    condition: () => T | undefined | null | false,
    what: RegExp | string,
    patience?: number,
  ): Promise<T> {
    const seen = () => `--- stdout\n${this.out}\n--- stderr\n${this.err}`;
    return this.#changes.until(condition, what, seen, patience);
  }

  /** Waits until stdout matches, and returns the match. */
  says(pattern: RegExp | string): Promise<RegExpMatchArray> {
    return this.until(() => this.out.match(regexp(pattern)), pattern);
  }

  /** Waits until stderr matches, and returns the match. */
  complains(pattern: RegExp | string): Promise<RegExpMatchArray> {
    return this.until(() => this.err.match(regexp(pattern)), pattern);
  }

  /** The port in the first line of a server. */
  async port(): Promise<number> {
    const [, port] = await this.says(/^.*(?:\d\.\d+|\[::1\]):(\d+)/);
    return Number(port);
  }

  /** Types text. */
  async type(text: string): Promise<void> {
    await this.#stdin!.write(bytes(text));
  }

  /** Ends the input, as Ctrl-D does. */
  async endInput(): Promise<void> {
    await this.#stdin!.close();
  }

  kill(signal: Deno.Signal = "SIGTERM"): void {
    this.#child.kill(signal);
  }

  /** Waits until it has ended by itself. */
  async end(patience?: number) {
    await this.until(() => this.#changes.ended, "its end", patience);
    return await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch { /* It has ended. */ }
    await this.#stdin?.close().catch(() => {});
    await this.#done;
  }
}

/** Starts a script with its header's command. */
export function start(
  script: string,
  args: string[] = [],
  options: StartOptions = {},
): Program {
  const { flags, path } = header(script);
  const command = ["run", ...options.flags ?? flags, path, ...args];
  return new Program(Deno.execPath(), command, options);
}

/** The options with which JavaScript runs before a script. */
export function preload(script: string, code: string): { flags: string[] } {
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  return { flags: [...header(script).flags, "--preload", url] };
}

/** JavaScript, to be preloaded, that does this whenever a timer of `ms` is set. */
export const timers = (code: string) => `
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (work, ms) => {
    ${code}
    return setTimeout(work, ms);
  };`;

/** JavaScript, to be preloaded: a server tells its pauses of 50 ms on stderr. */
export const PAUSES = timers('if (ms === 50) console.error("Pause");');

/** Starts a server on a free port, its input open, and waits until it listens. */
export async function serve(
  script: string,
  args: string[] = [],
  options: StartOptions = {},
  begin = start,
): Promise<Program & { address: string[] }> {
  const piped: StartOptions = { stdin: "piped", ...options };
  const program = begin(script, ["--port", "0", ...args], piped);
  const port = await program.port().catch(async (error) => {
    await program[Symbol.asyncDispose]();
    throw error;
  });
  return Object.assign(program, { address: ["--port", `${port}`] });
}

/** Runs a script to its end, with `input` typed if there is some. */
export async function run(
  script: string,
  args: string[] = [],
  options: StartOptions & { input?: string } = {},
) {
  const { input } = options;
  const stdin = input === undefined ? "null" : "piped";
  await using program = start(script, args, { stdin, ...options });
  if (input !== undefined) {
    await program.type(input);
    await program.endInput();
  }
  return await program.end();
}

/** Whether somebody listens on this port. */
export const listens = (port: number): Promise<boolean> =>
  Deno.connect({ port }).then((conn) => conn.close())
    .then(() => true, () => false);

/** Whether this machine has a program, for `nc` the one of OpenBSD, or `IPv6`. */
export function has(command: string): boolean {
  const works = command === "nc"
    ? "nc -h 2>&1 | grep -q 'Shutdown the network socket after EOF'"
    : `command -v ${command}`;
  try {
    if (command !== "IPv6") {
      const args = ["-c", works];
      return new Deno.Command("sh", { args }).outputSync().success;
    }
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false; // No such address, or a system without `sh`.
  }
}

/** A test that needs what not every machine has; its name says so where it is ignored. */
export function testWith(
  command: string,
  name: string,
  fn: () => Promise<void>,
): void {
  const here = has(command);
  Deno.test({
    name: here ? name : `${name} (ignored: no ${command} on this machine)`,
    ignore: !here,
    fn,
  });
}

/** A shell line that runs the command after it in a terminal, Python's. */
export const IN_TERMINAL =
  'exec python3 -c "import pty, sys; pty.spawn(sys.argv[1:])"';

/** Runs Python code, which finds its arguments in `sys.argv[1:]`. */
export function python(code: string, ...args: (string | number)[]): Program {
  const prelude = "import socket, struct, sys, time, threading\n";
  return new Program("python3", ["-c", prelude + code, ...args.map(String)]);
}

/** What a test needs that limits or stops a program from outside, for `testWith`. */
export const LINUX = Deno.build.os === "linux" ? "prlimit" : "Linux";

/** Sets how many file descriptors a running program may have; 3 leaves it none. */
export async function limit({ pid }: Program, count: number): Promise<void> {
  const args = ["--pid", `${pid}`, `--nofile=${count}:`];
  await using setting = new Program("prlimit", args);
  const { code, err } = await setting.end();
  if (code !== 0) throw new Error(err);
}

/** Stops a server where it stands, all its threads, until SIGCONT (Linux only). */
export async function hold(server: Program): Promise<void> {
  server.kill("SIGSTOP");
  const end = performance.now() + PATIENCE;
  const threads = `/proc/${server.pid}/task`;
  const stopped = () =>
    [...Deno.readDirSync(threads)].every(({ name }) => {
      try {
        const stat = Deno.readTextFileSync(`${threads}/${name}/stat`);
        return /\) [Tt] /.test(stat);
      } catch {
        return true; // It has ended meanwhile.
      }
    });
  while (!stopped()) {
    if (performance.now() > end) throw new Error("The server does not stop");
    await new Promise(setImmediate);
  }
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Connects, sends all of `data`, ends its half, and returns all that comes. */
export async function exchange(
  port: number,
  data: Uint8Array | string,
): Promise<string> {
  await using peer = await Peer.connect(port);
  peer.socket.write(data);
  return await peer.end();
}

/** Two ends of a TCP connection in this process, which close in time. */
export async function pair() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const client = await Deno.connect({ port });
  const server = await listener.accept();
  let late = false;
  const close = () => {
    for (const end of [client, server]) end[Symbol.dispose]();
  };
  const limit = setTimeout(() => {
    late = true;
    close();
  }, PATIENCE);
  return {
    client,
    server,
    [Symbol.dispose]() {
      clearTimeout(limit);
      close();
      if (late) throw new Error("Waited in vain");
    },
  };
}

/** What one read brings; nothing, at the end of the stream. */
export async function read(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(1000);
  const count = await conn.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** All that comes, or the name of the error that ends it. */
export async function rest(conn: Deno.Conn): Promise<string> {
  return await new Response(conn.readable).text().catch(({ name }) => name);
}

/** What a function of a script prints, when it is called in this process. */
export async function printed(work: () => Promise<unknown>): Promise<string[]> {
  const { log, error } = console, lines: string[] = [];
  console.log = console.error = (line: string) => void lines.push(line);
  try {
    await work();
  } finally {
    Object.assign(console, { log, error });
  }
  return lines;
}

/** Calls a function, and gives the timers that it sets at once other times (in ms). */
export function retimed<T>(change: (ms: number) => number, call: () => T): T {
  const { setTimeout } = globalThis;
  globalThis.setTimeout =
    ((work: () => void, ms: number) =>
      setTimeout(work, change(ms))) as typeof setTimeout;
  try {
    return call();
  } finally {
    Object.assign(globalThis, { setTimeout });
  }
}

/** One end of a connection, in raw bytes; nothing is read until something is asked. */
export class Peer implements AsyncDisposable {
  /** All that has come so far. */
  text = "";
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #changes = new Changes();
  #closed: Promise<void>;

  constructor(readonly socket: net.Socket) {
    const end = () => {
      this.#changes.ended = true;
      this.#changes.tell();
    };
    socket.setNoDelay(true);
    socket.on("error", () => {}); // "close" follows.
    socket.on("readable", () => this.#changes.tell());
    socket.on("end", end);
    this.#closed = new Promise((resolve) => socket.on("close", resolve));
    this.#closed.then(end);
  }

  /** Connects to a server on this machine. */
  static async connect(port: number, host = "127.0.0.1"): Promise<Peer> {
    const socket = net.connect({ port, host, allowHalfOpen: true });
    await new Promise((resolve, reject) => {
      socket.on("connect", resolve).on("error", reject);
    });
    return new Peer(socket);
  }

  /** Sends this; resolves when the kernel has taken it, or the connection is gone. */
  async say(data: Uint8Array | string): Promise<void> {
    this.#read(); // A reset, in answer to what is said, would destroy what has come.
    await new Promise((resolve) => this.socket.write(data, resolve));
  }

  /** Sends one byte at a time. */
  async drip(text: string): Promise<void> {
    for (const byte of bytes(text)) {
      await this.say(Uint8Array.of(byte));
      await new Promise((resume) => setTimeout(resume, 1));
    }
  }

  /** Ends this half of the stream, and returns all that came until the other ends. */
  async end(): Promise<string> {
    this.#read();
    this.socket.end();
    return await this.ended();
  }

  /** Waits for the end of what the other side sends, or for its reset. */
  async ended(): Promise<string> {
    await this.#until(() => this.#changes.ended, "the end");
    return this.text;
  }

  /** Waits until this has come. */
  async hears(pattern: RegExp | string): Promise<void> {
    await this.#until(() => regexp(pattern).test(this.text), pattern);
  }

  /** Closes with a reset. */
  async reset(): Promise<void> {
    this.socket.resetAndDestroy();
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.#closed;
  }

  #read(): void {
    const { socket } = this;
    for (let data = socket.read(); data; data = socket.read()) {
      this.text += this.#decoder.decode(data, { stream: true });
    }
  }

  #until(condition: () => boolean, what: RegExp | string): Promise<true> {
    const holds = () => {
      this.#read();
      return condition();
    };
    return this.#changes.until(holds, what, () => this.text.slice(0, 500));
  }
}

/** Listens in this process, for the first client that comes. */
export async function listen() {
  const { promise: met, resolve } = Promise.withResolvers<Peer>();
  const peers: Peer[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(new Peer(socket));
    resolve(peers[0]);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as net.AddressInfo;
  return {
    address: ["--port", `${port}`],
    met,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((closed) => server.close(closed));
      for (const peer of peers) await peer[Symbol.asyncDispose]();
      await closed;
    },
  };
}

/** Starts a TCP server or client, its input open, and connects it with a peer. */
export async function meet(
  script: string,
  play: (program: Program, peer: Peer) => Promise<void>,
  options: StartOptions = {},
): Promise<void> {
  if (scripts[script].kind === "server") {
    await using program = await serve(script, [], options);
    await using peer = await Peer.connect(await program.port());
    return await play(program, peer);
  }
  await using listener = await listen();
  const piped: StartOptions = { stdin: "piped", ...options };
  await using program = start(script, listener.address, piped);
  await play(program, await listener.met);
}

/**
 * A folder with only these files of the project in it, and a deno.json that has
 * only `links`: what stands for JSR on machines that do not reach it.
 */
export async function copyOut(...paths: string[]) {
  const path = await Deno.makeTempDir({ prefix: "copie-" });
  for (const file of paths) {
    const folder = `${path}/${file}`.replace(/[^/]+$/, "");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.copyFile(ROOT + file, `${path}/${file}`);
  }
  const { links = [] } = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json"));
  const config = { links: links.map((link: string) => ROOT + link) };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
