/**
 * The measurements. Each is made in rounds: one of each server in turn, again and
 * again, so that whatever else the machine does falls on all alike.
 *
 * @module
 */
import {
  type Command,
  cpuTime,
  Load,
  median,
  memoryKib,
  type Numbers,
  output,
  type Server,
  type Start,
  startServer,
} from "./measure.ts";
import {
  BALANCER,
  balancer,
  BARE,
  bareLoop,
  linePeers,
  ours,
  ROOT,
  script,
  SMALL,
  smallSemiSpace,
  type Tools,
  UNIT,
  webPeers,
} from "./peers.ts";

/** What one server, or program, did in one measurement. */
export interface Row {
  what: string;
  server: string;
  /**
   * The median of each number over the rounds; `times` is that of its ratios to the
   * unit, each to that of the same round.
   */
  numbers: Numbers;
  /** Why there are no more rounds. */
  error?: string;
}

/** All that was measured, and on what. */
export interface Report {
  date: string;
  machine: string;
  versions: Record<string, string>;
  /** Names of programs that are not on this machine. */
  absent: string[];
  rounds: number;
  /** How long a round was. */
  seconds: number;
  /** How many idle clients had their memory measured. */
  clients: number;
  rows: Row[];
}

/** What a measurement needs to know. */
export interface Context {
  tools: Tools;
  folder: string;
  /** The load generator, compiled. */
  load: string;
  rounds: number;
  /** How long a round is. */
  seconds: number;
  /** How many idle clients. */
  clients: number;
}

/**
 * Measures every server once a round, each round beginning with another one. What
 * fails says so in its row, and is left out from then on.
 *
 * @param unit Whose number of the name `key` is 1 in `times`.
 */
async function interleave(
  context: Context,
  what: string,
  servers: string[],
  measure: (server: string) => Promise<Numbers>,
  unit = "",
  key = "",
): Promise<Row[]> {
  const rows: Row[] = servers.map((server) => ({ what, server, numbers: {} }));
  const told = new Map<string, Numbers[]>(servers.map((name) => [name, []]));
  for (let round = 0; round < context.rounds; round++) {
    console.error(`${what}, round ${round + 1} of ${context.rounds}`);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[(i + round) % rows.length];
      if (row.error !== undefined) continue;
      try {
        told.get(row.server)!.push(await measure(row.server));
      } catch (error) {
        row.error = (error as Error).message;
      }
    }
  }
  const base = told.get(unit) ?? [];
  for (const { server, numbers } of rows) {
    const rounds = told.get(server)!;
    for (const name of Object.keys(rounds[0] ?? {})) {
      const middle = median(rounds.map((round) => round[name]));
      numbers[name] = Number(middle.toPrecision(4));
    }
    const pairs = rounds.slice(0, base.length);
    const ratios = pairs.map((round, i) => round[key] / base[i][key]);
    if (ratios.length > 0) {
      numbers.times = Number(median(ratios).toPrecision(4));
    }
  }
  return rows;
}

/** Starts all the servers; one that does not start has its error in its place. */
async function startAll(
  starts: Record<string, Start>,
  { folder }: Context,
  stack: AsyncDisposableStack,
): Promise<Map<string, Server | Error>> {
  const servers = new Map<string, Server | Error>();
  for (const [name, start] of Object.entries(starts)) {
    const started = startServer(start, folder).then((one) => stack.use(one));
    servers.set(name, await started.catch((error) => error));
  }
  return servers;
}

/** What load.c is told in each measurement of a server under load. */
const LOADS: Record<string, Numbers> = {
  "lock-step": { clients: 64 },
  crowd: { clients: 1000 },
  pipelined: { clients: 16, lines: 500 },
  burst: { clients: 1, lines: 2, split: 1 },
  greedy: { clients: 10, greedy: 1 },
};

/** The servers of lines under each load. */
async function measureLoads(context: Context): Promise<Row[]> {
  const { tools, folder, load, seconds } = context;
  await using stack = new AsyncDisposableStack();
  const tick = { DENO_TOKIO_MAX_IO_EVENTS_PER_TICK: "64" };
  // What is about fairness or memory needs our own variants; and the bare loop, which
  // does not know where a message ends, can only be asked one at a time.
  const variants: Record<string, Start> = {
    [BARE]: bareLoop(),
    "MAX_IO_EVENTS_PER_TICK=64": { command: ours("--threads", "1"), env: tick },
    "--threads 8": { command: ours("--threads", "8") },
    [SMALL]: smallSemiSpace(),
  };
  const peers = await linePeers(tools, folder);
  const servers = await startAll({ ...peers, ...variants }, context, stack);
  const unit = servers.get(UNIT);
  if (tools.paths.haproxy && unit && "port" in unit) {
    const start = { [BALANCER]: balancer(tools, unit.port, folder) };
    const [[name, server]] = await startAll(start, context, stack);
    servers.set(name, server);
  }
  const rows: Row[] = [];
  for (const [what, words] of Object.entries(LOADS)) {
    const measure = async (name: string) => {
      const server = servers.get(name)!;
      if (server instanceof Error) throw server;
      const args = { port: server.port, seconds, warm: seconds / 4, ...words };
      await using talk = new Load(load, args, seconds + 60);
      await talk.ready();
      const before = cpuTime(server.pid);
      const told = await talk.run();
      const cpu = cpuTime(server.pid) - before;
      return { ...told, cpu_us: cpu / told.messages * 1e6 };
    };
    const crowded = what === "lock-step" || what === "crowd";
    const names = [...servers.keys()].filter((name) =>
      crowded || !(name in variants)
    );
    rows.push(
      ...await interleave(context, what, names, measure, UNIT, "cpu_us"),
    );
  }
  return rows;
}

