#!/usr/bin/env -S deno run --allow-net --allow-read
/**
 * Web server for the files of a folder: section 4, web server.
 *
 * `Deno.serve` speaks HTTP, text on TCP. What is left is to decide what may be seen.
 * On the Internet, put nginx in front, for TLS and against headers that never end.
 *
 * @run deno run --allow-net --allow-read scripts/web_server.ts
 */
import { isAbsolute, relative, sep } from "node:path";
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { serveDir, serveFile } from "jsr:@std/http@^1.0.0/file-server";
import { printable } from "./encoding.ts";

/** Serves `root` until `stop` aborts; what has begun then has `limit` ms more. */
export async function serve(
  root: string,
  { hostname, port }: { hostname: string; port: number },
  stop: AbortSignal,
  limit = 2500,
): Promise<void> {
  const listen = () =>
    Deno.serve({ hostname, port, onListen() {} }, async (request, info) => {
      const begin = performance.now();
      const path = URL.parse(request.url)?.pathname ?? request.url;
      const what = `${address(info.remoteAddr)} ${request.method} ${path}`;
      const response = await handle(request, root, ownName)
        .catch(() => refuse(503, "Indisponible")); // Perhaps no descriptor.
      const { status, headers } = response;
      const size = headers.get("Content-Length") ?? // A listing, a refusal:
        (await response.clone().bytes()).length;
      headers.set("Cache-Control", "no-cache"); // Ask each time.
      headers.set("X-Content-Type-Options", "nosniff"); // Do not guess.
      info.completed.finally(() => {
        const ms = Math.round(performance.now() - begin);
        console.log(printable(`${what} ${status} ${size} octets ${ms} ms`));
      }).catch(() => {}); // A full disk costs the line, not the client's answer.
      return response;
    });
  const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));
  const stopped = new Promise((done) => stop.addEventListener("abort", done));
  let server: ReturnType<typeof listen> | undefined = listen();
  const ownName: string = isLoopback(server.addr.hostname) ? hostname : "";
  port = server.addr.port;
  const where = `http://${address(server.addr)}/ (dossier ${printable(root)})`;
  console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
  while (!stop.aborted) {
    try {
      server ??= listen();
      await Promise.race([server.finished, stopped]);
    } catch (error) {
      // Without a free file descriptor, Deno.serve ends: wait for one, begin anew.
      console.error(`Client non accepté : ${error}`);
      server = undefined;
      await pause(50);
    }
  }
  await Promise.race([server?.shutdown(), pause(limit)]);
}

/**
 * Answers with what may be seen of `root` (absolute, without links). With `ownName`,
 * only this and loopback's names are served: others are an attack (DNS rebinding).
 */
export async function handle(
  request: Request,
  root: string,
  ownName = "",
): Promise<Response> {
  const { method, headers } = request;
  const url = URL.parse(request.url);
  if (!url) return refuse(400, "Requête mal formée");
  const known = url.hostname === ownName || isLoopback(url.hostname);
  if (ownName && !known) return refuse(421, "Ce serveur a un autre nom");
  const isRead = method === "GET" || method === "HEAD";
  if (!isRead) return refuse(405, "Méthode refusée", { Allow: "GET, HEAD" });
  // serveFile never compares a part with the file's version (RFC 9110, 13.1): send
  // the whole. HEAD becomes a GET, of which Deno leaves out the body.
  const conditions = ["If-Range", "If-Match", "If-Unmodified-Since"];
  if (method === "HEAD" || conditions.some((name) => headers.has(name))) {
    request = new Request(url, { headers });
    request.headers.delete("Range");
  }
  const found = find(root, url.pathname);
  if (!found) return refuse(404, "Introuvable");
  if (found.fileInfo.isFile) return await serveFile(request, found.real, found);
  if (!url.pathname.endsWith("/")) {
    // Relative: this is right behind a front with TLS, and leads to no other host.
    const Location = `./${url.pathname.split("/").at(-1)}/${url.search}`;
    return refuse(301, "C'est un dossier", { Location });
  }
  const index = find(root, url.pathname + "index.html");
  if (index?.fileInfo.isFile) return serveFile(request, index.real, index);
  return serveDir(request, { fsRoot: root, showDirListing: true, quiet: true });
}

/** Finds what a path leads to in `root`. `Sync` saves the change of threads. */
function find(root: string, pathname: string) {
  const isHidden = (name: string) => /^\.(?!well-known$)/.test(name); // `..` too
  try {
    const path = decodeURIComponent(pathname);
    if (path.includes("//") || path.split("/").some(isHidden)) return;
    const real = Deno.realPathSync(root + path);
    const inside = relative(root, real);
    // A link out of `root` makes this begin with `..` or, on Windows, with a drive.
    if (isAbsolute(inside) || inside.split(sep).some(isHidden)) return;
    const fileInfo = Deno.statSync(real);
    if (fileInfo.isFile && path.endsWith("/")) return;
    // No FIFO: to open it would wait for ever. (A link made after this is followed.)
    if (fileInfo.isFile || fileInfo.isDirectory) return { real, fileInfo };
  } catch { /* Not there, not ours to read, a loop of links, a bad escape. */ }
}

const refuse = (status: number, reason: string, headers = {}) =>
  new Response(`${status} ${reason}\n`, { status, headers });
const isLoopback = (hostname: string) =>
  /^(localhost\.?|127\.[\d.]+|\[?::1\]?)$/.test(hostname);
const address = ({ hostname, port }: Deno.NetAddr) =>
  `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;

async function main(): Promise<void> {
  const { host, port, root, help } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port", "root"],
    default: { host: "127.0.0.1", port: "8088", root: "." },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : --host, --port, --root");
  const stop = new AbortController();
  // A second signal ends it at once. Windows has no SIGTERM.
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  Deno.readDirSync(root); // Throws if it is no folder, or may not be read.
  const at = { hostname: host.toLowerCase(), port: Number(port) }; // As in URLs.
  await serve(await Deno.realPath(root), at, stop.signal);
  console.log("Serveur arrêté");
  Deno.exit(0); // Whatever a stalled client still holds open.
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 8089" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
