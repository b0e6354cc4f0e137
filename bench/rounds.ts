/**
 * Rounds: the same work, given to each in turn, again and again, so that whatever
 * else the machine does falls on all alike; what is told is the median.
 *
 * @module
 */
import {
  type Command,
  cpuBetween,
  cpuTime,
  Dialogue,
  median,
  type Server,
  startServer,
} from "./measure.ts";

/** Named numbers; a unit ends the name: `_us`, `_ms`, `_kib`, `_per_s`. */
export type Numbers = Record<string, number>;

/** What one server, or program, did in one case. */
export interface Result {
  measurement: string;
  case: string;
  server: string;
  /** One entry for each round that succeeded. */
  rounds: Numbers[];
  /** The median of each number over the rounds. */
  median: Numbers;
  /** Relative to the limit of the same case, where both have the number. */
  ratio: Numbers;
  /** How many rounds had the server busy for less than 90 % of its cores. */
  limited: number;
  /** Why there are no more rounds. */
  error?: string;
}

/** What a measurement needs to know. */
export interface Context {
  folder: string;
  generator: Command;
  rounds: number;
  seconds: number;
  clients: number;
  quick: boolean;
  /** Says on stderr what goes on. */
  progress(text: string): void;
}

/** What to put on a server: see load.c. */
export interface Load {
  clients: number;
  lines?: number;
  split?: 1;
  nodelay?: 1;
  greedy?: number;
  get?: number;
  seconds?: number;
}

/**
 * Measures every server once per round, each round beginning with another one.
 * What fails says so in its result, and is left out from then on.
 */
export async function interleave(
  context: Context,
  what: { measurement: string; case: string },
  servers: string[],
  measure: (server: string) => Promise<Numbers>,
  rounds = context.rounds,
): Promise<Result[]> {
  const results = servers.map((server): Result => ({
    ...what,
    server,
    rounds: [],
    median: {},
    ratio: {},
    limited: 0,
  }));
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < results.length; i++) {
      const result = results[(i + round) % results.length];
      if (result.error !== undefined) continue;
      const which = `${what.measurement}, ${what.case}: ${result.server}`;
      context.progress(`${which}, round ${round + 1} of ${rounds}`);
      try {
        result.rounds.push(await measure(result.server));
      } catch (error) {
        result.error = (error as Error).message;
      }
    }
  }
  for (const result of results) {
    for (const name of Object.keys(result.rounds[0] ?? {})) {
      const values = result.rounds.map((round) => round[name]);
      result.median[name] = median(values.filter(Number.isFinite));
    }
  }
  return results;
}

/** Adds the ratios to the medians of the limit: of each result, the server named. */
export function addRatios(
  results: Result[],
  limit: (result: Result) => string,
): void {
  for (const result of results) {
    const same = (other: Result) =>
      other.server === limit(result) && other.case === result.case &&
      other.measurement === result.measurement;
    const base = results.find(same)?.median ?? {};
    for (const name of ["cpu_us", "rate_per_s", "p50_us", "p99_us"]) {
      const ratio = result.median[name] / base[name];
      if (ratio > 0 && Number.isFinite(ratio)) result.ratio[name] = ratio;
    }
  }
}

/**
 * Puts a load on a server for one round.
 *
 * Both processes are alive and at rest when their CPU time is read: before the
 * generator is told to begin, and after the last answer.
 */
export async function loadRound(
  context: Context,
  server: Server,
  load: Load,
): Promise<Numbers> {
  const seconds = load.seconds ?? context.seconds;
  const warm = Math.min(seconds, Math.max(0.1, seconds / 4));
  const args = { ...load, port: server.port, seconds, warm };
  const words = Object.entries(args).map(([name, value]) => `${name}=${value}`);
  const limit = seconds + warm + 60;
  await using talk = new Dialogue([...context.generator, ...words], limit);
  try {
    await talk.line();
    const pids = [server.pid, talk.pid];
    const before = await Promise.all(pids.map(cpuTime));
    await talk.nudge();
    const told: Numbers = JSON.parse(await talk.line());
    const after = await Promise.all(pids.map(cpuTime));
    const [cpu, own] = after.map((time, i) => cpuBetween(before[i], time));
    const all = told.messages + told.greedy;
    return {
      ...told,
      rate_per_s: all / told.seconds,
      cpu_us: cpu / all * 1e6,
      busy: cpu / told.seconds,
      generator_busy: own / told.seconds,
    };
  } catch (error) {
    throw new Error(`load: ${(error as Error).message}`);
  }
}

/** A case of a measurement by load. */
export interface Case {
  name: string;
  load: Load;
}

/** Starts all the servers, then puts each case's load on each, in rounds. */
export async function measureLoads(
  context: Context,
  measurement: string,
  peers: Record<string, Command>,
  cases: Case[],
  port = (_server: string) => 0,
): Promise<Result[]> {
  await using stack = new AsyncDisposableStack();
  const servers: Record<string, Server | Error> = {};
  for (const [name, command] of Object.entries(peers)) {
    try {
      const server = await startServer(command, context.folder, port(name));
      servers[name] = stack.use(server);
    } catch (error) {
      servers[name] = error as Error;
    }
  }
  const results: Result[] = [];
  for (const { name, load } of cases) {
    const what = { measurement, case: name };
    const round = (name: string) => {
      const server = servers[name];
      if (server instanceof Error) throw server;
      return loadRound(context, server, load);
    };
    const found = await interleave(context, what, Object.keys(peers), round);
    for (const result of found) {
      const cores = Number(result.server.match(/--threads (\d+)/)?.[1] ?? 1);
      const idle = ({ busy }: Numbers) => busy < 0.9 * cores;
      result.limited = result.rounds.filter(idle).length;
    }
    results.push(...found);
  }
  return results;
}