/** How much memory a client costs that has spoken once, and is silent now. */
async function measureMemory(context: Context): Promise<Row[]> {
  const { tools, folder, load, clients } = context;
  const starts = await linePeers(tools, folder);
  starts[BARE] = bareLoop();
  starts[SMALL] = smallSemiSpace();
  const measure = async (name: string) => {
    // A new server each time, since few give memory back.
    await using server = await startServer(starts[name], folder);
    const idle = { port: server.port, seconds: 0 };
    const few = new Load(load, { ...idle, clients: 10 }, 60);
    await few.ready();
    await few[Symbol.asyncDispose](); // What a server needs once is not counted.
    const before = memoryKib(server.pid);
    await using many = new Load(load, { ...idle, clients }, 120);
    await many.ready();
    return { kib: (memoryKib(server.pid) - before) / clients };
  };
  const fewer = { ...context, rounds: Math.min(3, context.rounds) };
  return await interleave(fewer, "memory", Object.keys(starts), measure);
}

/** How long programs take that have nothing to do. */
async function measureStartUp(context: Context): Promise<Row[]> {
  const { tools: { paths }, folder, rounds } = context;
  await Deno.writeTextFile(`${folder}/empty.ts`, "");
  const programs: Record<string, Command> = {
    "empty file": [paths.deno, "run", `${folder}/empty.ts`],
  };
  for (const { name } of Deno.readDirSync(`${ROOT}scripts`)) {
    const title = name.replace(".ts", "");
    if (title === "encoding") continue;
    programs[`${title} --help`] = script(title, "--help");
  }
  if (paths.bun) programs["bun -e 0"] = [paths.bun, "-e", "0"];
  if (paths.node) programs["node -e 0"] = [paths.node, "-e", "0"];
  if (paths.python3) programs["python3 -c 0"] = [paths.python3, "-c", "0"];
  // The first time, files come from the disk, and Deno compiles them.
  for (const command of Object.values(programs)) await output(command);
  const measure = async (name: string) => {
    const begin = performance.now();
    await output(programs[name]);
    return { ms: performance.now() - begin };
  };
  const more = { ...context, rounds: 4 * rounds };
  const names = Object.keys(programs);
  return await interleave(more, "start-up", names, measure, "empty file", "ms");
}

/** What threads_demo says of two threads. */
async function measureThreads(context: Context): Promise<Row[]> {
  const measure = async () => {
    const said = await output(script("threads_demo", "--work"));
    const [, times] = said.match(/^threads : 2 .*×(\d+(?:,\d+)?)/m)!;
    return { speed_up: Number(times.replace(",", ".")) };
  };
  const fewer = { ...context, rounds: Math.min(3, context.rounds) };
  return await interleave(fewer, "threads", ["threads_demo"], measure);
}

/** The web servers, with wrk. All write a line of log for each request. */
async function measureWeb(context: Context): Promise<Row[]> {
  const { tools, folder, seconds } = context;
  if (!tools.paths.wrk) return [];
  const sizes = { "1 KiB": 1024, "100 KiB": 102_400, "10 MiB": 10_485_760 };
  await Deno.mkdir(`${folder}/www`);
  for (const size of Object.values(sizes)) {
    await Deno.writeFile(
      `${folder}/www/${size}`,
      new Uint8Array(size).fill(46),
    );
  }
  await using stack = new AsyncDisposableStack();
  const starts = await webPeers(tools, folder);
  const servers = await startAll(starts, context, stack);
  const [unit] = servers.keys();
  const rows: Row[] = [];
  for (const [what, size] of Object.entries(sizes)) {
    const measure = async (name: string) => {
      const server = servers.get(name)!;
      if (server instanceof Error) throw server;
      const url = `http://127.0.0.1:${server.port}/${size}`;
      const wrk = [tools.paths.wrk, "-t1", "-c16"];
      const before = cpuTime(server.pid);
      const said = await output([...wrk, `-d${Math.ceil(seconds)}s`, url]);
      const cpu = cpuTime(server.pid) - before;
      if (/Non-2xx|Socket errors/.test(said)) throw new Error(said);
      const requests = Number(said.match(/(\d+) requests in/)![1]);
      return { cpu_us: cpu / requests * 1e6 };
    };
    const names = [...servers.keys()];
    rows.push(
      ...await interleave(context, what, names, measure, unit, "cpu_us"),
    );
  }
  return rows;
}

/** All measurements, by what `--only` calls them. */
export const MEASUREMENTS: Record<string, (c: Context) => Promise<Row[]>> = {
  loads: measureLoads,
  memory: measureMemory,
  "start-up": measureStartUp,
  threads: measureThreads,
  files: measureWeb,
};
