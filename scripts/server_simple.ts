#!/usr/bin/env -S deno run --allow-net
/**
 * TCP server, one client at a time: section 2, procedural sockets.
 *
 * The life of every server: listen, accept, read, write, close, accept the next.
 * Meanwhile others wait in the backlog, the kernel's queue of connections that are
 * not accepted yet. One slow client holds up all of them: for many, there is
 * multithread_server.ts. `--host 0.0.0.0` lets in other machines, as the course's.
 *
 * @run deno run --allow-net scripts/server_simple.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { hangUp, printable, receive, Refusal } from "./encoding.ts";

/** Serves one client after the other, until `stop` aborts. */
export async function serve(
  listener: Deno.TcpListener,
  stop: AbortSignal,
  raw = false,
): Promise<void> {
  stop.addEventListener("abort", () => listener.close());
  // Not `for await (const conn of listener)`: the first error would end the loop.
  while (!stop.aborted) {
    let conn: Deno.TcpConn | undefined;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (stop.aborted) return;
      console.error(`Client non accepté : ${error}`);
      // NotConnected: it has gone already. Otherwise, perhaps no descriptor is free.
      if (error instanceof Deno.errors.NotConnected) continue;
      await new Promise((resume) => setTimeout(resume, 50));
    }
    if (conn) await handleClient(conn, stop, raw);
  }
}

/** Reads a message within `limit` milliseconds, answers it and closes. */
export async function handleClient(
  conn: Deno.TcpConn,
  stop: AbortSignal,
  raw = false,
  limit = 30_000,
): Promise<void> {
  console.log(`Client connecté, adresse ${address(conn.remoteAddr)}`);
  const { promise: interruption, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Refusal("Délai dépassé")), limit);
  const onStop = () => reject(new Refusal("Le serveur s'arrête"));
  stop.addEventListener("abort", onStop);
  if (stop.aborted) onStop();
  let answer = "Bonjour, je suis le serveur";
  try {
    const first = receive(conn, raw).next();
    const { value: messages } = await Promise.race([first, interruption]);
    console.log(messages ? printable(messages[0]) : "Client parti sans un mot");
  } catch (error) {
    console.error(`Client perdu : ${error}`);
    answer = error instanceof Refusal ? error.message : "";
  }
  clearTimeout(timer);
  stop.removeEventListener("abort", onStop);
  await hangUp(conn, answer, raw);
  console.log("Connexion fermée");
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

async function main(): Promise<void> {
  const { host, port, raw, help } = parseArgs(Deno.args, {
    boolean: ["raw", "help"],
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : --host, --port, --raw");
  const stop = new AbortController();
  // A second signal ends it at once. Windows has no SIGTERM.
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  // The course's listen(5): about five clients may wait to be accepted.
  const options = { hostname: host, port: Number(port), tcpBacklog: 5 };
  const listener = Deno.listen(options);
  const where = address(listener.addr);
  console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
  await serve(listener, stop.signal, raw);
  console.log("Serveur arrêté");
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 50001" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
