#!/usr/bin/env -S deno run --allow-net
/**
 * TCP chat, the side that listens: section 5, P2P.
 *
 * Both sides may speak at any time. The course reads the socket, then the
 * keyboard, then the socket, so that whoever speaks out of turn is not heard.
 * Here an ear and a mouth run side by side, and each can end the conversation:
 * with FIN, with the end of the input, or because the peer has left. One peer at
 * a time, the next one waits in the backlog; for many at once, see
 * multithread_server.ts.
 *
 * @run deno run --allow-net scripts/p2p_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import process from "node:process";
import readline from "node:readline";
import { encode, hangUp, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : p2p_server.ts [--host 127.0.0.1] [--port 50000]" +
  " [--raw (une lecture = un message)] [--help]" +
  " ; la ligne FIN termine la conversation";

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

/** Talks to one client after the other, until `stop` aborts or the input ends. */
export async function serve(
  listener: Deno.TcpListener,
  stop: AbortController,
  terminal: Terminal,
  raw = false,
): Promise<void> {
  let talk: Conversation | undefined;
  let arrival = Promise.withResolvers<void>();

  const speak = async () => {
    const begin = performance.now();
    let used = terminal.interactive;
    for await (const line of terminal.lines) {
      used = true;
      // What a pipe brings waits for a client; a person is told that none is here.
      if (!terminal.interactive) await arrival.promise;
      try {
        if (!talk) throw new Refusal("personne n'est connecté");
        await talk.say(line);
      } catch (error) {
        const own = error instanceof Refusal;
        const reason = own ? error.message : "la conversation est finie";
        terminal.show(`Ligne perdue : ${reason}`, console.error);
        // Unless the line itself was at fault, there is nobody to talk to.
        if (!own) await talk?.over.catch(() => {});
      }
      terminal.prompt(talk ? "Serveur >> " : "");
    }
    // An input that ends at once, without a line, is no keyboard (/dev/null, as a
    // service has): then the server only listens. Else, nobody is left to speak.
    if (used || performance.now() - begin > 1000) stop.abort();
  };
  speak();

  stop.signal.addEventListener("abort", () => {
    listener.close();
    if (talk) terminal.show("Arrêt demandé : le client a 3 s pour finir");
    talk?.say("FIN").catch(() => {}); // A failure shows in talk.over.
  });
  const ready = "Serveur prêt, en attente de requêtes sur ";
  terminal.show(ready + address(listener.addr));
  while (!stop.signal.aborted) {
    try {
      const conn = await listener.accept();
      terminal.show(`Client connecté, adresse ${address(conn.remoteAddr)}`);
      const hear = (line: string) => terminal.show(`Client >> ${line}`);
      talk = new Conversation(conn, hear, raw);
      talk.say("Vous êtes connecté au serveur, envoyez vos messages")
        .catch(() => {}); // A failure shows in talk.over.
      arrival.resolve();
      terminal.prompt("Serveur >> ");
      await talk.over;
    } catch (error) {
      if (stop.signal.aborted) break;
      const { message } = error as Error;
      terminal.show(`Connexion perdue : ${message}`, console.error);
      // Without a pause, a lack of file descriptors would burn the processor. (A
      // client that was reset before it was accepted is no such lack.)
      const lack = !(error instanceof Deno.errors.NotConnected);
      if (!talk && lack) await new Promise((resume) => setTimeout(resume, 50));
    }
    if (!talk) continue;
    talk = undefined;
    arrival = Promise.withResolvers();
    terminal.prompt("");
    terminal.show("CONNEXION INTERROMPUE");
    if (!stop.signal.aborted) terminal.show(ready + address(listener.addr));
  }
}

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
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
  const port = /^\d+$/.test(args.port) ? Number(args.port) : NaN;
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 0 à 65535`);
  let listener: Deno.TcpListener;
  try {
    listener = Deno.listen({ hostname: host, port, tcpBacklog: 5 });
  } catch (error) {
    const { name, message } = error as Error, where = `${host} port ${port}`;
    if (name === "AddrInUse") {
      exit(1, `Port ${port} déjà utilisé : choisissez-en un autre avec --port`);
    }
    if (name === "NotCapable") {
      exit(1, "Réseau interdit par Deno : ajoutez --allow-net");
    }
    exit(1, `Impossible d'écouter sur ${where}, vérifiez --host : ${message}`);
  }

  const stop = new AbortController(), terminal = new Terminal();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  // While readline reads a terminal, Ctrl-C is a key like any other.
  terminal.keyboard.on("SIGINT", onSignal);
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);
  await serve(listener, stop, terminal, raw);
  terminal.show("Serveur arrêté");
  // A read of the keyboard that is still waiting would keep the process alive.
  terminal.keyboard.close();
}

if (import.meta.main) await main();
