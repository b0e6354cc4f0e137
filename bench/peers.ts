/**
 * Who is measured: what of it this machine has, and how each is started.
 *
 * @module
 */
import { type Command, output } from "./measure.ts";

const HERE = `${import.meta.dirname}/`;
/** The project's folder. */
export const ROOT = HERE.replace(/bench\/$/, "");

/** The unit: its cost is 1. */
export const UNIT = "C epoll";
/** This project's servers. */
export const OURS = ["multithread_server", "web_server"];
/** What shares clients out among several servers; behind it, here, is the unit. */
export const BALANCER = "HAProxy";

/** Servers, by name: what starts each, and prints where it listens. */
export type Servers = Record<string, Command>;

/** What this machine has to run peers with. */
export interface Tools {
  /** The path of each program that is there. */
  paths: Record<string, string>;
  /** The version of each; "absent" for one that is not there. */
  versions: Record<string, string>;
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
  const paths: Record<string, string> = {};
  const versions: Record<string, string> = { deno: Deno.version.deno };
  const fetch = `npx --yes --package=bun@1.4.5 -c '${TOOLS.bun}'`;
  for (const [name, look] of Object.entries(TOOLS)) {
    const line = name === "bun" && mayFetch ? `${look} || ${fetch}` : look;
    const said = await output(["sh", "-c", line]).catch(() => "");
    const found = said.match(/^(\/\S+) .*?(\d+\.[\d.]*\d)/);
    versions[name] = found?.[2] ?? "absent";
    if (found) paths[name] = found[1];
  }
  return { paths, versions };
}

/** Compiles a C file of this folder into `folder`, and returns the program. */
export async function compile(file: string, folder: string): Promise<string> {
  const program = `${folder}/${file.replace(/^.*\/|\.c$/g, "")}`;
  await output(["cc", "-O2", "-o", program, HERE + file]);
  return program;
}

function deno(...args: string[]): Command {
  return [Deno.execPath(), "run", ...args];
}

/** The command in a script's header, with these arguments. */
export function script(name: string, ...args: string[]): Command {
  const path = `${ROOT}scripts/${name}.ts`;
  const text = Deno.readTextFileSync(path);
  const [, flags] = text.match(/@run deno run (.*)scripts\//)!;
  return deno(...flags.split(" ").filter(Boolean), path, ...args);
}

/** This project's server, with these words in its environment. */
function ours(threads: number, ...words: string[]): Command {
  const options = ["--port", "0", "--quiet", "--threads", `${threads}`];
  return ["env", ...words, ...script("multithread_server", ...options)];
}

/** The servers of lines that this machine can run, all but {@linkcode BALANCER}. */
export async function linePeers(
  { paths }: Tools,
  folder: string,
): Promise<Servers> {
  const peers: Servers = {
    [UNIT]: [await compile("peers/epoll.c", folder)],
    multithread_server: ours(1), // One thread, as the others.
  };
  const programs = [
    ["Bun.listen", "bun", "bun.mjs"],
    ["Node net", "node", "node.mjs"],
    ["Python asyncio", "python3", "asyncio_server.py"],
    ["Python threading", "python3", "threads.py"],
  ];
  for (const [name, tool, file] of programs) {
    if (!paths[tool]) continue;
    peers[name] = [paths[tool], `${HERE}peers/${file}`];
  }
  if (paths.go) {
    const program = `${folder}/goroutines`;
    const source = `${HERE}peers/goroutines.go`;
    await output([paths.go, "build", "-o", program, source]);
    peers["Go net"] = [program];
  }
  return peers;
}

/** What is about fairness or memory; the names are those of the guide's tables. */
export const VARIANTS: Servers = {
  // The least that Deno does for a message.
  "bare.ts": deno("--no-config", "--allow-net", `${HERE}peers/bare.ts`),
  "MAX_IO_EVENTS_PER_TICK=64": ours(1, "DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64"),
  "--threads 8": ours(8),
  // Little room for young objects, so that fewer of them wait to be collected.
  "--max-semi-space-size=1": ours(1, "DENO_V8_FLAGS=--max-semi-space-size=1"),
};

/** A port that nobody has, for a program that cannot be given 0. */
function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** A program that does not print where it listens, with what does it first. */
const told = (port: number, ...command: string[]): Command => {
  const script = `echo "127.0.0.1:${port}"; exec "$@"`;
  return ["sh", "-c", script, "sh", ...command];
};

/** HAProxy with the guide's configuration, in front of the server at this port. */
export function balancer(
  { paths }: Tools,
  server: number,
  folder: string,
): Command {
  const port = freePort();
  const servers = [`A=${server}`, `B=${server}`, `C=${server}`];
  const words = [`PORT=${port}`, ...servers, `SOCKET=${folder}/haproxy.sock`];
  const program = [paths.haproxy, "-f", `${ROOT}guide/haproxy.cfg`];
  return told(port, "env", ...words, ...program);
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
): Promise<Servers> {
  const root = `${folder}/www`;
  const bare = ["--allow-net", "--allow-read", `${HERE}peers/serve_dir.ts`];
  const peers: Servers = {
    serveDir: deno(...bare, root),
    web_server: script("web_server", "--port", "0", "--root", root),
  };
  if (paths.nginx) {
    const port = freePort();
    const file = `${folder}/nginx.conf`;
    await Deno.writeTextFile(file, NGINX(folder, port));
    const log = `${folder}/nginx-error.log`;
    peers.nginx = told(port, paths.nginx, "-e", log, "-c", file);
  }
  if (paths.python3) {
    // -u: its first line, which tells its port, is not kept back.
    const program = [paths.python3, "-u", "-m", "http.server", "0"];
    const options = ["--bind", "127.0.0.1", "--directory", root];
    peers["http.server"] = [...program, ...options];
  }
  return peers;
}
