#!/usr/bin/env -S deno run --unstable-net --allow-net --allow-read
/**
 * TCP server with threads: section 4', multithreaded server.
 *
 * The course gives each client a thread, which mostly sleeps in `recv`. Here one
 * thread serves thousands, since `await` does the waiting, and there are several
 * to use all the cores. A socket cannot be posted to a worker, so each listens
 * for itself on the same port (SO_REUSEPORT), and the kernel deals the clients
 * out.
 *
 * @run deno run --unstable-net --allow-net --allow-read scripts/multithread_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { hangUp, MAX_MESSAGE, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : multithread_server.ts [--host 127.0.0.1] [--port 50000]" +
  " [--threads N (un par cœur)] [--timeout 300 (secondes par message)]" +
  " [--max-clients 10000] [--quiet (rien sur les clients ni les messages)]" +
  " [--raw (une lecture = un message)] [--help]";

/** What the main thread tells each worker. */
export interface Settings {
  listen: Deno.TcpListenOptions;
  thread: number;
  /** How many clients each thread has, in memory that all threads see. */
  clients: Int32Array;
  maxClients: number;
  /** Seconds that a client has for one whole message. */
  timeout: number;
  quiet: boolean;
  raw: boolean;
}

const ANSWER = new TextEncoder().encode("Message reçu\n");
// Encoded once, for as many messages as one read can bring, all of them empty.
const ANSWERS = new TextEncoder().encode(
  "Message reçu\n".repeat(MAX_MESSAGE + 2),
);

interface Client {
  conn: Deno.TcpConn;
  name: string;
  /** What is being written to it. */
  answer?: Promise<void>;
  /** Its end, once that has begun: there is only one. */
  end?: Promise<void>;
  /** Ticks of the watch since it was last answered. */
  ticks: number;
}

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Serves all clients at once, until `signal` aborts and the last has gone. */
export async function serve(
  listener: Deno.TcpListener,
  signal: AbortSignal,
  settings: Settings,
): Promise<void> {
  const { clients, thread, maxClients, timeout, raw } = settings;
  const here = new Set<Client>();
  // Stored, not added to: a thread may be ended at any point, and leave a count
  // that is wrong to the one that replaces it.
  const count = () => Atomics.store(clients, thread, here.size);
  count();
  const total = () =>
    clients.reduce((sum, _, i) => sum + Atomics.load(clients, i), 0);
  const dismiss = (client: Client, reason: string) => {
    if (client.end) return;
    console.error(`${client.name} : ${reason}`);
    client.end = hangUp(client.conn, reason, raw, client.answer);
  };
  const leave = (client: Client) => {
    here.delete(client);
    count();
  };
  signal.addEventListener("abort", () => listener.close());
  // One timer for all: one for each message would cost more than the message. It
  // counts ticks, four a second, and reads no clock: what comes while the server is
  // stopped (Ctrl-Z), or its machine too busy, is not late.
  const watch = setInterval(() => {
    for (const client of here) {
      // Two more: the first may come at once, and so may the one after a stop.
      if (++client.ticks < timeout * 4 + 2) continue;
      dismiss(client, `Délai dépassé : ${timeout} s`);
    }
  }, 250);
  while (!signal.aborted) {
    try {
      const conn = await listener.accept();
      const name = `${address(conn.remoteAddr)} [Thread ${thread + 1}]`;
      const client = { conn, name, ticks: 0 };
      here.add(client);
      count();
      // Of two threads that take the last place at once, each gives it back.
      const full = total() > maxClients;
      if (full) leave(client);
      // Not awaited: both end by themselves.
      if (full) dismiss(client, "Serveur complet");
      else handle(client, settings).then(() => leave(client));
    } catch (error) {
      if (signal.aborted) break;
      console.error(`Client non accepté : ${(error as Error).message}`);
      // A client that was reset in the backlog concerns nobody else. But without a
      // free file descriptor, accept would fail again at once: pause.
      if (!(error instanceof Deno.errors.NotConnected)) await pause(50);
    }
  }
  for (const client of here) dismiss(client, "Le serveur s'arrête");
  while (here.size > 0) await pause(10);
  clearInterval(watch);
}

