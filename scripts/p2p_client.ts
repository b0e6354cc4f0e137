#!/usr/bin/env -S deno run --allow-net
/**
 * TCP chat, the side that connects: section 5, P2P.
 *
 * The same ear and the same mouth as p2p_server.ts, side by side, for a single
 * conversation: once it is open, neither side is the client. The course's client
 * sees FIN only when it is the server that says it, and asks for one more line
 * when nobody is there any more; this one leaves when the conversation is over.
 *
 * @run deno run --allow-net scripts/p2p_client.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import process from "node:process";
import readline from "node:readline";
import { encode, hangUp, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : p2p_client.ts [--host 127.0.0.1] [--port 50000]" +
  " [--raw (une lecture = un message)] [--help]" +
  " ; la ligne FIN termine la conversation";

// From here to `Terminal`, as in p2p_server.ts, so that each script runs alone.

/** FIN, in any case, is the line that ends a conversation. */
const isFin = (line: string) => line.trim().toUpperCase() === "FIN";

/** A conversation over one connection, which it closes in the end. */
export class Conversation {
  /** Resolves when it is over; rejects with what cut it short. */
  readonly over: Promise<void>;
  #leaving = false;
  #turn = Promise.resolve();

  /** Begins it: from now on, `hear` is given each line of the peer. */
  constructor(
    readonly conn: Deno.TcpConn,
    hear: (line: string) => void,
    readonly raw = false,
  ) {
    this.over = this.#listen(hear);
  }

  /** The mouth: says one line; after FIN, waits for the end of it all. */
  async say(line: string): Promise<void> {
    const bytes = encode(line, this.raw), fin = isFin(line);
    this.#leaving ||= fin;
    // 10 s for a peer that does not read; at FIN, 3 s for all that is left.
    const close = () => this.conn[Symbol.dispose]();
    const limit = setTimeout(close, fin ? 3000 : 10_000);
    try {
      // One after the other: two writes at once could mix their parts.
      await (this.#turn = this.#turn.then(() => write(this.conn, bytes)));
      if (!fin) return;
      await this.conn.closeWrite();
      await this.over;
    } finally {
      clearTimeout(limit);
    }
  }

  /** The ear: runs beside the mouth, until one side ends the conversation. */
  async #listen(hear: (line: string) => void): Promise<void> {
    let lastWord = "Au revoir";
    try {
      // Each line is a write of its own. Nagle's algorithm would hold the second
      // back until the peer has acknowledged the first, which can take it 40 ms.
      this.conn.setNoDelay(true);
      const reader = new MessageReader(this.conn, this.raw);
      for (let lines, heard = 0; (lines = await reader.read());) {
        for (const line of lines) {
          hear(printable(line));
          if (isFin(line)) return;
          // One read may bring 65,536 lines: the keyboard has its turn meanwhile.
          if (++heard % 256 === 0) await new Promise(setImmediate);
        }
      }
      // A reset is told once: if a write was, the read has seen but an end.
      await this.#turn;
    } catch (error) {
      lastWord = error instanceof Refusal ? error.message : "";
      if (!this.#leaving) throw error;
    } finally {
      await hangUp(this.conn, lastWord, this.raw);
    }
  }
}

/** The keyboard and the screen, which may also be a pipe and a file. */
export class Terminal {
  interactive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  readonly keyboard = readline.createInterface({
    input: process.stdin,
    output: this.interactive ? process.stdout : undefined,
    prompt: "",
  });
  // Made now: lines that are typed before there is an iterator would be lost.
  readonly lines = this.keyboard[Symbol.asyncIterator]();

  constructor() {
    this.keyboard.on("close", () => {
      if (this.interactive) this.#rubOut();
      this.interactive = false;
    });
  }

  /** Prints a line, and leaves alone what is being typed. */
  show(line: string, print = console.log): void {
    if (!this.interactive) return print(line);
    const { rows } = this.keyboard.getCursorPos();
    this.#rubOut();
    print(line + "\n".repeat(rows));
    this.keyboard.prompt(true);
  }

  /** Asks for a line, where there is somebody to see it. */
  prompt(text: string): void {
    this.keyboard.setPrompt(text);
    if (this.interactive) this.keyboard.prompt(true);
  }

  /** Clears the prompt and what is typed, on all their rows. */
  #rubOut(): void {
    readline.moveCursor(process.stdout, 0, -this.keyboard.getCursorPos().rows);
    readline.cursorTo(process.stdout, 0);
    readline.clearScreenDown(process.stdout);
  }
}

/** Talks to the server until one side says FIN, the input ends or `stop` aborts. */
export async function chat(
  conn: Deno.TcpConn,
  stop: AbortSignal,
  terminal: Terminal,
  raw = false,
): Promise<void> {
  const hear = (line: string) => terminal.show(`Serveur >> ${line}`);
  const talk = new Conversation(conn, hear, raw);
  const leave = () => talk.say("FIN").catch(() => {}); // Shows in talk.over.
  stop.addEventListener("abort", leave);

  const speak = async () => {
    terminal.prompt("Client >> ");
    for await (const line of terminal.lines) {
      try {
        await talk.say(line);
      } catch (error) {
        // Unless the line itself is at fault, talk.over tells what happened.
        if (!(error instanceof Refusal)) return;
        terminal.show(`Ligne perdue : ${error.message}`, console.error);
      }
      if (isFin(line)) return;
      terminal.prompt("Client >> ");
    }
    await leave();
  };
  speak();
  await talk.over;
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const { host, help, raw, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "raw"],
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^[1-9]\d*$/.test(args.port) ? Number(args.port) : NaN;
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 1 à 65535`);
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");

  const stop = new AbortController(), terminal = new Terminal();
  let conn: Deno.TcpConn | undefined;
  const onSignal = () => {
    if (!conn || stop.signal.aborted) Deno.exit(conn ? 130 : 0);
    stop.abort();
  };
  // While readline reads a terminal, Ctrl-C is a key like any other.
  terminal.keyboard.on("SIGINT", onSignal);
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const signal = AbortSignal.timeout(5000);
    conn = await Deno.connect({ hostname: host, port, signal });
    terminal.show("CONNEXION ETABLIE AVEC LE SERVEUR");
    await chat(conn, stop.signal, terminal, raw);
    terminal.prompt("");
    terminal.show("CONNEXION INTERROMPUE");
  } catch (error) {
    const { name, message } = error as Error;
    const advice: Record<string, string> = {
      ConnectionRefused: "personne n'écoute : lancez d'abord le serveur",
      TimeoutError: "aucune réponse en 5 s : vérifiez l'adresse",
      ConnectionReset: "le serveur a coupé la connexion",
      BrokenPipe: "le serveur a coupé la connexion",
      Interrupted: "le serveur ne lit plus",
      NotCapable: "réseau interdit par Deno : ajoutez --allow-net",
    };
    terminal.keyboard.close();
    const unknown = /lookup|host is known/.test(message);
    const reason = unknown ? "hôte inconnu : vérifiez --host" : message;
    exit(1, `${host} port ${port} : ${advice[name] ?? reason}`);
  }
  // A read of the keyboard that is still waiting would keep the process alive.
  terminal.keyboard.close();
}

if (import.meta.main) await main();
