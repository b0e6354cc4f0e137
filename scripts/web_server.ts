#!/usr/bin/env -S deno run --allow-net --allow-read
/**
 * Web server for the files of a folder: section 4, web server.
 *
 * HTTP is text on a TCP connection: `GET /path`, some headers, an empty line. Here
 * `Deno.serve` speaks it and `serveDir` answers with files; what is left is to
 * decide what may be seen. On the Internet, put nginx or Caddy in front: Deno has
 * no time limit for a client that never ends its headers, and this server has
 * neither TLS nor a limit of clients.
 *
 * @run deno run --allow-net --allow-read scripts/web_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { serveDir } from "jsr:@std/http@^1.0.0/file-server";
import { printable } from "./encoding.ts";

const HELP = "Usage : web_server.ts [--root . (le dossier à servir)]" +
  " [--host 127.0.0.1] [--port 8088] [--help]";

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Where a path leads, links followed, and what is there. */
type Found = { path: string; real: string; file: Deno.FileInfo };

/**
 * Finds the file or folder inside `root` that a decoded path leads to, links
 * followed, unless it is a dotfile. This is so now: whoever may write in `root`
 * could put a link there a moment later, so serve no folder that strangers write to.
 *
 * @param root Absolute, without links: what `Deno.realPath` returns.
 */
async function find(
  root: string,
  path: string,
): Promise<Found | undefined> {
  const hidden = (name: string) => /^\.(?!well-known$)/.test(name); // `..` as well.
  if (path.split("/").some(hidden)) return;
  // A backslash separates folders there, and a colon names drives and streams.
  if (Deno.build.os === "windows" && /[\\:]/.test(path)) return;
  try {
    // Without its last slash: serveDir redirects `/a.txt/` to the file.
    const real = await Deno.realPath((root + path).replace(/\/+$/, "") || "/");
    const top = root.endsWith(SEPARATOR) ? root : root + SEPARATOR;
    if (real !== root && !real.startsWith(top)) return;
    if (real.slice(top.length).split(SEPARATOR).some(hidden)) return;
    // To open a FIFO would wait for a writer, for ever.
    const file = await Deno.stat(real);
    if (file.isFile || file.isDirectory) return { path, real, file };
  } catch {
    /* Not there, not ours to read, a loop of links, a name too long. */
  }
}

/** Answers one request with what it may see of `root`; never throws. */
export async function handle(
  request: Request,
  root: string,
): Promise<Response> {
  const { method, headers } = request;
  const refuse = (status: number, reason: string) => {
    const body = method === "HEAD" ? null : `${status} ${reason}\n`;
    const type = { "Content-Type": "text/plain; charset=utf-8" };
    return safe(new Response(body, { status, headers: type }));
  };
  let path = "\0";
  try {
    // The URL begins with what Host says, which could bring a path of its own.
    if (!/[/?#@\\]/.test(headers.get("Host") ?? "")) {
      path = decodeURIComponent(new URL(request.url).pathname);
    }
  } catch { /* A bad escape, as in `/100%`, or a bad Host. */ }
  if (path.includes("\0")) return refuse(400, "Requête mal formée");
  const found = await find(root, path);
  if (!found) return refuse(404, "Introuvable");
  // "The rest, if it is still the same file": serveDir does not compare, and would
  // glue two files together. All of it is always right (RFC 9110, 13.1.5).
  const resumed = method === "GET" && headers.has("If-Range");
  if (resumed) request = new Request(request.url);
  const ask = (request: Request) => {
    // serveDir hides all dotfiles or none; ours have been sorted out.
    const showDotfiles = path.includes("/.well-known");
    const options = { fsRoot: root, showDotfiles, quiet: true };
    return serveDir(request, { ...options, showDirListing: !showDotfiles });
  };
  const response = await small(request, found, ask) ?? safe(await ask(request));
  // The file is there, but cannot be read: no descriptor left, or no right to.
  return response.status === 500 ? refuse(503, "Illisible") : response;
}

/** The same response, from which no browser will take a text for HTML. */
function safe({ status, statusText, headers, body }: Response): Response {
  headers = new Headers(headers);
  headers.set("X-Content-Type-Options", "nosniff");
  return new Response(body, { status, statusText, headers });
}

/** A file of at most so many bytes is sent whole: to stream it costs far more. */
const SMALL = 64 * 1024;

/** Small files, 256 at most, and the headers that serveDir has for them. */
const known = new Map<string, { headers: Headers; bytes: BodyInit }>();

/** Answers a GET for the whole of a small file, from memory if it is unchanged. */
async function small(
  { method, url, headers }: Request,
  { path, real, file }: Found,
  ask: (request: Request) => Promise<Response>,
): Promise<Response | undefined> {
  const { size, ctime, mtime, dev, ino } = file;
  if (method !== "GET" || !file.isFile || size > SMALL) return;
  const special = ["Range", "If-None-Match", "If-Modified-Since"];
  if (special.some((name) => headers.has(name))) return;
  // What `cp -p` or a folder in the place of another leaves as it was, the other
  // marks show. The path gives the type.
  const key = JSON.stringify([path, real, size, ctime, mtime, dev, ino]);
  let copy = known.get(key);
  if (!copy) {
    const head = safe(await ask(new Request(url, { method: "HEAD" })));
    const bytes = await Deno.readFile(real).catch(() => undefined);
    // A redirection, a file that is changing or cannot be read: serveDir will say.
    if (head.status !== 200 || bytes?.length !== size) return;
    copy = { headers: head.headers, bytes };
    if (known.size >= 256) known.clear();
    // Deno's ctime has whole seconds: a fresh file may change and not show it.
    const changed = ctime?.getTime() ?? Infinity;
    if (Date.now() - changed > 2000) known.set(key, copy);
  }
  return new Response(copy.bytes, { headers: copy.headers });
}

/** Answers a request and, when all has been sent, prints its line of the log. */
async function answer(
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
  root: string,
): Promise<Response> {
  const begin = performance.now(), who = address(info.remoteAddr);
  const path = URL.parse(request.url)?.pathname ?? request.url;
  const what = printable(`${request.method} ${path}`);
  const response = await handle(request, root);
  let bytes = 0;
  info.completed.catch(() => {}).finally(() => {
    const ms = Math.round(performance.now() - begin);
    log(`${who} ${what} ${response.status} ${bytes} octets ${ms} ms`);
  });
  const length = Number(response.headers.get("Content-Length") ?? Infinity);
  if (length <= SMALL) {
    if (request.method === "GET") bytes = length;
    return response;
  }
  // The client may break off: not Content-Length, but what was sent is counted.
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, passOn) {
      bytes += chunk.length;
      passOn.enqueue(chunk);
    },
  });
  return new Response(response.body?.pipeThrough(count), response);
}

