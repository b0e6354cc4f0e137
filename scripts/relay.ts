#!/usr/bin/env -S deno run --allow-net
/**
 * A bad network on demand, between clients and a server; it shows what passes.
 *
 * TCP promises all the bytes in their order: not when, nor in which pieces. What does
 * your program make of `--slice 1`, `--late 200`, `--reset-after 10`? The server is on
 * port 50000, the client connects to 50001. The relay reads and writes like every
 * program, and sees no packets. Of Deno's sockets, only those of node:net can reset at will.
 *
 * @run deno run --allow-net scripts/relay.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import net from "node:net";
import { addAbortSignal } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";

/** From the client to the server, or back. */
export type Way = "→" | "←";
const ENDS = ["half-close-after", "reset-after", "stall-after"] as const;
const OPTIONS = ["host", "port", "to", "slice", "late", "glue", ...ENDS];

/** What happens on the way, by the names of the options; the same each time. */
export type Faults = {
  slice?: number; // The most bytes of a piece.
  late?: number; // Milliseconds that each piece waits.
  glue?: number; // Milliseconds in which what comes, up to 64 KiB, is one piece.
  "half-close-after"?: number; // Bytes on one way: then this half ends,
  "reset-after"?: number; // or both connections are reset,
  "stall-after"?: number; // or nothing more passes this way.
  way?: Way; // On which way these count; "→" unless told.
};

/** Connects a client to the server at `target`, until both have closed, or `stop`. */
export async function relay(
  client: net.Socket,
  target: { host: string; port: number },
  faults: Faults,
  show: (way: Way, what: string, size?: number) => void,
  stop = new AbortController().signal,
): Promise<void> {
  const server = net.connect({ ...target, allowHalfOpen: true });
  const closed = (from: net.Socket, to: net.Socket, way: Way) => {
    addAbortSignal(stop, from);
    from.setNoDelay(true);
    from.on("error", (error) => {
      // A name may have several addresses, each with an error of its own.
      show(way, (error as AggregateError).errors?.[0].message ?? error.message);
      to.resetAndDestroy();
    });
    return new Promise((resolve) => from.on("close", resolve));
  };
  server.on("connect", () => {
    // What fails has been shown then, or is the stop.
    pass(client, server, "→").catch(() => {});
    pass(server, client, "←").catch(() => {});
  });
  await Promise.all([closed(client, server, "→"), closed(server, client, "←")]);

  async function pass(from: net.Socket, to: net.Socket, way: Way) {
    const { slice = Infinity, late = 0, glue = 0 } = faults;
    const end = ENDS.find((end) => faults[end] && way === (faults.way ?? "→"));
    let left = end ? faults[end]! : Infinity;
    // The end of this loop is not that of the connection, which may stall.
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      if (glue > 0) await pause(glue, undefined, { signal: stop });
      const more = from.read(from.readableLength) ?? Buffer.alloc(0);
      let bytes = Buffer.concat([chunk, more]);
      while (bytes.length > 0 && left > 0) {
        if (late > 0) await pause(late, undefined, { signal: stop });
        const piece = bytes.subarray(0, Math.min(slice, left));
        if (await new Promise((done) => to.write(piece, done))) return;
        show(way, `${piece.length} ${quote(piece)}`, piece.length);
        bytes = bytes.subarray(piece.length);
        left -= piece.length;
      }
      if (left === 0) break;
    }
    if (left > 0 || end === "half-close-after") {
      show(way, "fin");
      to.end();
      from.resume(); // What comes now is lost.
    } else if (end === "reset-after") {
      show(way, "reset");
      from.resetAndDestroy();
      to.resetAndDestroy();
    } else show(way, "silence");
  }
}

/** The first 40 characters; what is not UTF-8, or commands a terminal, is escaped. */
function quote(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "", start = 0;
  for (let count = 0; count < 40 && start < bytes.length; count++) {
    const [character] = decoder.decode(bytes.subarray(start, start + 4));
    const broken = character === "\uFFFD"; // The decoder's, where it is not UTF-8.
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    const visible = JSON.stringify(character).slice(1, -1)
      .replace("\\u00", "\\x")
      .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u, `\\u${code}`);
    text += broken ? `\\x${bytes[start].toString(16)}` : visible;
    start += broken ? 1 : new TextEncoder().encode(character).length;
  }
  return `"${text}"${start < bytes.length ? "…" : ""}`;
}

async function main(): Promise<void> {
  const { help, host, port, to, _, ...numbers } = parseArgs(Deno.args, {
    boolean: ["help"],
    string: OPTIONS,
    default: { host: "127.0.0.1", port: "50001", to: "127.0.0.1:50000" },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log(`Options : --${OPTIONS.join(", --")}`);
  const faults: Record<string, number> = {};
  for (const [name, value] of Object.entries(numbers)) {
    const whole = /^[1-9]\d*$/.test(`${value}`);
    if (!whole) throw new Error(`--${name} : un entier, 1 au moins`);
    faults[name] = Number(value);
  }
  const { hostname, port: toPort } = new URL(`tcp://${to}`);
  if (toPort === "") throw new Error("--to : HÔTE:PORT");
  const target = { host: hostname.replace(/[[\]]/g, ""), port: Number(toPort) };
  // Its connections end with it. Windows has no SIGTERM.
  const onSignal = () => Deno.exit(0);
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  // What is wrong with an address, Deno says better than node:net.
  const probe = Deno.listen({ hostname: host, port: Number(port) });
  probe.close();
  let clients = 0;
  const listener = net.createServer({ allowHalfOpen: true }, (client) => {
    const number = `#${++clients}`.padEnd(5);
    relay(client, target, faults, (way, what) => {
      const time = performance.now().toFixed(1).padStart(8);
      const hint = what.includes("REFUSED") ? " : lancez le serveur" : "";
      try {
        console.log(`${time} ms  ${number}  ${way} ${what}${hint}`);
      } catch { /* On a full disk, the line is lost. */ }
    });
  });
  // Each takes two descriptors. Once none is free, node:net accepts nobody ever again.
  listener.maxConnections = 100;
  await once(listener.listen(Number(port), probe.addr.hostname), "listening");
  const { address, port: own } = listener.address() as net.AddressInfo;
  const ip = address.includes(":") ? `[${address}]` : address;
  console.log(`Relais vers ${to}, en attente de clients sur ${ip}:${own}`);
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 50002" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
