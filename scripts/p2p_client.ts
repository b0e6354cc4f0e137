#!/usr/bin/env -S deno run --allow-net
/**
 * TCP chat, the side that connects: section 5, P2P.
 *
 * Once the connection is there, neither side is the client: this is p2p_server.ts
 * with `connect` in place of `listen` and `accept`, and for one conversation. The
 * course's client asks for one more line when nobody is there any more; this one
 * leaves when the conversation is over.
 *
 * @run deno run --allow-net scripts/p2p_client.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { encode, hangUp, printable, receive, write } from "./encoding.ts";

/**
 * Listens and speaks until one side says FIN or leaves, or `stop` aborts; then closes.
 *
 * @param limits Milliseconds for the peer to take one line, and for the goodbyes.
 * @throws What has cut the conversation short.
 */
export async function chat(
  conn: Deno.TcpConn,
  { lines, show }: Terminal,
  stop: AbortSignal,
  raw = false,
  limits = { line: 10_000, end: 3000 },
): Promise<void> {
  const keyboard = lines.getReader();
  let lastWord = "FIN"; // What speak() says in the end, unless listen() changes it.
  const listen = async () => {
    conn.setKeepAlive(true); // Or nobody would notice that a cable was cut.
    for await (const messages of receive(conn, raw)) {
      const fin = messages.findIndex(isFin);
      if (fin >= 0) messages.length = fin + 1;
      // Together: one read may bring 65,536 lines, and each redraw takes a while.
      show(messages.map((line) => `Serveur >> ${printable(line)}`).join("\n"));
      if (fin >= 0) break;
    }
    lastWord = "Au revoir";
  };
  const speak = async () => {
    conn.setNoDelay(true); // Or Nagle's algorithm makes a second line wait 40 ms.
    while (true) {
      const next = await keyboard.read().catch(() => undefined); // By releaseLock().
      const line = next?.value ?? lastWord;
      const bytes = encode(line, raw);
      // Closing `conn` is the only way to cancel a pending read or write on it.
      const timer = setTimeout(() => conn[Symbol.dispose](), limits.line);
      await write(conn, bytes).finally(() => clearTimeout(timer));
      if (line === lastWord || isFin(line)) return await conn.closeWrite();
    }
  };
  const loops = [listen(), speak()];
  try {
    const stopped = stop.aborted || new Promise((end) => stop.onabort = end);
    await Promise.race([...loops, stopped]);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "Refusal") lastWord = message; // So speak() tells the peer why.
    throw error;
  } finally {
    keyboard.releaseLock(); // Rejects its pending read.
    const timer = setTimeout(() => conn[Symbol.dispose](), limits.end);
    await Promise.allSettled(loops);
    await hangUp(conn);
    clearTimeout(timer);
  }
}

const isFin = (line: string) => /^\s*fin\s*$/i.test(line);

/** A keyboard and a screen, each of which may be a pipe or a file. */
export type Terminal = Disposable & {
  lines: ReadableStream<string>;
  show(text: string, print?: typeof console.log): void;
};

/** Opens both: what is shown appears above the line that is being typed. */
function openTerminal(prompt: string, onCtrlC: () => void, onEnd: () => void) {
  const interactive = Deno.stdin.isTerminal() && Deno.stdout.isTerminal();
  let open = true;
  const output = interactive ? stdout : undefined;
  const keyboard = createInterface({ input: stdin, output, prompt });
  keyboard.on("error", onEnd);
  keyboard.on("SIGINT", onCtrlC);
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
        if (queue.desiredSize === 1) onEnd(); // No line waits.
      });
    },
    pull: () => open ? void keyboard.resume() : onEnd(), // No line waits.
  });
  const show = (text: string, print = console.log) => {
    if (!interactive || !open) return print(text);
    // Goes up to the prompt's first row, to its beginning, and clears all from there.
    const { rows } = keyboard.getCursorPos();
    stdout.write("\x1b[A".repeat(rows) + "\r\x1b[J");
    print(text + "\n".repeat(rows)); // For prompt(true) first goes up as many.
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
  const stop = new AbortController();
  const leave = () => stop.abort();
  using terminal = openTerminal("Client >> ", leave, leave);
  terminal.show("CONNEXION ÉTABLIE AVEC LE SERVEUR");
  await chat(conn, terminal, stop.signal, raw);
  terminal.show("CONNEXION INTERROMPUE");
}

if (import.meta.main) {
  await main().catch((error) => {
    const nobody = error.name === "ConnectionRefused";
    const hint = nobody ? " : lancez d'abord le serveur" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
