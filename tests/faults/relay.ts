/**
 * Faults on the way: a relay in user space, between a client and a server.
 *
 * All that is left to chance is drawn from a seed, by the count of the pieces that
 * pass and never by the clock: the same seed gives the same faults.
 * `FAULT_SEED=123 deno task test` changes it.
 *
 * @module
 */
import net from "node:net";

/** What the tests draw from: FAULT_SEED, or 1. */
export const SEED = Number(Deno.env.get("FAULT_SEED") ?? 1) >>> 0;

/** From the client to the server is up. */
export type Way = "up" | "down";

/** Where on its way something happens: when so many bytes have passed. */
export interface Point {
  way: Way;
  after: number;
}

/** What a {@linkcode TcpRelay} does to each connection. */
export interface TcpFaults {
  /** The most milliseconds that a piece waits. */
  delay?: number;
  /** The most bytes of a piece. */
  slice?: number;
  /** Milliseconds for which all that comes is kept, to go on as one piece. */
  glue?: number;
  /** The end of one half of the stream; what comes after it is lost. */
  halfClose?: Point;
  /** A reset, of both connections. */
  reset?: Point;
  /** From here on, nothing passes; both connections stay open. */
  stall?: Point;
}

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

/** A proxy between clients and the server at `target`, on a free port of its own. */
export class TcpRelay implements AsyncDisposable {
  /** Where clients connect to. */
  port = 0;
  /** How many bytes went on at a time. */
  readonly pieces: Record<Way, number[]> = { up: [], down: [] };
  /** Resolves when the fault that has a place on the way has happened. */
  readonly struck: Promise<void>;
  #strike: () => void;
  #stop = new AbortController();
  #sockets = new Set<net.Socket>();
  #listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });

  private constructor(
    readonly target: number,
    readonly faults: TcpFaults,
    readonly seed: number,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    [this.struck, this.#strike] = [promise, resolve];
    this.#listener.on("connection", (client) => this.#connect(client));
  }

  /** Starts one. */
  static async start(
    target: number,
    faults: TcpFaults = {},
    seed = SEED,
  ): Promise<TcpRelay> {
    const relay = new TcpRelay(target, faults, seed);
    await new Promise<void>((ready) =>
      relay.#listener.listen(0, "127.0.0.1", ready)
    );
    relay.port = (relay.#listener.address() as net.AddressInfo).port;
    return relay;
  }

  /** Cuts off whoever is still connected, and stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const closed = [...this.#sockets].map((socket) =>
      new Promise((resolve) => socket.on("close", resolve).destroy())
    );
    closed.push(new Promise((resolve) => this.#listener.close(resolve)));
    await Promise.all(closed);
  }

  #connect(client: net.Socket): void {
    const address = { port: this.target, host: "127.0.0.1" };
    const server = net.connect({ ...address, allowHalfOpen: true });
    for (const [one, other] of [[client, server], [server, client]]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      // One that is refused or reset: so is the other. "close" follows.
      one.on("error", () => other.resetAndDestroy());
      one.on("close", () => this.#sockets.delete(one));
    }
    server.on("connect", () => {
      this.#pump(client, server, "up", random(this.seed));
      this.#pump(server, client, "down", random(this.seed + 1));
    });
  }

  /** Passes on what comes from one side, and its end. */
  async #pump(
    from: net.Socket,
    to: net.Socket,
    way: Way,
    next: () => number,
  ): Promise<void> {
    const { delay = 0, slice = Infinity, glue = 0 } = this.faults;
    const { halfClose, reset, stall } = this.faults;
    const point = [halfClose, reset, stall].find((point) => point?.way === way);
    const stop = this.#stop.signal;
    let left = point ? point.after : Infinity;
    try {
      // Without an end of its own: a stall, too, keeps the connection open.
      const incoming = from.iterator({ destroyOnReturn: false });
      while (left > 0) {
        const { value, done } = await incoming.next();
        if (done) return void to.end();
        let bytes: Uint8Array = value;
        if (glue > 0) {
          await pause(glue, stop);
          const more: Uint8Array | null = from.read();
          if (more) bytes = Uint8Array.of(...bytes, ...more);
        }
        while (bytes.length > 0 && left > 0) {
          const most = Math.min(left, slice, bytes.length);
          const size = slice === Infinity
            ? most
            : 1 + Math.floor(next() * most);
          await pause(delay * next(), stop);
          if (stop.aborted || to.destroyed) return;
          await new Promise((sent) => to.write(bytes.subarray(0, size), sent));
          this.pieces[way].push(size);
          bytes = bytes.subarray(size);
          left -= size;
        }
      }
    } catch {
      return; // A reset, or the end of the relay.
    }
    if (point === halfClose) to.end();
    if (point === reset) {
      from.resetAndDestroy();
      to.resetAndDestroy();
    }
    this.#strike();
    if (point === halfClose) from.resume(); // What comes now is lost.
  }
}

/** A proxy for datagrams; each client is seen by the server as a port of its own. */
export class UdpRelay implements Disposable {
  /** How often each datagram went on, in order, by way. */
  readonly copies: Record<Way, number[]> = { up: [], down: [] };
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
    way: Way,
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
