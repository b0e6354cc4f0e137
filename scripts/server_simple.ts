#!/usr/bin/env -S deno run --allow-net
/**
 * TCP server, one client at a time: section 2, procedural sockets.
 *
 * The life of every server: listen, accept, read, write, close, accept the next.
 * Whoever comes meanwhile waits in the backlog, the kernel's queue of connections
 * not accepted yet, and one slow client holds up all the others: beyond a first
 * lesson, take multithread_server.ts. The course lets the whole network in; this
 * server listens on 127.0.0.1, its own machine, or on `--host`.
 *
 * @run deno run --allow-net scripts/server_simple.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { hangUp, MessageReader, printable, Refusal } from "./encoding.ts";

const HELP = "Usage : server_simple.ts [--host 127.0.0.1] [--port 50000]" +
  " [--timeout 30 (secondes par client)] [--raw (une lecture = un message)]" +
  " [--help]";

/**
 * Serves clients one after the other, until `signal` aborts.
 *
 * @param timeout Seconds that one client may take.
 */
export async function serve(
  listener: Deno.TcpListener,
  signal: AbortSignal,
  timeout = 30,
  raw = false,
): Promise<void> {
  signal.addEventListener("abort", () => listener.close());
  // Not `for await (const conn of listener)`, which ends with the first error.
  while (!signal.aborted) {
    try {
      await handleClient(await listener.accept(), signal, timeout, raw);
    } catch (error) {
      if (signal.aborted) return;
      console.error(`Client non accepté : ${(error as Error).message}`);
      // A client that was reset while it waited concerns nobody else. But without a
      // free file descriptor, accept would fail again at once: pause.
      if (error instanceof Deno.errors.NotConnected) continue;
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }
}

/** Prints one message, answers it and closes. Ends by itself, never throws. */
export async function handleClient(
  conn: Deno.TcpConn,
  signal: AbortSignal,
  timeout = 30,
  raw = false,
): Promise<void> {
  console.log(`Client connecté, adresse ${address(conn.remoteAddr)}`);
  const { promise: limit, reject } = Promise.withResolvers<never>();
  const late = () => reject(new Refusal(`Délai dépassé : ${timeout} s`));
  const stop = () => reject(new Refusal("Le serveur s'arrête"));
  const timer = setTimeout(late, timeout * 1000);
  signal.addEventListener("abort", stop);
  let answer = "Bonjour, je suis le serveur";
  try {
    const reading = new MessageReader(conn, raw).read();
    const messages = await Promise.race([reading, limit]);
    console.log(messages ? printable(messages[0]) : "Client parti sans un mot");
  } catch (error) {
    const { message } = error as Error;
    answer = error instanceof Refusal ? message : "";
    console.error(answer || `Client perdu : ${message}`);
  }
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
  await hangUp(conn, answer, raw);
  console.log("Connexion fermée");
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const { host, help, raw, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "raw"],
    string: ["host", "port", "timeout"],
    default: { host: "127.0.0.1", port: "50000", timeout: "30" },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^\d+$/.test(args.port) ? Number(args.port) : NaN;
  const timeout = Number(args.timeout);
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 0 à 65535`);
  if (!(timeout >= 0.1 && timeout <= 86400)) {
    exit(2, `--timeout "${args.timeout}" : écrivez de 0.1 à 86400 secondes`);
  }

  const stop = new AbortController();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    // The course's listen(5): about five may wait to be accepted (Linux: six). The
    // others' kernels ask again a second later, and again.
    const listener = Deno.listen({ hostname: host, port, tcpBacklog: 5 });
    const where = address(listener.addr);
    console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
    await serve(listener, stop.signal, timeout, raw);
    console.log("Serveur arrêté");
  } catch (error) {
    const { name, message } = error as Error, where = `${host} port ${port}`;
    if (name === "AddrInUse") {
      exit(1, `Port ${port} déjà utilisé : choisissez-en un autre avec --port`);
    }
    if (name === "NotCapable") {
      exit(1, "Réseau interdit par Deno : ajoutez --allow-net");
    }
    exit(1, `Impossible d'écouter sur ${where}, vérifiez --host : ${message}`);
  }
}

if (import.meta.main) await main();
