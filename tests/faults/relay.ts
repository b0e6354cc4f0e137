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
