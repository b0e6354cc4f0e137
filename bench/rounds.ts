/**
 * The measurements. Each is made in rounds: one of each server in turn, again and
 * again, so that whatever else the machine does falls on all alike.
 *
 * @module
 */
import {
  type Command,
  cpuTime,
  median,
  type Numbers,
  output,
  runLoad,
  type Server,
  startServer,
} from "./measure.ts";
import {
  BALANCER,
  balancer,
  linePeers,
  ROOT,
  script,
  type Servers,
  type Tools,
  UNIT,
  VARIANTS,
  webPeers,
} from "./peers.ts";

/** What one server, or program, did in one measurement. */
export interface Row {
  what: string;
  server: string;
  /**
   * The median of each number over the rounds; `times` is what is compared, as a
   * multiple of the first server's.
   */
  numbers: Numbers;
  /** Why there are no more rounds. */
  error?: string;
}

/** How much is measured. */
export interface Size {
  rounds: number;
  /** How long a round is. */
  seconds: number;
  /** How many idle clients have their memory measured. */
  clients: number;
}

/** All that was measured, and on what. */
export interface Report extends Size {
  date: string;
  machine: string;
  versions: Record<string, string>;
  rows: Row[];
}

/** What a measurement needs to know. */
export interface Context extends Size {
  tools: Tools;
  folder: string;
  /** The load generator, compiled. */
  load: string;
}

/**
 * Measures every server once a round, each round beginning with another one. What
 * fails says so in its row, and is left out from then on.
 *
 * @param compared The number that `times` compares; without it, there is none.
 */
async function interleave(
  rounds: number,
  what: string,
  servers: string[],
  measure: (server: string) => Promise<Numbers>,
  compared = "",
): Promise<Row[]> {
  const rows: Row[] = servers.map((server) => ({ what, server, numbers: {} }));
  const told = new Map<Row, Numbers[]>(rows.map((row) => [row, []]));
  for (let round = 0; round < rounds; round++) {
    console.error(`${what}, round ${round + 1} of ${rounds}`);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[(i + round) % rows.length];
      if (row.error !== undefined) continue;
      try {
        told.get(row)!.push(await measure(row.server));
      } catch (error) {
        row.error = (error as Error).message;
      }
    }
  }
  for (const [{ numbers }, all] of told) {
    for (const name of Object.keys(all[0] ?? {})) {
      const middle = median(all.map((one) => one[name]));
      numbers[name] = Number(middle.toPrecision(4));
    }
    const times = numbers[compared] / rows[0].numbers[compared];
    if (Number.isFinite(times)) numbers.times = Number(times.toPrecision(4));
  }
  return rows;
}

/** Starts all the servers; the row of one that does not start will say why. */
async function startAll(
  commands: Servers,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<Record<string, Promise<Server>>> {
  const servers: Record<string, Promise<Server>> = {};
  for (const [name, command] of Object.entries(commands)) {
    servers[name] = startServer(command, folder).then((one) => stack.use(one));
    await servers[name].catch(() => {});
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
  const { tools, folder, load, rounds, seconds } = context;
  await using stack = new AsyncDisposableStack();
  const peers = await linePeers(tools, folder);
  const servers = await startAll({ ...peers, ...VARIANTS }, folder, stack);
  if (tools.paths.haproxy) {
    const { port } = await servers[UNIT];
    const command = { [BALANCER]: balancer(tools, port, folder) };
    Object.assign(servers, await startAll(command, folder, stack));
  }
  const rows: Row[] = [];
  for (const [what, words] of Object.entries(LOADS)) {
    const measure = async (name: string) => {
      const { pid, port } = await servers[name];
      return runLoad(load, { pid, port, seconds, warm: seconds / 4, ...words });
    };
    // Elsewhere the variants say nothing; and the bare loop, which does not know where
    // a message ends, can only be asked one at a time.
    const all = what === "lock-step" || what === "crowd";
    const names = Object.keys(servers).filter((name) =>
      all || !(name in VARIANTS)
    );
    rows.push(...await interleave(rounds, what, names, measure, "cpu_us"));
  }
  return rows;
}

/** How much memory a client costs that has spoken once, and is silent now. */
async function measureMemory(context: Context): Promise<Row[]> {
  const { tools, folder, load, clients, rounds } = context;
  const commands = { ...await linePeers(tools, folder), ...VARIANTS };
  delete commands["--threads 8"]; // Each takes an eighth of 10,000 clients, no more.
  const measure = async (name: string) => {
    // A new server each time, since few give memory back.
    await using server = await startServer(commands[name], folder);
    const words = { pid: server.pid, port: server.port, seconds: 0 };
    // What a server needs once is not counted.
    const few = await runLoad(load, { ...words, clients: 10 });
    const many = await runLoad(load, { ...words, clients });
    return { kib: (many.kib - few.kib) / (clients - 10) };
  };
  const names = Object.keys(commands);
  return await interleave(Math.min(3, rounds), "memory", names, measure);
}

/** How long programs take to start that have nothing to do. */
async function measureStartUp(context: Context): Promise<Row[]> {
  const { tools: { paths }, folder, rounds } = context;
  await Deno.writeTextFile(`${folder}/empty.ts`, "");
  const programs: Record<string, Command> = {
    "empty file": [Deno.execPath(), "run", `${folder}/empty.ts`],
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
  const names = Object.keys(programs);
  return await interleave(4 * rounds, "start-up", names, measure, "ms");
}

/** What threads_demo says of two threads. */
async function measureThreads({ rounds }: Context): Promise<Row[]> {
  const measure = async () => {
    const said = await output(script("threads_demo", "--work"));
    const two = said.match(/^threads : 2 .*×(\d+(?:,\d+)?)/m);
    if (two === null) throw new Error("it does not tell of two threads");
    return { speed_up: Number(two[1].replace(",", ".")) };
  };
  return await interleave(rounds, "threads", ["threads_demo"], measure);
}

/** The web servers, with wrk. All write a line of log for each request. */
async function measureWeb(context: Context): Promise<Row[]> {
  const { tools, folder, rounds, seconds } = context;
  if (!tools.paths.wrk) return [];
  const sizes = { "1 KiB": 1024, "100 KiB": 102_400, "10 MiB": 10_485_760 };
  await Deno.mkdir(`${folder}/www`);
  await using stack = new AsyncDisposableStack();
  const commands = await webPeers(tools, folder);
  const servers = await startAll(commands, folder, stack);
  const rows: Row[] = [];
  for (const [what, size] of Object.entries(sizes)) {
    const content = new Uint8Array(size).fill(46);
    await Deno.writeFile(`${folder}/www/${size}`, content);
    const measure = async (name: string) => {
      const { pid, port } = await servers[name];
      const url = `http://127.0.0.1:${port}/${size}`;
      const options = ["-t1", "-c16", `-d${Math.ceil(seconds)}s`];
      const before = cpuTime(pid);
      const said = await output([tools.paths.wrk, ...options, url]);
      const cpu = cpuTime(pid) - before;
      const trouble = said.match(/(Non-2xx|Socket errors).*/);
      if (trouble !== null) throw new Error(trouble[0]);
      const [, requests] = said.match(/(\d+) requests in/)!;
      return { cpu_us: cpu / Number(requests) * 1e6 };
    };
    const names = Object.keys(servers);
    rows.push(...await interleave(rounds, what, names, measure, "cpu_us"));
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
