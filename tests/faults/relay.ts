/**
 * Faults on the way: a relay in user space, between a client and a server.
 *
 * All that is left to chance is drawn from a seed, by the count of the pieces and
 * bytes that pass and never by the clock: the same seed gives the same faults, and
 * a test that fails prints it. `FAULT_SEED=123 deno task test` replays it.
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

/** A least and a most, both possible. */
export type Range = readonly [number, number];

/** What a {@linkcode TcpRelay} does to each connection. */
export interface TcpFaults {
  /** Milliseconds that each piece waits. */
  delay?: Range;
  /** Bytes of each piece. */
  slice?: Range;
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
  /** Kept until the next datagram has overtaken it, or for 50 ms. */
  reorder?: number;
  /** Milliseconds that each datagram waits. */
  delay?: Range;
  /** What somebody else sends to the client, just before each answer. */
  stranger?: string;
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

/** A whole number of a range. */
const draw = (next: () => number, [least, most]: Range) =>
  least + Math.floor(next() * (most - least + 1));

/** Pauses that can all be ended at once. */
class Clock {
  #waiting = new Map<ReturnType<typeof setTimeout>, () => void>();
  stopped = false;

  pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      if (this.stopped) return resume();
      const timer = setTimeout(() => {
        this.#waiting.delete(timer);
        resume();
      }, ms);
      this.#waiting.set(timer, resume);
    });
  }

  stop(): void {
    this.stopped = true;
    for (const [timer, resume] of this.#waiting) {
      clearTimeout(timer);
      resume();
    }
    this.#waiting.clear();
  }
}

/** A proxy between clients and the server at `port`, on a free port of its own. */
export class TcpRelay implements AsyncDisposable {
  /** Where clients connect to. */
  port = 0;
  /** What it did, in order, by way: "up 12 bytes after 3 ms", "down reset". */
  readonly log: Record<Way, string[]> = { up: [], down: [] };
  /** Resolves when the fault that has a place on the way has happened. */
  readonly struck: Promise<void>;
  #strike: () => void;
  #clock = new Clock();
  #sockets = new Set<net.Socket>();
  #listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  #connections = 0;

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
    this.#clock.stop();
    const closed = [...this.#sockets].map((socket) =>
      new Promise((resolve) => socket.on("close", resolve).destroy())
    );
    closed.push(new Promise((resolve) => this.#listener.close(resolve)));
    await Promise.all(closed);
  }

  #connect(client: net.Socket): void {
    const own = this.seed + 2 * this.#connections++;
    const server = net.connect({
      port: this.target,
      host: "127.0.0.1",
      allowHalfOpen: true,
    });
    const both = [client, server];
    for (const socket of both) {
      const other = socket === client ? server : client;
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      // One that is refused or reset: so is the other. "close" follows.
      socket.on("error", () => this.#reset(other));
      socket.on("close", () => this.#sockets.delete(socket));
    }
    server.on("connect", () => {
      this.#pump(client, server, "up", random(own));
      this.#pump(server, client, "down", random(own + 1));
    });
  }

  /** Passes on what comes from one side, and its end. */
  #pump(
    from: net.Socket,
    to: net.Socket,
    way: Way,
    next: () => number,
  ): void {
    const { delay, slice, glue, halfClose, reset, stall } = this.faults;
    const log = this.log[way];
    const here = (point?: Point) => point?.way === way ? point.after : Infinity;
    const act = Math.min(here(halfClose), here(reset), here(stall));
    let passed = 0, over = false;

    const strike = () => {
      over = true;
      if (passed >= here(reset)) {
        log.push("reset");
        this.#reset(from);
        this.#reset(to);
      } else if (passed >= here(halfClose)) {
        log.push("half-close");
        to.end();
      } else {
        log.push("stall");
      }
      this.#strike();
    };
    const deliver = async (bytes: Uint8Array) => {
      while (bytes.length > 0 && !over && !this.#clock.stopped) {
        const most = slice ? draw(next, slice) : bytes.length;
        const piece = bytes.subarray(0, Math.min(most, act - passed));
        bytes = bytes.subarray(piece.length);
        const wait = delay ? draw(next, delay) : 0;
        // Without a pause, the kernel would put the slices together again.
        if (wait || slice) await this.#clock.pause(wait);
        if (to.destroyed || to.writableEnded) return;
        await new Promise<void>((sent) => to.write(piece, () => sent()));
        passed += piece.length;
        log.push(`${piece.length} bytes after ${wait} ms`);
        if (passed >= act) strike();
      }
    };

    let work = Promise.resolve(), kept: Uint8Array[] = [];
    from.on("data", (data: Uint8Array) => {
      // After a half-close or a reset, what comes is lost; in a stall, it waits.
      if (over) return;
      kept.push(data);
      if (kept.length > 1) return;
      if (!glue) from.pause();
      work = work.then(async () => {
        if (glue) await this.#clock.pause(glue);
        const bytes = Uint8Array.from(kept.flatMap((data) => [...data]));
        kept = [];
        await deliver(bytes);
        if (over && log.at(-1) === "stall") from.pause();
        else from.resume();
      });
    });
    from.on("end", () =>
      work.then(() => {
        if (!over) to.end();
      }));
    if (act === 0) strike();
    if (!over || here(halfClose) === 0) from.resume();
  }

  #reset(socket: net.Socket): void {
    if (!socket.destroyed) socket.resetAndDestroy();
  }
}