/** Answers each message of a client, until FIN or the end of the stream. */
async function handle(client: Client, settings: Settings): Promise<void> {
  const { conn, name } = client, { quiet, raw } = settings;
  let lastWord = "";
  try {
    if (!quiet) console.log(`Instance de serveur prête pour ${name}`);
    // Of two small writes in a row, the second would wait until the client has
    // acknowledged the first (Nagle's algorithm, 40 ms).
    conn.setNoDelay(true);
    const reader = new MessageReader(conn, raw);
    // Raw, the whole text is one message, whatever is in it.
    const ending = (text: string, at: number) =>
      raw && at === 0 ? text.length - 1 : text.indexOf("\n", at);
    for (let fin, text; !fin && (text = await reader.readText()) !== null;) {
      // Dismissed: `hangUp` takes some of its bytes.
      if (client.end) break;
      let count = 0;
      for (let at = 0, end; !fin && (end = ending(text, at)) >= 0;) {
        // To cut the text into messages costs more than all the rest. Quiet, only
        // what is short enough to be FIN, with a few blanks, is looked at.
        if (!quiet || end - at <= 16) {
          const line = text.slice(at, end);
          fin = /^\s{0,6}fin\s{0,7}$/i.test(line);
          if (!quiet) {
            console.log(`Message reçu du client ${name} : ${printable(line)}`);
          }
        }
        at = end + 1;
        count++;
      }
      // One write for all the answers to a read.
      const length = raw ? ANSWER.length - 1 : count * ANSWER.length;
      client.answer = write(conn, ANSWERS.subarray(0, length));
      await client.answer;
      client.ticks = 0;
    }
  } catch (error) {
    // It is lost, does not keep to the rules, or has been dismissed.
    const { message } = error as Error;
    if (error instanceof Refusal) lastWord = message;
    if (!client.end) console.error(`${name} : ${message}`);
  }
  await (client.end ??= hangUp(conn, lastWord, raw));
  if (!quiet) console.log(`Connexion fermée avec ${name}`);
}

/** Starts a thread, and waits until it listens; another replaces it if it dies. */
export function start(settings: Settings, signal: AbortSignal): Promise<void> {
  const worker = new Worker(import.meta.url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let ready = false;
  const die = async (reason: string) => {
    worker.terminate();
    if (!ready) return reject(new Error(reason));
    Atomics.store(settings.clients, settings.thread, 0);
    for (; !signal.aborted; await pause(1000)) {
      console.error(`Thread ${settings.thread + 1} mort, remplacé : ${reason}`);
      try {
        return await start(settings, signal);
      } catch (error) {
        reason = (error as Error).message;
      }
    }
  };
  worker.onmessage = ({ data }) => {
    if (data !== "ready") return die(data);
    ready = true;
    resolve();
  };
  worker.onerror = (event) => {
    // Without this, an error in a worker would end the main thread too.
    event.preventDefault();
    die(event.message);
  };
  signal.addEventListener("abort", () => worker.postMessage("stop"));
  worker.postMessage(settings);
  return promise;
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const cores = `${Math.min(64, navigator.hardwareConcurrency)}`;
  const { help, host, raw, quiet, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "raw", "quiet"],
    string: ["host", "port", "threads", "timeout", "max-clients"],
    default: {
      ...{ host: "127.0.0.1", port: "50000", threads: cores },
      ...{ timeout: "300", "max-clients": "10000" },
    },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  const number = (name: keyof typeof args, least: number, most: number) => {
    const form = name === "timeout" ? /^\d+(\.\d+)?$/ : /^\d+$/;
    const text = `${args[name]}`, value = Number(text);
    if (form.test(text) && value >= least && value <= most) return value;
    exit(2, `--${name} "${text}" : écrivez un nombre de ${least} à ${most}`);
  };
  const port = number("port", 0, 65535);
  const timeout = number("timeout", 0.1, 86400);
  const maxClients = number("max-clients", 1, 1e6);
  let threads = number("threads", 1, 64);
  // Only Linux deals clients out to listeners that share a port.
  const reusePort = Deno.build.os === "linux" && "listenDatagram" in Deno;
  if (threads > 1 && !reusePort) {
    console.error(
      "Partager un port demande Linux et --unstable-net : un seul thread",
    );
    threads = 1;
  }
  const stop = new AbortController();
  const clients = new Int32Array(new SharedArrayBuffer(4 * threads));
  const onSignal = async () => {
    if (stop.signal.aborted) Deno.exit(130);
    stop.abort();
    const end = performance.now() + 3000;
    while (clients.some(Boolean) && performance.now() < end) await pause(10);
    console.log("Serveur arrêté");
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const path = import.meta.filename;
    const { state } = await Deno.permissions.request({ name: "read", path });
    if (state !== "granted") throw new Deno.errors.NotCapable();
    // With SO_REUSEPORT, the workers would share the port in silence even with
    // another server of this user. A listener without it fails instead; and it
    // turns port 0 into a number.
    const probe = Deno.listen({ hostname: host, port });
    probe.close();
    const listen = { ...probe.addr, reusePort, tcpBacklog: 4096 };
    const settings = { listen, clients, maxClients, timeout, quiet, raw };
    const begin = (thread: number) =>
      start({ ...settings, thread }, stop.signal);
    await Promise.all([...clients.keys()].map(begin));
    const where = `${address(probe.addr)} (threads : ${threads})`;
    console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
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

if ("DedicatedWorkerGlobalScope" in globalThis) {
  // In a worker, `self` is the other end of the channel to the main thread.
  const parent = self as unknown as Worker, stop = new AbortController();
  parent.onmessage = async ({ data }: MessageEvent<Settings | "stop">) => {
    try {
      if (data === "stop") return stop.abort();
      const listener = Deno.listen(data.listen);
      parent.postMessage("ready");
      await serve(listener, stop.signal, data);
    } catch (error) {
      parent.postMessage((error as Error).message);
    }
  };
} else if (import.meta.main) {
  await main();
}
