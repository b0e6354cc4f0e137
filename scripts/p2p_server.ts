#!/usr/bin/env -S deno run --allow-net
/**
 * TCP chat, the side that listens: section 5, P2P.
 *
 * One loop listens while another one speaks, so that both sides may speak at any time
 * (the course takes turns). One client at a time; multithread_server.ts has many.
 *
 * @run deno run --allow-net scripts/p2p_server.ts
 */
import { parseArgs } from "jsr:@std/cli@^1.0.0/parse-args";
import { fstatSync } from "node:fs";
import { stdin, stdout } from "node:process";
import { createInterface } from "node:readline";
import { encode, hangUp, printable, receive, write } from "./encoding.ts";

/** Talks to one client after the other, until `stop` aborts. */
export async function serve(
  listener: Deno.TcpListener,
  terminal: Terminal,
  stop: AbortSignal,
  raw = false,
): Promise<void> {
  stop.addEventListener("abort", () => listener.close());
  const ready = "Serveur prêt, en attente de requêtes sur ";
  terminal.show(ready + address(listener.addr));
  while (!stop.aborted) {
    let conn: Deno.TcpConn | undefined;
    try {
      conn = await listener.accept();
    } catch (error) {
      if (stop.aborted) return;
      terminal.show(`Client non accepté : ${error}`, console.error);
      if (error instanceof Deno.errors.NotConnected) continue; // The client has gone.
      await new Promise((resume) => setTimeout(resume, 50)); // No descriptor?
    }
    if (!conn) continue;
    terminal.show(`Client connecté, adresse ${address(conn.remoteAddr)}`);
    await chat(conn, terminal, stop, raw);
    terminal.show("CONNEXION INTERROMPUE");
    if (!stop.aborted) terminal.show(ready + address(listener.addr));
  }
}

/**
 * Listens and speaks until one side says FIN or leaves, or `stop` aborts; then closes.
 *
 * @param limits Milliseconds for the peer to take one line, and for the goodbyes.
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
      show(messages.map((line) => `Client >> ${printable(line)}`).join("\n"));
      if (fin >= 0) break;
    }
    lastWord = "Au revoir";
  };
  const speak = async () => {
    conn.setNoDelay(true); // Or Nagle's algorithm makes a second line wait 40 ms.
    let line = "Vous êtes connecté au serveur, envoyez vos messages";
    while (true) {
      const bytes = encode(line, raw);
      // Closing `conn` is the only way to cancel a pending read or write on it.
      const timer = setTimeout(() => conn[Symbol.dispose](), limits.line);
      await write(conn, bytes).finally(() => clearTimeout(timer));
      if (line === lastWord || isFin(line)) return await conn.closeWrite();
      const next = await keyboard.read().catch(() => undefined); // By releaseLock().
      line = next?.value ?? lastWord;
    }
  };
  const loops = [listen(), speak()];
  try {
    const stopped = stop.aborted || new Promise((end) => stop.onabort = end);
    await Promise.race([...loops, stopped]);
  } catch (error) {
    const { name, message } = error as Error;
    if (name === "Refusal") lastWord = message; // So speak() tells the peer why.
    show(`Client perdu : ${error}`, console.error);
  } finally {
    keyboard.releaseLock(); // Rejects its pending read: that line is the next client's.
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
        // Locked: a client is there. If none is, a pipe's lines wait for one.
        if (lines.locked || !interactive) queue.enqueue(line);
        else show("Ligne perdue : personne n'est connecté", console.error);
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

function address({ hostname, port }: Deno.NetAddr): string {
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
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
  const stop = new AbortController();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  const unix = Deno.build.os !== "windows";
  if (unix) Deno.addSignalListener("SIGTERM", onSignal); // Windows has none.
  const listener = Deno.listen({ hostname: host, port: Number(port) });
  // A service's stdin (0) is /dev/null, a device but no TTY: its end means nothing.
  const service = unix && !stdin.isTTY && fstatSync(0).isCharacterDevice();
  const onEnd = () => service || stop.abort();
  using terminal = openTerminal("Serveur >> ", onSignal, onEnd);
  await serve(listener, terminal, stop.signal, raw);
  terminal.show("Serveur arrêté");
}

if (import.meta.main) {
  await main().catch((error) => {
    const taken = error.name === "AddrInUse" ? " : essayez --port 50001" : "";
    console.error(`${error}${taken}`);
    Deno.exit(1);
  });
}