/** A proxy for datagrams; each client is seen by the server as a port of its own. */
export class UdpRelay implements AsyncDisposable {
  /** What happened to each datagram, in order, by way: "drop", "twice", "late". */
  readonly log: Record<Way, string[]> = { up: [], down: [] };
  #clock = new Clock();
  #front = this.#open();
  #stranger = this.#open();
  #backs = new Map<number, Deno.DatagramConn>();
  #work = new Set<Promise<void>>();
  #fates: Record<Way, () => number>;
  #next: Record<Way, PromiseWithResolvers<void>> = {
    up: Promise.withResolvers(),
    down: Promise.withResolvers(),
  };

  constructor(
    readonly target: number,
    readonly faults: UdpFaults = {},
    readonly seed = SEED,
  ) {
    this.#fates = { up: random(seed), down: random(seed + 1) };
    this.#run(this.#listen(this.#front, (bytes, client) => {
      let back = this.#backs.get(client.port);
      if (!back) {
        back = this.#open();
        this.#backs.set(client.port, back);
        this.#run(this.#listen(back, async (answer) => {
          if (this.faults.stranger !== undefined) {
            const lie = new TextEncoder().encode(this.faults.stranger);
            await this.#stranger.send(lie, client);
          }
          await this.#pass(answer, this.#front, client, "down");
        }));
      }
      const server: Deno.NetAddr = { ...client, port: this.target };
      return this.#pass(bytes, back, server, "up");
    }));
  }

  /** Where clients send to. */
  get port(): number {
    return (this.#front.addr as Deno.NetAddr).port;
  }

  /** Stops; datagrams on their way are lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#clock.stop();
    this.#front.close();
    this.#stranger.close();
    for (const back of this.#backs.values()) back.close();
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #open(): Deno.DatagramConn {
    return Deno.listenDatagram({
      hostname: "127.0.0.1",
      port: 0,
      transport: "udp",
    });
  }

  #run(work: Promise<void>): void {
    // What fails once the sockets are closed concerns nobody.
    const run = work.catch((error) => {
      if (!this.#clock.stopped) throw error;
    }).finally(() => this.#work.delete(run));
    this.#work.add(run);
  }

  async #listen(
    socket: Deno.DatagramConn,
    hear: (bytes: Uint8Array, from: Deno.NetAddr) => Promise<void>,
  ): Promise<void> {
    while (!this.#clock.stopped) {
      const [bytes, from] = await socket.receive(new Uint8Array(65535));
      this.#run(hear(bytes, from as Deno.NetAddr));
    }
  }

  async #pass(
    bytes: Uint8Array,
    socket: Deno.DatagramConn,
    to: Deno.NetAddr,
    way: Way,
  ): Promise<void> {
    const { drop = 0, duplicate = 0, reorder = 0, delay = [0, 0] } =
      this.faults;
    const next = this.#fates[way], log = this.log[way];
    // All are drawn for each, so that no fate depends on the fate before.
    const lost = next() < drop, twice = next() < duplicate;
    const late = next() < reorder, wait = draw(next, delay);
    const before = this.#next[way];
    log.push(
      lost ? "drop" : (twice ? "twice" : "once") + (late ? " late" : ""),
    );
    if (lost) return;
    if (wait) await this.#clock.pause(wait);
    if (late) {
      await Promise.race([before.promise, this.#clock.pause(50)]);
    }
    for (let copies = twice ? 2 : 1; copies > 0; copies--) {
      if (!this.#clock.stopped) await socket.send(bytes, to);
    }
    if (late) return;
    this.#next[way] = Promise.withResolvers();
    before.resolve();
  }
}
