#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client as a class: section 3, object-oriented sockets.
 *
 * A class pays when it takes care of what its user would forget. With this one,
 * nothing waits without a limit, and the connection is closed on every way out. The
 * course's class wraps each call and takes care of nothing. For one question,
 * client_simple.ts needs no class at all.
 *
 * @run deno run --allow-net scripts/client_class.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, hangUp, printable, receive, write } from "./encoding.ts";

/**
 * A conversation with a server:
 *
 * ```ts
 * await using socket = await ClientSocket.connect("127.0.0.1", 50000);
 * await socket.send("Bonjour");
 * console.log(await socket.receive());
 * ```
 *
 * Each call has `limit` milliseconds, and throws a `TimeoutError` after them. What
 * has failed once fails again: then there is nothing left to do but to close.
 */
export class ClientSocket implements AsyncDisposable {
  #incoming: AsyncGenerator<string[]>;
  // Messages that came with an earlier one, and are not asked for yet.
  #received: string[] = [];
  #failure: unknown;

  /** Wraps a connection; `raw` is the course's way, one read, one message. */
  constructor(
    readonly conn: Deno.TcpConn,
    readonly raw = false,
    readonly limit = 60_000,
  ) {
    this.#incoming = receive(conn, raw);
    // Nagle's algorithm would hold the second of two small messages back until the
    // first one is acknowledged, which can take 40 ms.
    conn.setNoDelay(true);
  }

  /** Connects to a server. A static method, since a constructor cannot wait. */
  static async connect(
    hostname: string,
    port: number,
    raw?: boolean,
    limit?: number,
  ): Promise<ClientSocket> {
    const signal = AbortSignal.timeout(5000);
    const conn = await Deno.connect({ hostname, port, signal });
    return new ClientSocket(conn, raw, limit);
  }

  /** Sends one message. Await it before you send the next one. */
  async send(message: string): Promise<void> {
    const bytes = encode(message, this.raw);
    await this.#withLimit(() => write(this.conn, bytes));
  }

  /** The next message; `undefined` at the end. Await it before the next call. */
  async receive(): Promise<string | undefined> {
    if (this.#received.length === 0) {
      const { value } = await this.#withLimit(() => this.#incoming.next());
      this.#received.push(...value ?? []);
    }
    return this.#received.shift();
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    await hangUp(this.conn);
  }

  /** What `await using` calls at the end of the block, errors included. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #withLimit<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure) throw this.#failure;
    const timeout = AbortSignal.timeout(this.limit);
    // Closing is the only way to cancel a pending read or write.
    const close = () => this.conn[Symbol.dispose]();
    timeout.addEventListener("abort", close);
    try {
      return await work();
    } catch (error) {
      this.#failure = timeout.aborted ? timeout.reason : error;
      throw this.#failure;
    } finally {
      // A timeout with a listener keeps the program alive until it fires.
      timeout.removeEventListener("abort", close);
    }
  }
}

async function main(): Promise<void> {
  const { host, port, raw, help } = parseArgs(Deno.args, {
    boolean: ["raw", "help"],
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument) => {
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : --host, --port, --raw");
  await using socket = await ClientSocket.connect(host, Number(port), raw);
  console.log(`Connecté au serveur : ${host}, port ${port}`);
  const now = new Date().toLocaleString("fr-FR");
  await socket.send(`Bonjour du client TCP, ${now}`);
  const answer = await socket.receive();
  if (answer === undefined) {
    throw new Deno.errors.UnexpectedEof("aucune réponse");
  }
  console.log(printable(answer));
  await socket.close();
  console.log("Connexion fermée");
}

if (import.meta.main) {
  await main().catch((error) => {
    const refused = error.name === "ConnectionRefused";
    const hint = refused ? " : lancez d'abord le serveur" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
