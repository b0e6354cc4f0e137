#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client with a prompt: section 4', the multithreaded server's client.
 *
 * A line, its answer, the next line, and FIN to leave. One loop asks; another one
 * listens all the while, since the server may also speak unasked, to say that it
 * stops: the course's client waits in `input` and learns it one line too late.
 * Where both sides speak when they like, see p2p_client.ts.
 *
 * @run deno run --allow-net scripts/multithread_client.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import process from "node:process";
import readline from "node:readline";
import { encode, hangUp, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : multithread_client.ts [--host 127.0.0.1] [--port 50000]" +
  " [--timeout 60 (secondes)] [--raw (une lecture = un message)] [--help]";

/**
 * Says the lines, each when the one before has been answered, until FIN or their
 * end, and closes. `show` is given all that the server says.
 *
 * @param timeout Seconds to wait for one answer.
 * @throws {Deno.errors.UnexpectedEof} If the server ends the conversation first.
 * @throws {Deno.errors.Interrupted} If it does not answer in time.
 */
export async function converse(
  conn: Deno.TcpConn,
  lines: AsyncIterable<string>,
  show: (line: string) => void,
  timeout = 60,
  raw = false,
): Promise<void> {
  let answered = Promise.withResolvers<void>(), leaving = false;
  let limit: ReturnType<typeof setTimeout> | undefined;

  const listen = async () => {
    const reader = new MessageReader(conn, raw);
    for (let messages; (messages = await reader.read());) {
      for (const message of messages) show(printable(message));
      answered.resolve();
    }
    if (!leaving) throw new Deno.errors.UnexpectedEof();
  };
  const ask = async () => {
    for await (const line of lines) {
      const bytes = encodeOrComplain(line, raw);
      if (!bytes) continue;
      answered = Promise.withResolvers();
      leaving = /^\s*fin\s*$/i.test(line);
      // To close is the one way to end a read or a write that waits.
      limit = setTimeout(() => conn[Symbol.dispose](), timeout * 1000);
      await write(conn, bytes);
      await answered.promise;
      clearTimeout(limit);
      if (leaving) return;
    }
    leaving = true;
  };

  let lastWord = "";
  try {
    await Promise.race([listen(), ask()]);
  } catch (error) {
    if (error instanceof Refusal) lastWord = error.message;
    throw error;
  } finally {
    clearTimeout(limit);
    await hangUp(conn, lastWord, raw);
  }
}

/** Reports a line that cannot be sent to who typed it; the conversation goes on. */
function encodeOrComplain(line: string, raw: boolean): Uint8Array | undefined {
  try {
    return encode(line, raw);
  } catch (error) {
    console.error((error as Error).message);
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
  const interactive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  const keyboard = readline.createInterface({
    input: process.stdin,
    output: interactive ? process.stdout : undefined,
    prompt: ">> ",
  });
  // Made now: lines that are typed before there is an iterator would be lost.
  const lines = keyboard[Symbol.asyncIterator]();
  async function* typed() {
    if (interactive) keyboard.prompt();
    for await (const line of lines) {
      yield line;
      // The answer is there, or we would not be asked for the next line.
      if (interactive) keyboard.prompt();
    }
  }
  // Takes the prompt away, and what is half typed.
  const rubOut = () => {
    if (!interactive) return;
    readline.cursorTo(process.stdout, 0);
    readline.clearScreenDown(process.stdout);
  };
  keyboard.on("close", rubOut);
  const show = (line: string) => {
    rubOut();
    console.log(line);
  };
  const stop = () => {
    keyboard.close();
    Deno.exit(0);
  };
  // While readline reads a terminal, Ctrl-C is a key like any other.
  keyboard.on("SIGINT", stop);
  Deno.addSignalListener("SIGINT", stop);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  try {
    const signal = AbortSignal.timeout(5000);
    const conn = await Deno.connect({ hostname: host, port, signal });
    console.log("Connecté au serveur");
    console.log("Tapez FIN pour terminer la conversation");
    await converse(conn, typed(), show, timeout, raw);
    console.log("Connexion fermée");
    keyboard.close();
  } catch (error) {
    // A read of the keyboard that is still waiting would keep the process alive.
    keyboard.close();
    const { name, message } = error as Error;
    const advice: Record<string, string> = {
      ConnectionRefused: "personne n'écoute : lancez d'abord le serveur",
      TimeoutError: "aucune réponse en 5 s : vérifiez l'adresse",
      Interrupted: `aucune réponse en ${timeout} s : serveur occupé ou muet`,
      UnexpectedEof: "le serveur a fermé la connexion",
      ConnectionReset: "le serveur a coupé la connexion",
      BrokenPipe: "le serveur a coupé la connexion",
      NotCapable: "réseau interdit par Deno : ajoutez --allow-net",
    };
    const unknown = /lookup|host is known/.test(message);
    const reason = unknown ? "hôte inconnu : vérifiez --host" : message;
    exit(1, `${host} port ${port} : ${advice[name] ?? reason}`);
  }
}

if (import.meta.main) await main();
