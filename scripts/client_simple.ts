#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client, one message and its answer: section 2, procedural sockets.
 *
 * Three calls: connect, write, read. The course reads once, `recv(255)`, and
 * takes what comes for the answer; but one read may bring half of it, or nothing
 * yet. This client reads up to the end of a message, and never waits without a
 * limit.
 *
 * @run deno run --allow-net scripts/client_simple.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, hangUp, MessageReader, printable } from "./encoding.ts";
import { Refusal, write } from "./encoding.ts";

const HELP = "Usage : client_simple.ts [MESSAGE] [--host 127.0.0.1]" +
  " [--port 50000] [--timeout 60 (secondes)]" +
  " [--raw (une lecture = un message)] [--help]";

/**
 * Sends one message and waits for one answer.
 *
 * @param timeout Seconds for both together; then the connection is closed.
 * @returns The answer, and whether it lacks its end.
 * @throws {Deno.errors.UnexpectedEof} If the server closes without an answer.
 * @throws {Deno.errors.Interrupted} If the time is over.
 * @throws {Refusal} If the message or the answer is not one; the server is told.
 */
export async function ask(
  conn: Deno.Conn,
  message: string,
  timeout = 60,
  raw = false,
): Promise<{ answer: string; cut: boolean }> {
  // To close is the one way to end a read or a write that waits.
  const limit = setTimeout(() => conn[Symbol.dispose](), timeout * 1000);
  try {
    await write(conn, encode(message, raw));
    const reader = new MessageReader(conn, raw);
    const messages = await reader.read();
    if (messages === null) throw new Deno.errors.UnexpectedEof();
    return { answer: messages[0], cut: reader.cut };
  } catch (error) {
    if (error instanceof Refusal) await hangUp(conn, error.message, raw);
    throw error;
  } finally {
    clearTimeout(limit);
  }
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

async function main(): Promise<void> {
  const words: string[] = []; // As they are: parseArgs makes 007 a number.
  const { host, help, raw, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "raw"],
    string: ["host", "port", "timeout"],
    default: { host: "127.0.0.1", port: "50000", timeout: "60" },
    unknown: (arg, key) => {
      if (key) exit(2, `"${arg}" : argument inconnu. ${HELP}`);
      words.push(arg);
      return false;
    },
  });
  if (help) return console.log(HELP);
  const port = /^[1-9]\d*$/.test(args.port) ? Number(args.port) : NaN;
  const timeout = Number(args.timeout);
  words.push(...args._.map(String)); // What follows "--".
  const [message = "Bonjour, je suis le client", extra] = words;
  if (extra !== undefined) {
    exit(2, `Un seul message, entre guillemets : "${message} ${extra} …"`);
  }
  if (!host) exit(2, "--host attend une adresse, comme 127.0.0.1 ou ::1");
  if (!(port <= 65535)) exit(2, `--port "${args.port}" : écrivez 1 à 65535`);
  if (!(timeout >= 0.1 && timeout <= 86400)) {
    exit(2, `--timeout "${args.timeout}" : écrivez de 0.1 à 86400 secondes`);
  }
  try {
    encode(message, raw);
  } catch (error) {
    exit(2, (error as Error).message);
  }
  const stop = () => Deno.exit(0);
  Deno.addSignalListener("SIGINT", stop);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", stop);
  try {
    const limit = AbortSignal.timeout(5000);
    using conn = await Deno.connect({ hostname: host, port, signal: limit });
    console.log("Connecté au serveur");
    const { answer, cut } = await ask(conn, message, timeout, raw);
    console.log(printable(answer));
    if (cut) console.error("La réponse est peut-être incomplète");
    console.log("Connexion fermée");
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
}

if (import.meta.main) await main();
