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

const HELP = "Usage : p2p_client.ts [--host 127.0.0.1] [--port 50000] [--raw]" +
  " [--help] ; la ligne FIN termine la conversation";

/** FIN, in any case, is the line that ends a conversation. */
const isFin = (line: string) => line.trim().toUpperCase() === "FIN";

/** A conversation over one connection, which it closes in the end. */
export class Conversation {
  /** Resolves when it is over; rejects with what cut it short. */
  readonly over: Promise<void>;
  #leaving = false;
  #limit?: ReturnType<typeof setTimeout>;

  /** Begins it: from now on, `hear` is given each line of the peer. */
  constructor(
    readonly conn: Deno.TcpConn,
    hear: (line: string) => void,
    readonly raw = false,
  ) {
    // Each line is a write of its own. Nagle's algorithm would hold the second
    // back until the peer has confirmed the first, which can take it 40 ms.
    conn.setNoDelay(true);
    this.over = this.#listen(hear);
  }

  /** The mouth: says one line. Throws {@linkcode Refusal} if it cannot be said. */
  async say(line: string): Promise<void> {
    const bytes = encode(line, this.raw);
    this.#leaving ||= isFin(line);
    // 10 s for a peer that does not read; after FIN, 3 s for its last words.
    clearTimeout(this.#limit);
    const close = () => this.conn[Symbol.dispose]();
    this.#limit = setTimeout(close, this.#leaving ? 3000 : 10_000);
    await write(this.conn, bytes);
    if (this.#leaving) await this.conn.closeWrite();
    else clearTimeout(this.#limit);
  }

  /** The ear: runs beside the mouth, until one side ends the conversation. */
  async #listen(hear: (line: string) => void): Promise<void> {
    let lastWord = "Au revoir";
    try {
      const reader = new MessageReader(this.conn, this.raw);
      for (let lines; (lines = await reader.read());) {
        for (const line of lines) {
          hear(printable(line));
          if (isFin(line)) return;
        }
      }
    } catch (error) {
      lastWord = error instanceof Refusal ? error.message : "";
      if (!this.#leaving) throw error;
    } finally {
      clearTimeout(this.#limit);
      await hangUp(this.conn, lastWord, this.raw);
    }
  }
}

/** The keyboard and the screen, which may also be a pipe and a file. */
export class Terminal {
  readonly interactive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  readonly keyboard = readline.createInterface({
    input: process.stdin,
    output: this.interactive ? process.stdout : undefined,
    prompt: "",
  });
  // Asked for now: what is typed before the first `next` would be lost otherwise.
  readonly lines = this.keyboard[Symbol.asyncIterator]();

  /** Prints a line, and leaves alone what is being typed. */
  show(line: string, print = console.log): void {
    if (!this.interactive) return print(line);
    // Rub out the prompt and what is typed, on all their rows; draw them again.
    const { rows } = this.keyboard.getCursorPos();
    readline.moveCursor(process.stdout, 0, -rows);
    readline.cursorTo(process.stdout, 0);
    readline.clearScreenDown(process.stdout);
    process.stdout.write(line + "\n".repeat(rows + 1));
    this.keyboard.prompt(true);
  }

  /** Asks for a line, where there is somebody to see it. */
  prompt(text: string): void {
    this.keyboard.setPrompt(text);
    if (this.interactive) this.keyboard.prompt(true);
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
        const { message } = error as Error;
        terminal.show(`Ligne perdue : ${message}`, console.error);
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
    unknown: (arg) => exit(2, `"${arg}" : option inconnue. ${HELP}`),
  });
  if (help) return console.log(HELP);
  const port = /^[1-9]\d*$/.test(args.port) ? Number(args.port) : NaN;
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : nombre de 1 à 65535`);
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");

  const stop = new AbortController(), terminal = new Terminal();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  // While readline reads a terminal, Ctrl-C is a key like any other.
  terminal.keyboard.on("SIGINT", onSignal);
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(5000)]);
    const conn = await Deno.connect({ hostname: host, port, signal });
    terminal.show("CONNEXION ETABLIE AVEC LE SERVEUR");
    await chat(conn, stop.signal, terminal, raw);
    terminal.prompt("");
    terminal.show("CONNEXION INTERROMPUE");
  } catch (error) {
    if (stop.signal.aborted) Deno.exit(0);
    const { name, message } = error as Error;
    const advice: Record<string, string> = {
      ConnectionRefused: "personne n'écoute : lancez d'abord le serveur",
      TimeoutError: "aucune réponse en 5 s : vérifiez l'adresse",
      ConnectionReset: "le serveur a coupé la connexion",
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
