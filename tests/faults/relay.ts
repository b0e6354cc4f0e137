/** scripts/relay.ts, as the tests start it. */
import { once } from "node:events";
import net from "node:net";
import { type Faults, relay, type Way } from "../../scripts/relay.ts";

/** Puts it in front of the server at `target`, on a free port of its own. */
export async function startRelay(target: number, faults: Faults = {}) {
  const stop = new AbortController(), relays: Promise<void>[] = [];
  const pieces: Record<Way, number[]> = { "→": [], "←": [] };
  const { promise: end, resolve } = Promise.withResolvers<string>();
  const to = { host: "127.0.0.1", port: target };
  const show = (way: Way, what: string, size?: number) => {
    if (size) pieces[way].push(size);
    else resolve(`${way} ${what}`);
  };
  const listener = net.createServer({ allowHalfOpen: true }, (client) => {
    relays.push(relay(client, to, faults, show, stop.signal));
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  const { port } = listener.address() as net.AddressInfo;
  return {
    /** Where clients connect to. */
    port,
    /** How many bytes went on at a time. */
    pieces,
    /** The first end of a way, and which. */
    end,
    /** Cuts off whoever is still connected, and stops. */
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      const closed = new Promise((resume) => listener.close(resume));
      await Promise.all([closed, ...relays]);
    },
  };
}
