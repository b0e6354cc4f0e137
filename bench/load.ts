/**
 * The load, where there is no `cc`: load.c in TypeScript, with the same arguments, the
 * same dialogue and the same numbers. Workers share the clients; answers are counted,
 * not decoded.
 *
 * It costs about as much per message as what it measures: bench.ts tells, by the CPU
 * time of both sides, which of the two was the limit.
 *
 * @module
 */
import { newRun, note, quantile, type Run, type Told } from "./histogram.ts";
import { browser } from "./load_http.ts";

const LINE = new TextEncoder().encode("Je suis bien arrivé à la gare\n");
const ANSWER = 14, GREEDY_LINES = 2000;

/** See load.c. */
export interface Options {
  port: number;
  clients: number;
  lines: number;
  split: number;
  nodelay: number;
  greedy: number;
  get: number;
  warm: number;
  seconds: number;
}

/** Writes all the bytes. */
export async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/** Reads so many bytes into `room`, and forgets them. */
export async function skip(
  conn: Deno.Conn,
  count: number,
  room: Uint8Array,
): Promise<void> {
  while (count > 0) {
    const got = await conn.read(room);
    if (got === null) throw new Error("the server broke off");
    count -= got;
  }
  if (count < 0) throw new Error("more answers than messages");
}

const repeat = (lines: number) => {
  const block = new Uint8Array(lines * LINE.length);
  for (let i = 0; i < lines; i++) block.set(LINE, i * LINE.length);
  return block;
};

/** Connects to the server. */
export const join = async ({ port, nodelay }: Options) => {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  conn.setNoDelay(nodelay === 1);
  return conn;
};

/** One client of a server: it does its part of a run. */
export type Client = (run: Run) => Promise<void>;

/** A client that sends blocks of lines, and waits for all the answers to each. */
async function polite(options: Options): Promise<Client> {
  const { lines, split } = options;
  const conn = await join(options), block = repeat(lines);
  const room = new Uint8Array(Math.max(1024, Math.min(65536, lines * ANSWER)));
  return async (run) => {
    do {
      const begin = performance.now();
      if (split) { for (let i = 0; i < lines; i++) await send(conn, LINE); }
      else await send(conn, block);
      await skip(conn, lines * ANSWER, room);
      note(run, begin, lines);
    } while (performance.now() < run.end);
  };
}

/** A client that sends without pause; it reads its answers, but waits for none. */
async function greedy(options: Options): Promise<Client> {
  const conn = await join(options), block = repeat(GREEDY_LINES);
  const room = new Uint8Array(65536);
  const { promise: lost, reject } = Promise.withResolvers<never>();
  let owed = 0, answered = () => {};
  const read = async () => {
    for (let got; (got = await conn.read(room)) !== null;) {
      if ((owed -= got) === 0) answered();
    }
    throw new Error("the server broke off");
  };
  read().catch(reject);
  return async (run) => {
    do {
      owed += GREEDY_LINES * ANSWER;
      run.greedy += GREEDY_LINES;
      await Promise.race([send(conn, block), lost]);
      // Or its own writes, always ready, would let no answer in.
      await new Promise((resume) => setImmediate(resume));
    } while (performance.now() < run.end);
    const all = new Promise<void>((resume) => answered = resume);
    if (owed > 0) await Promise.race([all, lost]);
  };
}

/** The worker's side: connects its clients, then does the runs it is told to do. */
async function work(
  options: Options,
): Promise<(seconds: number) => Promise<Told>> {
  const clients: Client[] = [];
  for (let i = 0; i < options.clients; i++) {
    clients.push(await (options.get >= 0 ? browser : polite)(options));
  }
  for (let i = 0; i < options.greedy; i++) clients.push(await greedy(options));
  return async (seconds) => {
    const run = newRun(seconds);
    await Promise.all(clients.map((client) => client(run)));
    return run;
  };
}

/** The arguments as options; the defaults are load.c's. */
export function parse(words: string[]): Options {
  const options: Record<string, number> = {
    ...{ port: 0, clients: 1, lines: 1, split: 0, nodelay: 0, greedy: 0 },
    ...{ get: -1, warm: 0, seconds: 1 },
  };
  for (const word of words) {
    const [name, value] = word.split("=");
    if (!(name in options)) throw new Error("an unknown argument");
    options[name] = Number(value);
  }
  return options as unknown as Options;
}

/** Asks a worker, and waits for its answer. */
function ask<T>(worker: Worker, question: unknown): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  worker.onmessage = ({ data }) =>
    typeof data === "string" ? reject(new Error(data)) : resolve(data);
  worker.postMessage(question);
  return promise;
}

async function main(): Promise<void> {
  const options = parse(Deno.args);
  // The greedy have a thread of their own, or they would delay the polite here.
  const cores = navigator.hardwareConcurrency;
  const threads = Math.min(
    options.clients,
    4,
    Math.max(1, Math.floor(cores / 2)),
  );
  const shares = Array.from({ length: threads }, (_, i) => ({
    ...options,
    greedy: 0,
    clients: Math.floor((options.clients + i) / threads),
  }));
  if (options.greedy) shares.push({ ...options, clients: 0 });
  const workers = shares.map(() =>
    new Worker(import.meta.url, { type: "module" })
  );
  await Promise.all(workers.map((worker, i) => ask(worker, shares[i])));
  const all = (seconds: number) =>
    Promise.all(workers.map((worker) => ask<Told>(worker, seconds)));
  await all(options.warm);
  console.log("ready");
  const input = new Uint8Array(16);
  if (await Deno.stdin.read(input) === null) Deno.exit(0);
  const begin = performance.now(), told = await all(options.seconds);
  const seconds = (performance.now() - begin) / 1000;
  const sum = (name: "messages" | "greedy") =>
    told.reduce((total, one) => total + one[name], 0);
  const histogram = told[0].histogram.map((_, i) =>
    told.reduce((total, one) => total + one.histogram[i], 0)
  );
  console.log(JSON.stringify({
    messages: sum("messages"),
    greedy: sum("greedy"),
    seconds,
    p50_us: quantile(histogram, 0.5),
    p99_us: quantile(histogram, 0.99),
    max_us: Math.max(...told.map(({ longest }) => longest)) / 1000,
  }));
  while (await Deno.stdin.read(input) !== null);
  Deno.exit(0);
}

if ("DedicatedWorkerGlobalScope" in globalThis) {
  const self = globalThis as unknown as Worker;
  let runs: (seconds: number) => Promise<Told>;
  self.onmessage = async ({ data }: MessageEvent<Options | number>) => {
    try {
      if (typeof data === "number") return self.postMessage(await runs(data));
      runs = await work(data);
      self.postMessage(true);
    } catch (error) {
      self.postMessage((error as Error).message);
    }
  };
} else if (import.meta.main) {
  await main().catch((error) => {
    console.error(`load: ${error.message}`);
    Deno.exit(1);
  });
}
