#!/usr/bin/env -S deno run --allow-net
/**
 * TCP client with a prompt: section 4', the multithreaded server's client.
 *
 * A line, its answer, the next line, and FIN to leave. While one loop asks, another
 * one listens, as the server may also speak unasked, to say that it stops.
 *
 * @run deno run --allow-net scripts/multithread_client.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { encode, hangUp, printable, receive, write } from "./encoding.ts";

/**
 * Says each line once the one before is answered, until FIN or the end; then closes.
 *
 * @param limit Milliseconds for one answer; after that, `conn` is closed.
 * @throws `TimeoutError` if the limit is over, `UnexpectedEof` if the server leaves.
 */
export async function converse(
  conn: Deno.TcpConn,
  lines: AsyncIterable<string>,
  show: (text: string) => void,
  raw = false,
  limit = 60_000,
): Promise<void> {
  let answered = Promise.withResolvers<void>();
  const late = Promise.withResolvers<never>(); // Rejected by the timer.
  let leaving = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = async () => {
    for await (const messages of receive(conn, raw)) {
      show(messages.map(printable).join("\n"));
      answered.resolve(); // Any message counts as the answer.
    }
    if (!leaving) throw new Deno.errors.UnexpectedEof("le serveur est parti");
  };
  const ask = async () => {
    for await (const line of lines) {
      const bytes = encode(line, raw);
      if (bytes.length === 0) continue; // Raw: nothing would be sent, nor answered.
      leaving = /^\s*fin\s*$/i.test(line);
      answered = Promise.withResolvers();
      const timeout = new DOMException("aucune réponse", "TimeoutError");
      timer = setTimeout(() => late.reject(timeout), limit);
      await Promise.all([write(conn, bytes), answered.promise])
        .finally(() => clearTimeout(timer));
      if (leaving) return;
    }
  };
  try {
    await Promise.race([listen(), ask(), late.promise]);
  } finally {
    clearTimeout(timer);
    await hangUp(conn); // Closing also ends a read or write of the other loop.
  }
}

/** A keyboard and a screen: what is shown appears above the line being typed. */
function openTerminal(prompt: string) {
  const interactive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  let open = true;
  const output = interactive ? stdout : undefined;
  const keyboard = createInterface({ input: stdin, output, prompt });
  keyboard.on("error", () => keyboard.close());
  keyboard.on("SIGINT", () => { // Ctrl-C, here a key and no signal.
    keyboard.close();
    Deno.kill(Deno.pid, "SIGINT"); // So that a shell sees an interruption.
  });
  keyboard.on("SIGCONT", () => keyboard.prompt(true)); // After Ctrl-Z and fg.
  const lines = new ReadableStream<string>({
    start(queue) {
      keyboard.on("line", (line) => {
        // A pipe pauses until its lines are taken; a keyboard does not, for its Ctrl-C.
        if (interactive) keyboard.prompt();
        else keyboard.pause();
        queue.enqueue(line);
      });
      keyboard.on("close", () => {
        open = false;
        setImmediate(() => stdin.resume().pause()); // Or a pending read keeps us alive.
        if (interactive) stdout.write("\r\x1b[J"); // Erases the prompt.
        queue.close();
      });
    },
    pull: () => void keyboard.resume(), // No line waits.
  }).values({ preventCancel: true }); // Or, after FIN, queue.close() would throw.
  const show = (text: string) => {
    if (!interactive || !open) return console.log(text);
    // Goes up to the prompt's first row, to its beginning, and clears all from there.
    const { rows } = keyboard.getCursorPos();
    stdout.write("\x1b[A".repeat(rows) + "\r\x1b[J");
    console.log(text + "\n".repeat(rows)); // For prompt(true) first goes up as many.
    keyboard.prompt(true);
  };
  return { lines, show, [Symbol.dispose]: () => keyboard.close() };
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
  const conn = await Deno.connect({
    hostname: host,
    port: Number(port),
    signal: AbortSignal.timeout(5000), // Some hosts never answer.
  });
  using terminal = openTerminal(">> ");
  terminal.show("Connecté au serveur\nTapez FIN pour terminer la conversation");
  await converse(conn, terminal.lines, terminal.show, raw);
  terminal.show("Connexion fermée");
}

if (import.meta.main) {
  await main().catch((error) => {
    const nobody = error.name === "ConnectionRefused";
    const hint = nobody ? " : lancez d'abord le serveur" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
