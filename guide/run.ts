/**
 * Runs the course's programs for its pages: sends what they print, the calls that they
 * make included, and hands on what is typed. Only a page with the token may ask for it.
 *
 * @module
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { stripAnsiCode } from "@std/fmt/colors";
import { phrases } from "./code.ts";

/** What each section runs: a server, which may have a client, or another program. */
const SECTIONS = new Map([
  ["03-async", ["async_demo"]],
  ["05-udp", ["udp_server --port 0", "udp_client"]],
  ["06-simple", ["server_simple --port 0", "client_simple"]],
  ["07-class", ["server_simple --port 0", "client_class"]],
  ["08-web", ["web_server --port 0 --root scripts"]],
  ["09-chat", ["p2p_server --port 0", "p2p_client"]],
  ["10-threads", ["threads_demo --work"]],
  ["11-multithread", [
    "multithread_server --port 0 --threads 2",
    "multithread_client",
  ]],
]);

/** What the relay between client and server does; where it is "", there is none. */
const NETWORKS = new Map([
  ["direct", ""],
  ["late", "--late 500"],
  ["slice", "--slice 1"],
  ["glue", "--glue 2000"],
  ["cut", "--reset-after 10"],
]);

/** The flags that a script's header may have, and what they become here. */
const FLAGS = new Map([
  ["--allow-net", "--allow-net=127.0.0.1"],
  ["--allow-read", "--allow-read=scripts,std"],
  ["--unstable-net", "--unstable-net"],
]);

const ROOT = new URL("..", import.meta.url);
const MINUTES = 10, BYTES = 1_000_000; // After so much, a run is ended.

/** How Deno runs a program: it shows its calls, asks nothing, and fetches nothing. */
const OPTIONS =
  "--preload=scripts/trace.ts --no-prompt --cached-only --config=deno.json";

/** All that a program finds in its environment: where Deno keeps what it loads. */
const ENVIRONMENT = Object.fromEntries(
  ["HOME", "DENO_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA", "SystemRoot"]
    .map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value),
);

const PHRASES = new URL("en/phrases.md", import.meta.url);
const translate = phrases(Deno.readTextFileSync(PHRASES));

/** What a line says in English; nothing, where that is not known. */
function meaning(line: string): string | undefined {
  if (line.length > 200) return; // No row of the table is as long.
  try {
    return translate(line);
  } catch { /* No row matches. */ }
}

/** A program's text, without what would do more than be seen. */
const clean = (text: string) =>
  stripAnsiCode(text).replace(/(?![\n\t])\p{Cc}|\p{Bidi_Control}/gu, "");

/** What follows `deno run` to run a script: its header's flags, as narrow as here. */
function command(line: string): string[] {
  const [script, ...args] = line.trim().split(" ");
  const path = `scripts/${script}.ts`;
  const source = Deno.readTextFileSync(new URL(path, ROOT));
  const [, header = ""] = source.match(/^ \* @run deno run (.*)$/m) ?? [];
  const flags = header.split(" ").flatMap((flag) => FLAGS.get(flag) ?? []);
  // The UDP client receives at any address, on a free port.
  if (script === "udp_client") flags.push("--allow-net=0.0.0.0:0");
  return [...flags, path, ...args];
}

const encode = (line: string) => new TextEncoder().encode(line + "\n");

