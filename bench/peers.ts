/**
 * Who is measured: what of it this machine has, and how each is started.
 *
 * @module
 */
import { type Command, output, type Start } from "./measure.ts";

const HERE = `${import.meta.dirname}/`;
/** The project's folder. */
export const ROOT = HERE.replace(/bench\/$/, "");

/** The unit: its cost is 1. */
export const UNIT = "C epoll";
/** This project's server. */
export const OURS = "multithread_server";
/** The least that Deno does for a message. */
export const BARE = "bare.ts";
/** What shares clients out among several servers; behind it, here, is the unit. */
export const BALANCER = "HAProxy";

/** This project's server with little room for young objects, so that fewer wait. */
export const SMALL = "--max-semi-space-size=1";

/** What this machine has to run peers with. */
export interface Tools {
  /** The path of each program that is there. */
  paths: Record<string, string>;
  /** What each says of its version. */
  versions: Record<string, string>;
  /** The names of those that are not there. */
  absent: string[];
}

/** For each tool, what prints its own path, and then its version. */
const TOOLS: Record<string, string> = {
  // What PATH has of these may be a script that chooses among versions, whose time
  // is not theirs.
  bun: 'bun -e "console.log(process.execPath, process.versions.bun)"',
  node: 'node -e "console.log(process.execPath, process.versions.node)"',
  python3: 'python3 -c "import sys; print(sys.executable, sys.version)"',
  go: 'echo "$(command -v go) $(go version)"',
  wrk: 'echo "$(command -v wrk) $(wrk -v)"',
  // Debian keeps these where only root looks.
  nginx: 'PATH="$PATH:/usr/sbin"; echo "$(command -v nginx) $(nginx -v 2>&1)"',
  haproxy: 'PATH="$PATH:/usr/sbin"; echo "$(command -v haproxy) $(haproxy -v)"',
};

/** Looks for the tools; Bun is fetched from npm, if that may be and it is not there. */
export async function findTools(mayFetch: boolean): Promise<Tools> {
  const tools: Tools = {
    paths: { deno: Deno.execPath() },
    versions: { deno: Deno.version.deno },
    absent: [],
  };
  const fetch = `npx --yes --package=bun@1.4.5 -c '${TOOLS.bun}'`;
  for (const [name, look] of Object.entries(TOOLS)) {
    const script = name === "bun" && mayFetch ? `${look} || ${fetch}` : look;
    const said = await output(["sh", "-c", script], 120).catch(() => "");
    const [, path, version] = said.match(/^(\/\S+) .*?(\d+\.[\d.]*\d)/) ?? [];
    if (path === undefined) {
      tools.absent.push(name);
      continue;
    }
    tools.paths[name] = path;
    tools.versions[name] = version;
  }
  return tools;
}

/** Compiles a C file of this folder into `folder`, and returns the program. */
export async function compile(file: string, folder: string): Promise<string> {
  const program = `${folder}/${file.replace(/^.*\/|\.c$/g, "")}`;
  await output(["cc", "-O2", "-o", program, HERE + file]);
  return program;
}

/** The command in a script's header, with these arguments. */
export function script(name: string, ...args: string[]): Command {
  const path = `${ROOT}scripts/${name}.ts`;
  const text = Deno.readTextFileSync(path);
  const [, flags] = text.match(/@run deno run (.*)scripts\//)!;
  const config = ["--config", `${ROOT}deno.json`];
  return deno(...config, ...flags.split(" ").filter(Boolean), path, ...args);
}

const deno = (...args: string[]): Command => [Deno.execPath(), "run", ...args];

/** The servers of lines that this machine can run, all but {@linkcode BALANCER}. */
export async function linePeers(
  { paths }: Tools,
  folder: string,
): Promise<Record<string, Start>> {
  const peers: Record<string, Start> = {
    [UNIT]: { command: [await compile("peers/epoll.c", folder)] },
    // One thread, as the others.
    [OURS]: { command: ours("--threads", "1") },
  };
  const programs = [
    ["Bun.listen", "bun", "bun.mjs"],
    ["Node net", "node", "node.mjs"],
    ["Python asyncio", "python3", "asyncio_server.py"],
    ["Python threading", "python3", "threads.py"],
  ];
  for (const [name, tool, file] of programs) {
    if (!paths[tool]) continue;
    peers[name] = { command: [paths[tool], `${HERE}peers/${file}`] };
  }
  if (paths.go) {
    const program = `${folder}/goroutines`;
    const source = `${HERE}peers/goroutines.go`;
    await output([paths.go, "build", "-o", program, source], 120);
    peers["Go net"] = { command: [program] };
  }
  return peers;
}

/** The bare loop answers reads, not lines: it can only be asked one at a time. */
export function bareLoop(): Start {
  const flags = ["--no-config", "--allow-net=127.0.0.1"];
  return { command: deno(...flags, `${HERE}peers/bare.ts`) };
}

/** This project's server, with these options. */
export function ours(...options: string[]): Command {
  return script(OURS, "--port", "0", "--quiet", ...options);
}

/** How {@linkcode SMALL} is started. */
export function smallSemiSpace(): Start {
  const [program, run, ...rest] = ours("--threads", "1");
  return { command: [program, run, `--v8-flags=${SMALL}`, ...rest] };
}

/** A port that nobody has, for a program that cannot be given 0. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** HAProxy with the guide's configuration, in front of the server at this port. */
export function balancer(
  { paths }: Tools,
  server: number,
  folder: string,
): Start {
  const port = freePort();
  const [A, B, C] = Array(3).fill(`${server}`);
  const env = { PORT: `${port}`, A, B, C, SOCKET: `${folder}/haproxy.sock` };
  const command = [paths.haproxy, "-f", `${ROOT}guide/haproxy.cfg`];
  return { command, env, port };
}

/** nginx as it is usually set up, but for what its packages' own paths need root. */
const NGINX = (folder: string, port: number) => `
daemon off;
master_process off; # One process: the one whose CPU time is read.
pid ${folder}/nginx.pid;
events {}
http {
  access_log ${folder}/nginx-access.log;
  sendfile on;
  keepalive_requests 1000000000; # 1000 would reconnect, which no other does.
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  server { listen 127.0.0.1:${port}; root ${folder}/www; }
}
`;

/** The web servers, with the files in `www` of a folder; the first is the unit. */
export async function webPeers(
  { paths }: Tools,
  folder: string,
): Promise<Record<string, Start>> {
  const root = `${folder}/www`;
  const read = ["--allow-net", "--allow-read"];
  const bare = ["--config", `${ROOT}deno.json`, ...read];
  const peers: Record<string, Start> = {
    serveDir: {
      command: deno(...bare, `${HERE}peers/serve_dir.ts`, root),
    },
    web_server: {
      command: script("web_server", "--port", "0", "--root", root),
    },
  };
  if (paths.nginx) {
    const port = freePort();
    const file = `${folder}/nginx.conf`;
    await Deno.writeTextFile(file, NGINX(folder, port));
    const log = `${folder}/nginx-error.log`;
    peers.nginx = { command: [paths.nginx, "-e", log, "-c", file], port };
  }
  if (paths.python3) {
    const options = ["--bind", "127.0.0.1", "--directory", root];
    peers["http.server"] = {
      command: [paths.python3, "-m", "http.server", ...options, "0"],
    };
  }
  return peers;
}
