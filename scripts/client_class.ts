#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client as a class: section 3, object-oriented sockets.
 *
 * A class pays when it keeps a promise that its user would forget: here, that
 * nothing waits without a limit, that messages are whole, and that the socket is
 * closed on every way out (`await using`). The course's class wraps each call and
 * promises nothing; for one question, client_simple.ts needs no class at all.
 *
 * @run deno run --allow-net scripts/client_class.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, hangUp, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : client_class.ts [--host 127.0.0.1] [--port 50000]" +
  " [--timeout 60 (secondes)] [--raw (une lecture = un message)] [--help]";

/** How a {@linkcode ClientSocket} behaves. */
export interface ClientSocketOptions {
  /** Seconds that one `send` or one `receive` may take. Default: 60. */
  timeout?: number;
  /** The course's raw mode: one read is one message. Default: false. */
  raw?: boolean;
}

/**
 * A conversation with a server.
 *
 * ```ts
 * await using socket = await ClientSocket.connect("127.0.0.1", 50000);
 * await socket.send("Bonjour");
 * console.log(await socket.receive());
 * ```
 */
export class ClientSocket implements AsyncDisposable {
  #conn: Deno.TcpConn;
  #reader: MessageReader;
  // Messages that came with an earlier one and have not been asked for.
  #received: string[] = [];
  #turn = Promise.resolve();

  private constructor(
    conn: Deno.TcpConn,
    readonly timeout: number,
    readonly raw: boolean,
  ) {
    this.#conn = conn;
    this.#reader = new MessageReader(conn, raw);
  }

  /**
   * Connects to a server, or gives up after five seconds.
   *
   * A static method, since a constructor cannot wait: nobody ever holds a socket
   * that is not connected.
   *
   * @throws {DOMException} `TimeoutError` if nobody answers at this address.
   */
  static async connect(
    hostname: string,
    port: number,
    { timeout = 60, raw = false }: ClientSocketOptions = {},
  ): Promise<ClientSocket> {
    const signal = AbortSignal.timeout(5000);
    const conn = await Deno.connect({ hostname, port, signal });
    // Of two small messages in a row, the second would wait until the server has
    // acknowledged the first (Nagle's algorithm, 40 ms).
    conn.setNoDelay(true);
    return new ClientSocket(conn, timeout, raw);
  }

  /** True once the server has ended in the middle of its last message. */
  get cut(): boolean {
    return this.#reader.cut;
  }

  /** The server's address, as `127.0.0.1:50000`. */
  get address(): string {
    const { hostname, port } = this.#conn.remoteAddr;
    return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  }

  /**
   * Sends one message.
   *
   * @throws {Refusal} If it cannot be one.
   * @throws {Deno.errors.Interrupted} If the server does not take it in time.
   */
  async send(message: string): Promise<void> {
    const bytes = encode(message, this.raw);
    // One after the other: two writes at once could mix their parts.
    this.#turn = this.#turn.then(() => write(this.#conn, bytes));
    await this.#limited(this.#turn);
  }

  /**
   * Waits for the next message. Call it again only when it has resolved.
   *
   * @returns The message, or `null` once the server has ended the conversation.
   * @throws {Refusal} If the server breaks the rules; it is told so.
   * @throws {Deno.errors.Interrupted} If nothing comes in time.
   */
  async receive(): Promise<string | null> {
    try {
      if (this.#received.length === 0) {
        this.#received = await this.#limited(this.#reader.read()) ?? [];
      }
      return this.#received.shift() ?? null;
    } catch (error) {
      if (error instanceof Refusal) {
        await hangUp(this.#conn, error.message, this.raw);
      }
      throw error;
    }
  }

  /** Ends it all, and gives the server 1 s to do so too. Never throws. */
  async close(): Promise<void> {
    await hangUp(this.#conn);
  }

  /** What `await using` calls at the end of the block, errors included. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #limited<T>(work: Promise<T>): Promise<T> {
    // To close is the one way to end a read or a write that waits.
    const close = () => this.#conn[Symbol.dispose]();
    const timer = setTimeout(close, this.timeout * 1000);
    return await work.finally(() => clearTimeout(timer));
  }
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const { host, help, raw, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "raw"],
    string: ["host", "port", "timeout"],
    default: { host: "127.0.0.1", port: "50000", timeout: "60" },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^[1-9]\d*$/.test(args.port) ? Number(args.port) : NaN;
  const timeout = Number(args.timeout);
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 1 à 65535`);
  if (!(timeout >= 0.1 && timeout <= 86400)) {
    exit(2, `--timeout "${args.timeout}" : écrivez de 0.1 à 86400 secondes`);
  }
  const stop = () => Deno.exit(0);
  Deno.addSignalListener("SIGINT", stop);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  try {
    await using socket = await ClientSocket.connect(host, port, {
      timeout,
      raw,
    });
    console.log(`Connecté au serveur : ${socket.address}`);
    const now = new Date().toLocaleString("fr-FR");
    await socket.send(`Bonjour du client TCP, ${now}`);
    const answer = await socket.receive();
    if (answer === null) throw new Deno.errors.UnexpectedEof();
    console.log(printable(answer));
    if (socket.cut) console.error("La réponse est peut-être incomplète");
  } catch (error) {
    const { name, message } = error as Error;
    const advice: Record<string, string> = {
      ConnectionRefused: "personne n'écoute : lancez d'abord le serveur",
      TimeoutError: "aucune réponse en 5 s : vérifiez l'adresse",
      Interrupted: `aucune réponse en ${timeout} s : serveur occupé ou muet`,
      UnexpectedEof: "le serveur a fermé la connexion sans répondre",
      ConnectionReset: "le serveur a coupé la connexion",
      BrokenPipe: "le serveur a coupé la connexion",
      NotCapable: "réseau interdit par Deno : ajoutez --allow-net",
    };
    const unknown = /lookup|host is known/.test(message);
    const reason = unknown ? "hôte inconnu : vérifiez --host" : message;
    exit(1, `${host} port ${port} : ${advice[name] ?? reason}`);
  }
  console.log("Connexion fermée");
}

if (import.meta.main) await main();
