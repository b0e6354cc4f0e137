#!/usr/bin/env -S deno run --unstable-net --allow-net
/**
 * UDP server: section 1, DGRAM and STREAM.
 *
 * A datagram is a whole message, without connection or stream. Nothing is promised:
 * datagrams get lost, doubled and reordered, a burst beyond the socket's buffer is
 * dropped, and a sender's address may be forged. Good for what is worthless once
 * late, such as voice. Where each message counts, take TCP (server_simple.ts).
 *
 * @run deno run --unstable-net --allow-net scripts/udp_server.ts
 */
import { isUtf8 } from "node:buffer";
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, printable } from "./encoding.ts";

const ANSWER = "Bonjour, je suis le serveur";
const REFUSAL = "Message refusé : ce n'est pas de l'UTF-8";

/** Answers each datagram to its sender, until `stop` aborts. */
export async function serve(
  socket: Deno.DatagramConn,
  stop: AbortSignal,
): Promise<void> {
  stop.addEventListener("abort", () => socket.close());
  // Room for the longest datagram: what does not fit would be lost in silence.
  const buffer = new Uint8Array(65535);
  while (!stop.aborted) {
    let bytes: Uint8Array;
    let sender: Deno.Addr;
    try {
      [bytes, sender] = await socket.receive(buffer);
    } catch (error) {
      if (stop.aborted) return;
      // On Windows: an earlier answer has reached nobody.
      if (error instanceof Deno.errors.ConnectionReset) continue;
      throw error;
    }
    const from = address(sender as Deno.NetAddr);
    const message = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    console.log(`Message reçu de ${from} : ${printable(message)}`);
    // A forged sender may be such a server too: both would answer for ever.
    if (message === ANSWER || message === REFUSAL) continue;
    const answer = isUtf8(bytes) ? ANSWER : REFUSAL;
    await socket.send(encode(answer, true), sender).catch((error) => {
      // Its port may be 0, for example. The next sender is served all the same.
      if (!stop.aborted) console.error(`Réponse perdue : ${error}`);
    });
  }
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

async function main(): Promise<void> {
  const { host, port, help } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : --host, --port");
  if (!("listenDatagram" in Deno)) {
    throw new Error("pas d'UDP : ajoutez --unstable-net");
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  const socket = Deno.listenDatagram({
    hostname: host,
    port: Number(port),
    transport: "udp",
  });
  const where = address(socket.addr as Deno.NetAddr);
  console.log(`Serveur prêt, en attente de requêtes sur ${where}`);
  await serve(socket, stop.signal);
  console.log("Serveur arrêté");
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 50001" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
