#!/usr/bin/env -S deno run --unstable-net --allow-net
/**
 * UDP client, one message and its answer: section 1, DGRAM and STREAM.
 *
 * A lost datagram, or an absent server, shows only as silence. So the client sends
 * again, waits longer each time, and gives up. The server may thus see a message
 * twice: asking twice must do no harm.
 *
 * @run deno run --unstable-net --allow-net scripts/udp_client.ts
 */
import { isUtf8 } from "node:buffer";
import { lookup } from "node:dns/promises";
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, printable, Refusal } from "./encoding.ts";

/**
 * Sends a message, again 1 s and 3 s later (RFC 8085), and waits for the answer.
 *
 * @param server Its IP address and port.
 * @param limit Milliseconds for all of it.
 * @throws {Deno.errors.TimedOut} If no answer comes in time.
 * @throws {Refusal} If the answer is not UTF-8.
 */
export async function ask(
  server: Deno.NetAddr,
  message: string,
  limit = 5000,
): Promise<string> {
  const request = encode(message, true); // Raw: no line end is added.
  // Any address of ours ("::", "0.0.0.0"), any free port (0): the answer comes there.
  const hostname = server.hostname.includes(":") ? "::" : "0.0.0.0";
  const socket = Deno.listenDatagram({ hostname, port: 0, transport: "udp" });
  const late = AbortSignal.timeout(limit);
  const close = () => socket.close();
  // Closing is the only way to cancel a pending receive.
  late.addEventListener("abort", close);
  // A repetition that fails is one more lost datagram.
  const repeat = () => socket.send(request, server).catch(() => {});
  const timers = [setTimeout(repeat, 1000), setTimeout(repeat, 3000)];
  const nobody = `aucune réponse de ${address(server)}`;
  let problem = `${nobody} : le serveur est-il lancé ?`;
  try {
    await socket.send(request, server);
    // Room for the longest datagram: what does not fit would be lost in silence.
    const buffer = new Uint8Array(65535);
    while (true) {
      const datagram = await socket.receive(buffer).catch((error) => {
        if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
      });
      if (!datagram) continue; // On Windows: a request has reached nobody.
      const [bytes, sender] = datagram;
      const from = address(sender as Deno.NetAddr);
      // Anyone can send to this port: only the server's answer counts.
      if (from !== address(server)) {
        problem =
          `${nobody} ; une réponse est venue d'une autre adresse, ${from}`;
        continue;
      }
      if (!isUtf8(bytes)) throw new Refusal("la réponse n'est pas de l'UTF-8");
      return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
    }
  } catch (error) {
    throw late.aborted ? new Deno.errors.TimedOut(problem) : error;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    late.removeEventListener("abort", close);
    if (!late.aborted) socket.close(); // Else `close` has done it.
  }
}

function address({ hostname, port }: Deno.NetAddr): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return new URL(`udp://${host}:${port}`).host; // One spelling for each IPv6 address.
}

async function main(): Promise<void> {
  const { host, port, help, _: words } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port", "_"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument, option) => {
      if (!option) return; // A word of the message.
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : [MESSAGE] --host, --port");
  if (!("listenDatagram" in Deno)) {
    throw new Error("pas d'UDP : ajoutez --unstable-net");
  }
  const to = Number(port);
  // Deno does not check a datagram's port: 70000 would become 4464.
  if (!(to >= 1 && to <= 65535)) throw new RangeError(`Invalid port: ${port}`);
  if (host === "") throw new Error("--host est vide");
  const message = words.join(" ") || "Bonjour, je suis le client";
  // ask() compares IP addresses: look up the host's ("[::1]" without its brackets).
  const { address: hostname } = await lookup(host.replace(/^\[|\]$/g, ""));
  const server: Deno.NetAddr = { hostname, port: to, transport: "udp" };
  const answer = await ask(server, message);
  console.log(printable(answer));
}

if (import.meta.main) {
  await main().catch((error) => {
    const forbidden = error.message.startsWith("getaddrinfo EPERM");
    console.error(`${error}${forbidden ? " : ajoutez --allow-net" : ""}`);
    Deno.exit(1);
  });
}
