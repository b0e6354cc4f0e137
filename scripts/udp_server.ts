#!/usr/bin/env -S deno run --unstable-net --allow-net
/**
 * UDP server: section 1, DGRAM beside STREAM.
 *
 * A datagram is a message: no connection, no stream, nothing to cut or to end. In
 * return nothing is promised: datagrams get lost, duplicated and reordered, what
 * a burst brings beyond the socket's buffer is dropped, and the sender's address
 * may be forged. Good for what is worthless once late, such as voice; where each
 * message counts, take TCP (server_simple.ts).
 *
 * @run deno run --unstable-net --allow-net scripts/udp_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { printable } from "./encoding.ts";

const HELP = "Usage : udp_server.ts [--host 127.0.0.1] [--port 50000]" +
  " [--help]";

/** Answers each datagram to its sender, until `signal` aborts. Never throws. */
export async function serve(
  socket: Deno.DatagramConn,
  signal: AbortSignal,
): Promise<void> {
  signal.addEventListener("abort", () => socket.close());
  // Room for the longest datagram: what does not fit would be lost in silence.
  const buffer = new Uint8Array(65535);
  while (!signal.aborted) {
    try {
      const [bytes, sender] = await socket.receive(buffer);
      const from = address(sender as Deno.NetAddr);
      const reply = new TextEncoder().encode(answer(bytes, from));
      await socket.send(reply, sender);
    } catch (error) {
      if (signal.aborted) return;
      // An answer that could not be sent, or (Windows) the news that an earlier
      // one did not arrive: none of it concerns the next sender.
      console.error(`Datagramme perdu : ${(error as Error).message}`);
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }
}

/** Prints a datagram's message, and returns what to say to it. */
function answer(bytes: Uint8Array, from: string): string {
  try {
    const exact = { fatal: true, ignoreBOM: true };
    const message = new TextDecoder("utf-8", exact).decode(bytes);
    console.log(`Message reçu de ${from} : ${printable(message)}`);
    return "Bonjour, je suis le serveur";
  } catch {
    console.error(`Message refusé de ${from} : ce n'est pas de l'UTF-8`);
    return "Message refusé : ce n'est pas de l'UTF-8";
  }
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
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^\d+$/.test(args.port) ? Number(args.port) : NaN;
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 0 à 65535`);
  if (!("listenDatagram" in Deno)) {
    exit(1, "Pas d'UDP : ajoutez --unstable-net");
  }

  const stop = new AbortController();
  const onSignal = () => stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const transport = "udp";
    const socket = Deno.listenDatagram({ hostname: host, port, transport });
    const where = address(socket.addr as Deno.NetAddr);
    console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
    await serve(socket, stop.signal);
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
