#!/usr/bin/env -S deno run --unstable-net --allow-net --allow-read
/**
 * TCP server for many clients at once: section 4', the multithreaded server.
 *
 * The course gives each client a thread. But waiting needs none: one thread serves
 * thousands of clients; more threads only use more cores. A connection cannot be
 * posted to another thread: so each listens, and the kernel deals the clients out.
 *
 * @run deno run --unstable-net --allow-net --allow-read scripts/multithread_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { hangUp, printable, receive, Refusal, write } from "./encoding.ts";

/** What a thread is told. A client has `limit` ms for each message. */
export type Settings = {
  thread: number;
  listen: Deno.TcpListenOptions;
  maxClients: number;
  limit: number;
  quiet: boolean;
  raw: boolean;
};

/** Serves the clients of one thread, until `stop` aborts and they have left. */
export async function serve(
  listener: Deno.TcpListener,
  stop: AbortSignal,
  settings: Settings,
): Promise<void> {
  // What dismisses a client; for how many tenths of the limit the client is silent.
  const clients = new Map<(lastWord: string) => void, number>();
  const clock = setInterval(() => {
    for (const [dismiss, silent] of clients) {
      if (silent === 10) dismiss("Délai dépassé");
      clients.set(dismiss, silent + 1);
    }
  }, settings.limit / 10);
  stop.addEventListener("abort", () => listener.close());
  while (!stop.aborted) {
    try {
      const conn = await listener.accept();
      handleClient(conn, clients, settings); // Not awaited: accept the next one.
    } catch (error) {
      if (stop.aborted) break;
      log(`Client non accepté : ${error}`, console.error);
      // NotConnected: the client has gone. Otherwise, perhaps no descriptor is free.
      if (!(error instanceof Deno.errors.NotConnected)) await pause(50);
    }
  }
  for (const dismiss of clients.keys()) dismiss("Le serveur s'arrête");
  while (clients.size > 0) await pause(10);
  clearInterval(clock);
}

/** Answers each message, until the line FIN or the stream's end, and closes. */
async function handleClient(
  conn: Deno.TcpConn,
  clients: Map<(lastWord: string) => void, number>,
  { thread, maxClients, quiet, raw }: Settings,
): Promise<void> {
  const name = `${address(conn.remoteAddr)} [Thread ${thread}]`;
  if (!quiet) log(`Instance de serveur prête pour ${name}`);
  const reply = raw ? "Message reçu" : "Message reçu\n";
  const answer = new TextEncoder().encode(reply);
  let answering = Promise.resolve(); // The write under way.
  let lastWord: string | undefined; // Once it is known, nothing more is answered.
  const converse = async () => {
    for await (const messages of receive(conn, raw)) {
      if (lastWord !== undefined) break;
      const fin = messages.findIndex((text) => /^\s*fin\s*$/i.test(text));
      if (fin >= 0) messages.splice(fin + 1);
      for (const text of messages) {
        if (!quiet) log(`Message reçu du client ${name} : ${printable(text)}`);
      }
      // One write for all. Most reads bring one message: its answer is prepared.
      const all = reply.repeat(messages.length);
      const bytes = all === reply ? answer : new TextEncoder().encode(all);
      answering = write(conn, bytes);
      await answering;
      clients.set(dismiss, 0);
      if (fin >= 0) break;
    }
    return ""; // No last word is due.
  };

  const { promise, resolve: dismiss } = Promise.withResolvers<string>();
  if (clients.size < maxClients) clients.set(dismiss, 0);
  else dismiss("Serveur complet");
  try {
    conn.setNoDelay(true); // Or Nagle's algorithm makes a second answer wait 40 ms.
    lastWord = await Promise.race([promise, converse()]);
    // Before the last word, an answer under way has 1 s to end, or is cut off.
    const late = setTimeout(() => conn[Symbol.dispose](), 1000);
    await answering.finally(() => clearTimeout(late));
  } catch (error) {
    log(`Client perdu, ${name} : ${error}`, console.error);
    if (error instanceof Refusal) lastWord = error.message;
  }
  await hangUp(conn, lastWord, raw);
  clients.delete(dismiss);
  if (!quiet) log(`Connexion fermée avec ${name}`);
}

/** Prints a line. If that fails, as on a full disk, the clients do not suffer. */
function log(line: string, print = console.log): void {
  try {
    print(line);
  } catch { /* The line is lost. */ }
}

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** Runs this file as a thread until `stop` aborts; again, if the thread dies. */
async function runThread(
  settings: Settings,
  stop: AbortSignal,
  onListen: (port: number) => void,
): Promise<void> {
  while (!stop.aborted) {
    const worker = new Worker(import.meta.url, { type: "module" });
    const { promise: end, resolve } = Promise.withResolvers<string>();
    worker.onmessage = ({ data }) =>
      typeof data === "number" ? onListen(data) : resolve(data);
    worker.onerror = (event) => {
      event.preventDefault(); // Else it would end the main thread too.
      resolve(event.message);
    };
    worker.postMessage(settings); // It answers with its port, and why it ends.
    stop.addEventListener("abort", () => worker.postMessage("stop"));
    const reason = await end;
    worker.terminate();
    if (reason === "done") return;
    log(`Thread ${settings.thread} mort, relancé : ${reason}`, console.error);
    await pause(1000);
  }
}

async function main(): Promise<void> {
  const { help, host, quiet, raw, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "quiet", "raw"],
    string: ["host", "port", "threads"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return log("Options : --host, --port, --threads, --quiet, --raw");
  let threads = Number(args.threads ?? navigator.hardwareConcurrency);
  if (!(threads >= 1 && threads <= 999)) throw new Error("--threads : 1 à 999");
  if (Deno.build.os !== "linux") threads = 1; // Only Linux lets them share a port.
  await Deno.stat(import.meta.filename!); // The threads must be allowed to read it.
  const port = Number(args.port);
  // reusePort would share even another program's port. Without it, listen fails there.
  const probe = Deno.listen({ hostname: host, port });
  probe.close();
  const stop = new AbortController();
  const listen = { ...probe.addr, port, reusePort: true, tcpBacklog: 4096 };
  const settings = { listen, maxClients: 10_000, limit: 300_000, quiet, raw };
  const ends: Promise<void>[] = [];
  for (let thread = 1; thread <= threads; thread++) {
    const { promise: listening, resolve } = Promise.withResolvers<number>();
    ends.push(runThread({ ...settings, thread }, stop.signal, resolve));
    listen.port = await listening; // If it was 0, now the one that the kernel chose.
  }
  // The first signal stops it gently, a second one at once. Windows has no SIGTERM.
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  const where = `${address(listen)} (threads : ${ends.length})`;
  console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
  await Promise.all(ends);
  console.log("Serveur arrêté");
}

if ("DedicatedWorkerGlobalScope" in globalThis) {
  // `self` talks to the main thread as a Worker there talks to this one: hence the cast.
  const parent = self as unknown as Worker;
  const stop = new AbortController();
  parent.onmessage = async ({ data }) => { // The Settings; later, "stop".
    if (data === "stop") return stop.abort();
    try {
      const listener = Deno.listen(data.listen);
      parent.postMessage(listener.addr.port);
      await serve(listener, stop.signal, data);
      parent.postMessage("done");
    } catch (error) {
      parent.postMessage(`${error}`);
    }
  };
} else if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 50001" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
