#!/usr/bin/env -S deno run --unstable-net --allow-net
/**
 * UDP client, one message and its answer: section 1, DGRAM beside STREAM.
 *
 * That a datagram was lost, or that nobody is there, shows in silence alone
 * (unless the socket is connected to its peer, which Deno does not offer). So the
 * client sends again, waits longer each time, and gives up. The server may thus
 * see a message twice: asking twice must do no harm.
 *
 * @run deno run --unstable-net --allow-net scripts/udp_client.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { lookup } from "node:dns/promises";
import { printable, Refusal } from "./encoding.ts";

const HELP = "Usage : udp_client.ts [MESSAGE] [--host 127.0.0.1]" +
  " [--port 50000] [--timeout 5 (secondes)] [--help]";

/**
 * Sends a message, again after 1 s, 3 s, 7 s… (RFC 8085, 3.1.1), until the answer
 * is there.
 *
 * @param timeout Seconds to wait for the answer, all tries together.
 * @throws {Deno.errors.TimedOut} If none comes in time.
 * @throws {Refusal} If the answer is not UTF-8.
 */
export async function ask(
  socket: Deno.DatagramConn,
  server: Deno.NetAddr,
  message: string,
  timeout = 5,
): Promise<string> {
  const request = new TextEncoder().encode(message);
  const { promise: failure, reject } = Promise.withResolvers<never>();
  const late = () => reject(new Deno.errors.TimedOut());
  const limit = setTimeout(late, timeout * 1000);
  let wait = 1000, again: ReturnType<typeof setTimeout> | undefined;
  const send = () => {
    socket.send(request, server).catch(reject);
    again = setTimeout(send, wait);
    wait *= 2;
  };
  send();
  try {
    const buffer = new Uint8Array(65535);
    while (true) {
      const [bytes, from] = await Promise.race([
        socket.receive(buffer),
        failure,
      ]);
      // Anyone can send to this port: only the server's answer counts.
      const { hostname, port } = from as Deno.NetAddr;
      if (hostname !== server.hostname || port !== server.port) continue;
      return decode(bytes);
    }
  } finally {
    clearTimeout(limit);
    clearTimeout(again);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    const exact = { fatal: true, ignoreBOM: true };
    return new TextDecoder("utf-8", exact).decode(bytes);
  } catch {
    throw new Refusal("Réponse refusée : ce n'est pas de l'UTF-8");
  }
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const words: string[] = []; // As they are: parseArgs makes 007 a number.
  const { host, help, ...args } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port", "timeout"],
    default: { host: "127.0.0.1", port: "50000", timeout: "5" },
    unknown: (arg, key) => {
      if (key) exit(2, `"${arg}" : argument inconnu. ${HELP}`);
      words.push(arg);
      return false;
    },
  });
  if (help) return console.log(HELP);
  const port = /^[1-9]\d*$/.test(args.port) ? Number(args.port) : NaN;
  const timeout = Number(args.timeout);
  words.push(...args._.map(String)); // What follows "--".
  const [message = "Bonjour, je suis le client", extra] = words;
  if (extra !== undefined) {
    exit(2, `Un seul message, entre guillemets : "${message} ${extra} …"`);
  }
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 1 à 65535`);
  if (!(timeout >= 0.1 && timeout <= 86400)) {
    exit(2, `--timeout "${args.timeout}" : écrivez de 0.1 à 86400 secondes`);
  }
  if (!("listenDatagram" in Deno)) {
    exit(1, "Pas d'UDP : ajoutez --unstable-net");
  }
  const stop = () => Deno.exit(0);
  Deno.addSignalListener("SIGINT", stop);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  try {
    // The answer will come from an address, whatever name was asked for.
    const { address, family } = await lookup(host.replace(/^\[(.*)\]$/, "$1"));
    // IPv6 addresses have several spellings: use the one that `receive` reports.
    const hostname = family === 6
      ? new URL(`http://[${address}]`).hostname.slice(1, -1)
      : address;
    const any = family === 6 ? "::" : "0.0.0.0", transport = "udp";
    const socket = Deno.listenDatagram({ hostname: any, port: 0, transport });
    const server: Deno.NetAddr = { hostname, port, transport };
    try {
      console.log(printable(await ask(socket, server, message, timeout)));
    } finally {
      socket.close();
    }
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    const advice: Record<string, string> = {
      TimedOut: `aucune réponse en ${timeout} s : le serveur est-il lancé ?`,
      EMSGSIZE: "message trop long : 65507 octets au plus par datagramme",
      ENOTFOUND: "hôte inconnu : vérifiez --host",
      NotCapable: "réseau interdit par Deno : ajoutez --allow-net",
    };
    exit(1, `${host} port ${port} : ${advice[code ?? name] ?? message}`);
  }
}

if (import.meta.main) await main();