const lines: string[] = [];
let later: ReturnType<typeof setTimeout>;

/** Prints a line of the log, together with those of the next 20 ms. */
function log(line: string): void {
  if (lines.push(line) === 1) later = setTimeout(flush, 20);
}

function flush(): void {
  clearTimeout(later);
  if (lines.length > 0) console.log(lines.splice(0).join("\n"));
}

/**
 * Serves `root` until `signal` aborts, and then for 3 s at most what has begun.
 *
 * @param onListen Called with the address, before the first request.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 */
export async function serve(
  root: string,
  { hostname, port }: { hostname: string; port: number },
  signal: AbortSignal,
  onListen: (addr: Deno.NetAddr) => void,
): Promise<void> {
  let pending = 0;
  const listen = () => {
    const options = { hostname, port, onListen() {} };
    return Deno.serve(options, (request, info) => {
      pending++;
      info.completed.catch(() => {}).finally(() => pending--);
      return answer(request, info, root);
    });
  };
  const stopped = new Promise((stop) => signal.addEventListener("abort", stop));
  let server: Deno.HttpServer<Deno.NetAddr> | undefined = listen();
  port = server.addr.port;
  onListen(server.addr);
  while (!signal.aborted) {
    try {
      server ??= listen();
      await Promise.race([server.finished, stopped]);
    } catch (error) {
      // Out of descriptors, Deno.serve goes on with the clients that it has, but
      // accepts no more: when some have left, listen again.
      console.error(`Client non accepté : ${(error as Error).message}`);
      server = undefined;
      await pause(50);
    }
  }
  let open = server !== undefined;
  server?.shutdown().finally(() => open = false);
  const end = performance.now() + 3000;
  while ((open || pending > 0) && performance.now() < end) await pause(10);
  flush();
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const { host, help, ...args } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port", "root"],
    default: { host: "127.0.0.1", port: "8088", root: "." },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^\d+$/.test(args.port) ? Number(args.port) : NaN;
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 0 à 65535`);

  const stop = new AbortController();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const root = await Deno.realPath(args.root).catch((error) => {
      if (error.name === "NotCapable") throw error;
      exit(2, `--root "${args.root}" : ce dossier n'existe pas`);
    });
    if (!(await Deno.stat(root)).isDirectory) {
      exit(2, `--root "${args.root}" : ce n'est pas un dossier`);
    }
    await serve(root, { hostname: host, port }, stop.signal, (addr) => {
      const where = `http://${address(addr)}/ (dossier ${printable(root)})`;
      console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
    });
    console.log("Serveur arrêté");
    Deno.exit(0); // Whatever a stalled client still holds open.
  } catch (error) {
    const { name, message } = error as Error, where = `${host} port ${port}`;
    if (name === "AddrInUse") {
      exit(1, `Port ${port} déjà utilisé : choisissez-en un autre avec --port`);
    }
    if (name === "NotCapable") {
      exit(1, "Interdit par Deno : ajoutez --allow-net et --allow-read");
    }
    exit(1, `Impossible d'écouter sur ${where}, vérifiez --host : ${message}`);
  }
}

if (import.meta.main) await main();
