/**
 * Who is measured: what of it this machine has, and how each is started.
 *
 * @module
 */
import { type Command, output } from "./measure.ts";

const here = (path: string) => `${import.meta.dirname}/${path}`;

/** The project's folder, where the scripts' own commands are run. */
const ROOT = import.meta.dirname!.replace(/bench$/, "");

/** What this machine has to run peers with. */
export interface Tools {
  /** How each program is called; a tool that is missing has none. */
  commands: Partial<Record<Tool, Command>>;
  /** The version of each, as it tells it. */
  versions: Partial<Record<Tool, string>>;
  /** One line for each tool that is missing: which, and what is not measured. */
  missing: string[];
}

/** What peers are run with. */
export type Tool = "deno" | "cc" | "python3" | "node" | "nginx" | "serve";

const WITHOUT: Partial<Record<Tool, string>> = {
  cc:
    "the limit (a C epoll loop) is not measured, so there are no ratios to it",
  python3: "Python's peers are not measured",
  node: "Node's peers are not measured",
  nginx: "nginx is not measured",
  serve: "npm's serve is not measured",
};

/** The version of npm's `serve`, if the machine has none of its own. */
const SERVE = "serve@14.2.7";

/**
 * Looks for the tools, asking each for its version; a tool that does not answer is
 * missing. Programs are called by their own path, since what PATH has may be a
 * script that chooses among versions, whose time is not theirs.
 *
 * @param folder Where npm may put `serve`, if it is not there.
 */
export async function findTools(
  wanted: Tool[],
  folder: string,
): Promise<Tools> {
  const deno = Deno.execPath();
  const tools: Tools = {
    commands: { deno: [deno] },
    versions: { deno: Deno.version.deno },
    missing: [],
  };
  const python =
    "import sys, platform; print(sys.executable, platform.python_version(), sep='\\n')";
  const search: Partial<Record<Tool, () => Promise<[Command, string]>>> = {
    cc: async () => {
      const version = await output(["cc", "--version"]);
      return [["cc"], version.split("\n")[0].replace(/^cc /, "")];
    },
    python3: async () => {
      const [path, version] = (await output(["python3", "-c", python])).split(
        "\n",
      );
      return [[path], version];
    },
    node: async () => {
      // Deno puts itself in the place of a node that is missing.
      const code = "process.versions.deno ? '' : " +
        "process.execPath + '\\n' + process.versions.node";
      const [path, version] = (await output(["node", "-p", code])).split("\n");
      if (!path) throw new Deno.errors.NotFound();
      return [[path], version];
    },
    nginx: async () => {
      // Debian keeps it where only root looks.
      const script = 'PATH="$PATH:/usr/sbin"; command -v nginx; nginx -v 2>&1';
      const [path, version] = (await output(["sh", "-c", script])).split("\n");
      return [[path], version.replace(/.*nginx\//, "")];
    },
    serve: async () => {
      const node = tools.commands.node;
      if (!node) throw new Error("it needs node");
      const path = await findServe(folder);
      const version = await output([...node, path, "--version"]);
      return [[...node, path], version];
    },
  };
  for (const tool of wanted) {
    try {
      const found = await search[tool]?.();
      if (found) [tools.commands[tool], tools.versions[tool]] = found;
    } catch (error) {
      const why = error instanceof Deno.errors.NotFound
        ? "it is not on this machine"
        : (error as Error).message;
      tools.missing.push(`${tool}: ${WITHOUT[tool]} (${why})`);
    }
  }
  return tools;
}

/** Where the main module of npm's `serve` is: installed globally, or by us, now. */
async function findServe(folder: string): Promise<string> {
  const main = (modules: string) => `${modules}/serve/build/main.js`;
  const global = await output(["npm", "root", "--global"]);
  if (await Deno.stat(main(global)).then(() => true, () => false)) {
    return main(global);
  }
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts"];
  await output(["npm", "install", "--prefix", folder, ...quiet, SERVE], 60);
  return main(`${folder}/node_modules`);
}

/** Compiles a C file of this folder into `folder`, and returns the program. */
export async function compile(
  cc: Command,
  file: string,
  folder: string,
): Promise<Command> {
  const program = `${folder}/${file.replace(/^.*\/|\.c$/g, "")}`;
  await output([...cc, "-O2", "-o", program, here(file)]);
  return [program];
}

/** The command in a script's header, with these arguments. */
export function script(name: string, ...args: string[]): Command {
  const text = Deno.readTextFileSync(`${ROOT}scripts/${name}.ts`);
  const [, flags] = text.match(/@run deno run (.*)scripts\//)!;
  const config = ["--config", `${ROOT}deno.json`];
  const path = `${ROOT}scripts/${name}.ts`;
  return [
    Deno.execPath(),
    "run",
    ...config,
    ...flags.split(" ").filter(Boolean),
    path,
    ...args,
  ];
}

/** A server of lines: its name, and its command where this machine can run it. */
export type Peers = Record<string, Command>;

/** The name of the limit, 1.0 of all ratios. */
export const LIMIT = "C, epoll";
/** The name of this project's server. */
export const OURS = "multithread_server";

/** The servers of lines that this machine can run. */
export async function linePeers(
  { commands, missing }: Tools,
  folder: string,
): Promise<Peers> {
  const { cc, python3, node } = commands;
  const options = ["--port", "0", "--quiet"];
  // One thread, as the others have: two are compared under "threads".
  const peers: Peers = { [OURS]: script(OURS, ...options, "--threads", "1") };
  // Not fair, and not meant to be: what a first attempt in Deno costs.
  peers["Deno, by lines"] = denoPeer("lines.ts");
  peers["Deno, by streams"] = denoPeer("streams.ts");
  if (python3) {
    peers["Python threads"] = [...python3, here("peers/threads.py")];
    peers["Python asyncio"] = [...python3, here("peers/asyncio_server.py")];
  }
  if (node) peers["Node net"] = [...node, here("peers/net.mjs")];
  if (cc) {
    try {
      peers[LIMIT] = await compile(cc, "peers/epoll.c", folder);
    } catch (error) {
      const why = (error as Error).message;
      missing.push(`epoll.c: ${WITHOUT.cc} (it does not compile: ${why})`);
    }
  }
  return peers;
}

/** A loop of `conn.read` and `conn.write`: the least that a message costs in Deno. */
export const BARE = "Deno, bare loop";

/** The command of the bare loop. */
export const bareLoop = () => denoPeer("bare.ts");

function denoPeer(file: string): Command {
  const flags = ["--no-config", "--allow-net=127.0.0.1"];
  return [Deno.execPath(), "run", ...flags, here(`peers/${file}`)];
}

/** The load generator, and what to call it: `load.c`, or else `load.ts`. */
export async function generator(
  { commands, missing }: Tools,
  folder: string,
): Promise<{ command: Command; name: string }> {
  if (commands.cc) {
    try {
      const command = await compile(commands.cc, "load.c", folder);
      return { command, name: "load.c (one thread, epoll)" };
    } catch (error) {
      const why = (error as Error).message;
      missing.push(`load.c: load.ts takes its place (no compiling: ${why})`);
    }
  }
  return { command: loadTs(), name: "load.ts (Deno workers)" };
}

/** The load generator in TypeScript. */
export function loadTs(): Command {
  const flags = ["--allow-net=127.0.0.1", "--allow-read"];
  return [Deno.execPath(), "run", "--no-config", ...flags, here("load.ts")];
}
