/**
 * Faults on the way, between a client and a server: scripts/relay.ts for what TCP
 * carries, and a relay for datagrams. Nothing here is left to chance.
 *
 * @module
 */
import { once } from "node:events";
import net from "node:net";
import { type Faults, relay, type Way } from "../../scripts/relay.ts";

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

/**
 * A relay between a client of datagrams and the server at `target`. Each datagram, of
 * either, comes out as often as the next of `copies` says, and each time `late` ms later.
 */
export function relayDatagrams(
  target: number,
  copies: number[],
  late: number,
): Disposable & { port: number } {
  const at = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
  const front = Deno.listenDatagram(at), back = Deno.listenDatagram(at);
  const timers: ReturnType<typeof setTimeout>[] = [];
  let client: Deno.Addr;
  const pass = (
    bytes: Uint8Array,
    to: Deno.DatagramConn,
    address: Deno.Addr,
  ) => {
    const count = copies.shift() ?? 1;
    for (let copy = 1; copy <= count; copy++) {
      timers.push(setTimeout(() => to.send(bytes, address), copy * late));
    }
  };
  // Once a socket is closed, its loop ends.
  const up = async () => {
    for await (const [bytes, from] of front) {
      client = from;
      pass(bytes, back, { ...at, port: target });
    }
  };
  const down = async () => {
    for await (const [bytes] of back) pass(bytes, front, client);
  };
  up();
  down();
  return {
    port: (front.addr as Deno.NetAddr).port,
    [Symbol.dispose]() {
      for (const timer of timers) clearTimeout(timer);
      front.close();
      back.close();
    },
  };
}
