#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client, one message and its answer: section 2, procedural sockets.
 *
 * Four calls: connect, write, read, close. The course reads once, `recv(255)`, and
 * takes that as the answer; but one read may bring half of it, or more than it. This
 * client reads up to the end of a message, and never waits without a limit.
 *
 * @run deno run --allow-net scripts/client_simple.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { encode, printable, receive, write } from "./encoding.ts";

/**
 * Sends one message and waits for one answer.
 *
 * @param limit Milliseconds for both together; after that, `conn` is closed.
 * @throws {Refusal} If the message or the answer is not one.
 * @throws {DOMException} `TimeoutError` if the limit is over.
 * @throws {Deno.errors.UnexpectedEof} If the server closes without an answer.
 */
export async function ask(
  conn: Deno.Conn,
  message: string,
  raw = false,
  limit = 60_000,
): Promise<string> {
  const timeout = AbortSignal.timeout(limit);
  // Closing is the only way to cancel a pending read or write.
  const close = () => conn[Symbol.dispose]();
  timeout.addEventListener("abort", close);
  try {
    await write(conn, encode(message, raw));
    const { value: messages } = await receive(conn, raw).next();
    if (!messages) throw new Deno.errors.UnexpectedEof("aucune réponse");
    return messages[0];
  } catch (error) {
    throw timeout.aborted ? timeout.reason : error; // Closed by us: say why.
  } finally {
    // A timeout with a listener keeps the program alive until it fires.
    timeout.removeEventListener("abort", close);
  }
}

async function main(): Promise<void> {
  const { host, port, raw, help, _: words } = parseArgs(Deno.args, {
    boolean: ["raw", "help"],
    string: ["host", "port", "_"], // "_": the words stay text, even 007.
    default: { host: "127.0.0.1", port: "50000" },
    unknown: (argument, option) => {
      if (!option) return; // A word of the message.
      throw new Error(`argument inconnu : ${argument} (voir --help)`);
    },
  });
  if (help) return console.log("Options : [MESSAGE] --host, --port, --raw");
  const message = words.join(" ") || "Bonjour, je suis le client";
  // `using` closes the connection when this function ends, errors included.
  using conn = await Deno.connect({
    hostname: host,
    port: Number(port),
    signal: AbortSignal.timeout(5000), // Some hosts never answer.
  });
  console.log("Connecté au serveur");
  console.log(printable(await ask(conn, message, raw)));
  conn.close();
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
