/**
 * Faults on the way, between a client and a server: scripts/relay.ts for what TCP
 * carries, and a relay for datagrams. All that is left to chance here is drawn from
 * a seed, by the count of the datagrams and never by the clock.
 * `FAULT_SEED=123 deno task test` changes it.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { type Faults, relay, type Way } from "../../scripts/relay.ts";

/** What the tests draw from: FAULT_SEED, or 1. */
export const SEED = Number(Deno.env.get("FAULT_SEED") ?? 1) >>> 0;

/** What a {@linkcode UdpRelay} does, each with a probability from 0 to 1. */
export interface UdpFaults {
  drop?: number;
  duplicate?: number;
  /** The most milliseconds that a datagram waits, and is overtaken. */
  delay?: number;
}

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Waits, unless and until `stop` aborts. */
function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resume) => {
    if (stop.aborted) return resume();
    const end = () => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resume();
    };
    const timer = setTimeout(end, ms);
    stop.addEventListener("abort", end);
  });
}

/** scripts/relay.ts, in front of the server at `target`, on a free port of its own. */
export class TcpRelay implements AsyncDisposable {
  /** Where clients connect to. */
  port = 0;
  /** How many bytes went on at a time. */
  readonly pieces: Record<Way, number[]> = { "→": [], "←": [] };
  #stop = new AbortController();
  #relays: Promise<void>[] = [];
  #listener: net.Server;
  #end = Promise.withResolvers<string>();

  private constructor(target: number, faults: Faults) {
    const to = { host: "127.0.0.1", port: target };
    const show = (way: Way, what: string, size?: number) => {
      if (size) this.pieces[way].push(size);
      else this.#end.resolve(`${way} ${what}`);
    };
    this.#listener = net.createServer({ allowHalfOpen: true }, (client) => {
      this.#relays.push(relay(client, to, faults, show, this.#stop.signal));
    });
  }

  /** Starts one. */
  static async start(target: number, faults: Faults = {}): Promise<TcpRelay> {
    const relay = new TcpRelay(target, faults);
    await once(relay.#listener.listen(0, "127.0.0.1"), "listening");
    relay.port = (relay.#listener.address() as net.AddressInfo).port;
    return relay;
  }

  /** The first end of a way, and which. */
  get end(): Promise<string> {
    return this.#end.promise;
  }

  /** Cuts off whoever is still connected, and stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const closed = new Promise((resolve) => this.#listener.close(resolve));
    await Promise.all([closed, ...this.#relays]);
  }
}

/** A proxy for datagrams; each client is seen by the server as a port of its own. */
export class UdpRelay implements Disposable {
  /** How often each datagram went on, in order, by way. */
  readonly copies: Record<"up" | "down", number[]> = { up: [], down: [] };
  #stop = new AbortController();
  #front = open();
  #backs = new Map<number, Deno.DatagramConn>();

  constructor(
    readonly target: number,
    readonly faults: UdpFaults = {},
    readonly seed = SEED,
  ) {
    const up = random(seed), down = random(seed + 1);
    this.#listen(this.#front, (bytes, client) => {
      let back = this.#backs.get(client.port);
      if (!back) {
        back = open();
        this.#backs.set(client.port, back);
        this.#listen(
          back,
          (answer) => this.#pass(answer, this.#front, client, "down", down),
        );
      }
      this.#pass(bytes, back, { ...client, port: this.target }, "up", up);
    });
  }

  /** Where clients send to. */
  get port(): number {
    return (this.#front.addr as Deno.NetAddr).port;
  }

  /** Stops; datagrams on their way are lost. */
  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const socket of [this.#front, ...this.#backs.values()]) socket.close();
  }

  async #listen(
    socket: Deno.DatagramConn,
    hear: (bytes: Uint8Array, from: Deno.NetAddr) => void,
  ): Promise<void> {
    // Once it is closed, the loop ends.
    for await (const [bytes, from] of socket) hear(bytes, from as Deno.NetAddr);
  }

  async #pass(
    bytes: Uint8Array,
    socket: Deno.DatagramConn,
    to: Deno.NetAddr,
    way: "up" | "down",
    next: () => number,
  ): Promise<void> {
    const { drop = 0, duplicate = 0, delay = 0 } = this.faults;
    // All are drawn for each, so that no fate depends on the fate before.
    const lost = next() < drop,
      twice = next() < duplicate,
      wait = delay * next();
    const copies = lost ? 0 : twice ? 2 : 1;
    this.copies[way].push(copies);
    await pause(wait, this.#stop.signal);
    for (let copy = 0; copy < copies && !this.#stop.signal.aborted; copy++) {
      await socket.send(bytes, to).catch(() => {}); // Closed meanwhile.
    }
  }
}

function open(): Deno.DatagramConn {
  const at = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
  return Deno.listenDatagram(at);
}