/** The programs of a section, while they run: 0 the server, 1 the client, 2 the relay. */
class Run {
  #queue?: ReadableStreamDefaultController<Uint8Array>;
  /** What happens: an event a line, in JSON. */
  readonly events = new ReadableStream<Uint8Array>({
    start: (queue) => void (this.#queue = queue),
    cancel: () => this.end(),
  });
  #children: Deno.ChildProcess[] = [];
  #ends: Promise<string>[] = [];
  #sent = 0;
  #timer = setTimeout(() => this.end("time"), MINUTES * 60_000);

  /** Starts one program after the other: each needs the port of the one before. */
  async play([server, client]: string[], relay: string, raw: string) {
    let port = await this.#start(0, `${server} ${raw}`);
    const to = `--port 0 --to 127.0.0.1:${port}`;
    if (port && relay) port = await this.#start(2, `relay ${relay} ${to}`);
    if (port && client) await this.#start(1, `${client} --port ${port} ${raw}`);
    await Promise.all(this.#ends);
  }

  /** Starts a program; returns the last port in its first line, if there is one. */
  async #start(by: number, program: string): Promise<string> {
    if (!this.#queue) return ""; // The run has ended meanwhile.
    const words = command(program);
    this.#send({ by, command: `deno run ${words.join(" ")}` });
    // A program whose parent has gone was left behind, and ends itself.
    const guard = `--preload=data:text/javascript,Deno.unrefTimer(setInterval(
      () => Deno.ppid === ${Deno.pid} || Deno.exit(1), 500))`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...OPTIONS.split(" "), guard, ...words],
      cwd: ROOT,
      clearEnv: true,
      env: ENVIRONMENT,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#children[by] = child;
    const firstLine = Promise.withResolvers<string>();
    const end = Promise.all([
      child.status,
      this.#read(by, child.stdout, firstLine.resolve),
      this.#read(by, child.stderr),
    ]).then(([{ code, signal }]) => {
      this.#send({ by, exit: signal ?? code });
      child.stdin.close().catch(() => {});
      return "";
    });
    this.#ends.push(end);
    const line = await Promise.race([firstLine.promise, end]);
    return line.match(/.*127\.0\.0\.1:(\d+)/)?.[1] ?? "";
  }

  /** Sends what a program prints, in pieces that end with their lines, or are long. */
  async #read(
    by: number,
    stream: ReadableStream<Uint8Array>,
    onLine?: (line: string) => void,
  ) {
    let line = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      for (const piece of text.split(/(?<=\n)/)) {
        line += piece;
        const isWhole = piece.endsWith("\n") || line.length > 9000;
        if (!isWhole && !onLine) continue; // Of stderr, a call may be such a line.
        const means = isWhole ? meaning(line.trimEnd()) : undefined;
        const shown = clean(onLine ? piece : line);
        this.#send({ by, error: !onLine, text: shown, means });
        if (!isWhole) continue;
        onLine?.(line);
        line = "";
      }
    }
    if (line && !onLine) this.#send({ by, error: true, text: clean(line) });
  }

  #send(event: object) {
    const bytes = encode(JSON.stringify(event));
    this.#queue?.enqueue(bytes);
    this.#sent += bytes.length;
    if (this.#sent > BYTES) this.end("size");
  }

  /** Types a line, if the program is there and has taken the last one. */
  type(by: number, line: string): boolean {
    const stdin = this.#children[by]?.stdin;
    if (!stdin || stdin.locked) return false;
    const keyboard = stdin.getWriter();
    keyboard.write(encode(line)).then(() => keyboard.releaseLock(), () => {});
    return true;
  }

  /** Asks the programs to end, as Ctrl-C does; after 3 s, it ends them. */
  stop() {
    setTimeout(() => this.end("done"), 3000);
    this.#signal("SIGTERM");
  }

  /** Ends the programs at once, and tells the page why, if it is still there. */
  end(why?: string) {
    clearTimeout(this.#timer);
    this.#signal("SIGKILL");
    const queue = this.#queue;
    this.#queue = undefined;
    if (why) queue?.enqueue(encode(JSON.stringify({ end: why })));
    if (why) queue?.close();
  }

  #signal(signal: Deno.Signal) {
    this.#children.forEach((child) => {
      try {
        child.kill(signal);
      } catch { /* It has ended. */ }
    });
  }
}

const refuse = (status: number, what: string) =>
  new Response(`${status} ${what}\n`, { status });
const digest = (text: string) => createHash("sha256").update(text).digest();

/** What answers the pages that are served at an address, and the token they need. */
export function makeRunner({ hostname, port }: Deno.NetAddr) {
  const isLocal = /^(127\.[\d.]+|::1)$/.test(hostname);
  const name = hostname.includes(":") ? `[${hostname}]` : hostname;
  // As URLs, since a browser leaves out the port 80.
  const urls = [name, "localhost"].map((it) => new URL(`http://${it}:${port}`));
  const isOurs = (part: "host" | "origin", value: string | null) =>
    urls.some((url) => url[part] === value);
  const token = randomBytes(16).toString("hex");
  const expected = digest(`Bearer ${token}`);
  const sections = isLocal ? Object.fromEntries(SECTIONS) : {};
  const runs = new Map<string, Run>(); // By section.

  /** Answers a request, unless it is one for a page. */
  async function answer(request: Request): Promise<Response | undefined> {
    const { method, headers } = request, url = URL.parse(request.url);
    if (url?.pathname === "/run.json") return Response.json(sections);
    if (!url || method !== "POST") return;
    if (!isLocal) return refuse(403, "--host");
    if (!isOurs("host", headers.get("Host"))) return refuse(421, "Host");
    if (!isOurs("origin", headers.get("Origin"))) return refuse(403, "Origin");
    const given = digest(headers.get("Authorization") ?? "");
    if (!timingSafeEqual(given, expected)) return refuse(401, "Authorization");
    const [, , section, action] = url.pathname.split("/");
    const programs = SECTIONS.get(section), relay = NETWORKS.get(action);
    const old = runs.get(section);
    if (programs && relay !== undefined) {
      old?.end("replaced");
      const raw = url.searchParams.has("raw") ? "--raw" : "";
      const run = new Run();
      runs.set(section, run);
      run.play(programs, relay, raw)
        .then(() => run.end("done"), (error) => run.end(`${error}`));
      return new Response(run.events);
    }
    const size = Number(headers.get("Content-Length") ?? Infinity);
    if (size > 64 * 1024) return refuse(413, "Content-Length");
    const line = await request.text();
    if (action === "stop") old?.stop();
    else if (!old?.type(Number(action), line)) return refuse(404, "action");
    return new Response();
  }
  const end = () => runs.forEach((run) => run.end("lost"));
  return { url: urls[0] + (isLocal ? `#${token}` : ""), isLocal, answer, end };
}
