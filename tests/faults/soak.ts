/**
 * The soak: two thousand clients at once come to `multithread_server`, talk, stall,
 * reset, leave and come again, while its threads are killed one after the other.
 *
 * All answers look the same, so the server's log tells whose message was heard, and
 * each message has its client and its number in it. What must hold:
 *
 * - what the server heard of a client is what it said: in order, once, unaltered;
 * - what was acknowledged had been heard, and nobody hears more answers than it
 *   said messages (one client too many, and another one too few: a mix-up);
 * - who is polite is answered to the end, unless its thread was killed;
 * - a time limit is as long as it says, and nobody is left without a word;
 * - when all have left, descriptors and memory are back where they were;
 * - a stop is told to everybody, and takes less than its 3 s.
 *
 * Clients come in waves, and in the second half of these no thread is killed: a
 * memory leak in a thread would end with it. The server's young generation of
 * objects is kept small (V8 lets it grow to some 50 MiB a thread), so that a leak
 * shows. On Linux only: elsewhere threads cannot share a port.
 *
 * `deno task soak` takes `--seconds 120`, `--clients 2000` and `--seed 1`.
 *
 * @module
 */
import net from "node:net";
import { parseArgs } from "@std/cli/parse-args";
import { memoryKib } from "../../bench/measure.ts";
import { exchange, header, ROOT } from "../harness.ts";
import { random, SEED } from "./relay.ts";

const ANSWER = "Message reçu";
/** Seconds that the server gives a client for one message. */
const TIMEOUT = 4;
const LATE = `Délai dépassé : ${TIMEOUT} s`;
/** What the server may say of a client, and of one that it could not accept. */
const KNOWN = new RegExp(
  `^(${LATE}$|Connection reset|Broken pipe|Client non accepté : Transport endp)`,
);
/** Milliseconds from the death of a thread to that of another one. */
const KILL_EVERY = 1500;
/** MiB by which memory may differ between calm waves; a leak adds up. */
const SLACK = 32;

/** What a client comes for, and how many of a hundred do. */
const ROLES = {
  /** Says messages, each when the one before has been answered, and leaves. */
  talk: 65,
  /** Says many at once, and hears all the answers. */
  batch: 8,
  /** Says nothing at all until it is told to go. */
  silent: 5,
  /** Says an endless line, a byte at a time, until it is told to go. */
  drip: 5,
  /** Says many at once, and for a while reads nothing. */
  stall: 5,
  /** Resets the connection in the middle of a message, its answers unread. */
  reset: 7,
  /** Leaves as soon as it has come. */
  flee: 5,
};
export type Role = keyof typeof ROLES;

/** One connection, from the client's side. */
export interface Conversation {
  id: number;
  role: Role;
  /** The client's port. */
  port: number;
  /** Messages that left, or began to. */
  said: number;
  answers: number;
  /** What else the server said: its last line, without which there is none. */
  word?: string;
  /** When it began to connect, and when it came to the end of the stream. */
  began: number;
  ended?: number;
  /** The longest it took to say something after an answer, in milliseconds. */
  slowest: number;
  /** It did all that its role wants. */
  complete: boolean;
}

/** What a soak found. */
export interface Report {
  faults: string[];
  conversations: number;
  messages: number;
  deaths: number;
  /** What the server said of clients that it lost, ended or did not accept. */
  reasons: Record<string, number>;
}

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** A message: whose it is, which of them, and some text of its own. */
export function message(id: number, number: number): string {
  const next = random(id * 1009 + number);
  // One in fifty is long; what is cut in two may be an "é".
  const length = next() < 0.02 ? 9000 * next() : 60 * next();
  return `${id}.${number} ` + "é€a🙂z-".repeat(length / 6);
}

/** A connection that hears answers, and complains of anything else. */
class Peer {
  #bytes = new Uint8Array(16384);
  #decoder = new TextDecoder();
  #rest = "";
  #answered = performance.now();

  constructor(
    readonly conn: Deno.TcpConn,
    readonly talk: Conversation,
    readonly faults: string[],
  ) {}

  async send(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.conn.write(bytes));
    }
    const took = performance.now() - this.#answered;
    this.talk.slowest = Math.max(this.talk.slowest, took);
  }

  /** Waits for what one read brings; false at the end of the stream. */
  async hear(): Promise<boolean> {
    const { talk, faults } = this;
    const count = await this.conn.read(this.#bytes).catch(() => null);
    if (count === null) {
      if (this.#rest) faults.push(`${talk.id} heard half: ${this.#rest}`);
      talk.ended = performance.now();
      return false;
    }
    const bytes = this.#bytes.subarray(0, count);
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true }))
      .split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      if (talk.word) faults.push(`${talk.id} heard more after "${talk.word}"`);
      if (line === ANSWER) talk.answers++;
      else talk.word = line;
    }
    if (lines.includes(ANSWER)) this.#answered = performance.now();
    if (talk.answers > talk.said) {
      faults.push(`${talk.id} said ${talk.said}, answered ${talk.answers}`);
    }
    return true;
  }

  /** Waits until all that was said has been answered; false if it ends before. */
  async answered(): Promise<boolean> {
    while (this.talk.answers < this.talk.said) {
      if (!await this.hear()) return false;
    }
    return true;
  }

  /** Waits for the end of the stream. */
  async end(): Promise<void> {
    while (await this.hear());
  }
}

/** Says some messages and half of one, and resets the connection. */
async function reset(
  port: number,
  talk: Conversation,
  next: () => number,
): Promise<void> {
  // Deno's own connections end their half before they close.
  const socket = net.connect(port, "127.0.0.1").on("error", () => {});
  const closed = new Promise((resolve) => socket.on("close", resolve));
  const open = new Promise((resolve) => socket.on("connect", resolve));
  await Promise.race([open, closed]);
  talk.port = socket.localPort ?? 0;
  for (let count = 20 * next(); count > 0; count--) {
    socket.write(message(talk.id, talk.said++) + "\n");
  }
  socket.write(message(talk.id, talk.said).slice(0, 4));
  await pause(300 * next());
  socket.resetAndDestroy();
  await closed;
}

/** Holds one conversation. Throws what `connect`, `read` and `write` throw. */
async function converse(peer: Peer, next: () => number): Promise<void> {
  const { conn, talk } = peer;
  const encoder = new TextEncoder();
  const whole = (count: number) => {
    const lines = Array.from({ length: count }, () => {
      return message(talk.id, talk.said++) + "\n";
    });
    return encoder.encode(lines.join(""));
  };
  switch (talk.role) {
    case "talk":
      for (let count = 1 + 7 * next(); count > 0; count--) {
        const bytes = whole(1), cut = Math.floor(next() * bytes.length);
        await peer.send(bytes.subarray(0, cut));
        if (next() < 0.3) await pause(20 * next());
        await peer.send(bytes.subarray(cut));
        if (!await peer.answered()) return;
        await pause(600 * next());
      }
      if (next() < 0.3) {
        talk.said++;
        await peer.send(encoder.encode("FIN\n"));
      } else if (next() < 0.5) {
        // The last message has no "\n": the end of the stream ends it.
        await peer.send(whole(1).slice(0, -1));
        await conn.closeWrite();
      } else {
        talk.complete = true;
        return;
      }
      talk.complete = await peer.answered();
      // The server closes as well.
      await peer.end();
      return;
    case "batch":
      await Promise.all([
        peer.send(whole(2 + Math.floor(48 * next()))),
        peer.answered(),
      ]);
      talk.complete = talk.answers === talk.said;
      return;
    case "silent":
      await peer.end();
      talk.complete = talk.word === LATE;
      return;
    case "drip": {
      const heard = peer.end();
      while (talk.ended === undefined) {
        await peer.send(encoder.encode("x"));
        await pause(200);
      }
      await heard;
      talk.complete = talk.word === LATE;
      return;
    }
    case "stall":
      await peer.send(whole(60));
      await pause(1000 * TIMEOUT * next());
      await peer.answered();
      talk.complete = talk.answers === talk.said;
      return;
    case "reset":
    case "flee":
      return;
  }
}

/**
 * Compares what clients did with the server's log, all of whose lines are in
 * order, and says what is wrong.
 */
export function judge(
  log: string,
  conversations: Conversation[],
): Omit<Report, "conversations"> {
  const faults: string[] = [], reasons: Record<string, number> = {};
  const heard = conversations.map(() => 0);
  // Who talks on a port of a thread, if anybody knows: its first message tells. The
  // port may have a new owner before the old one's end is in the log.
  const open = new Map<string, (number | undefined)[]>();
  const threads = conversations.map(() => "");
  const cut = new Set<number>(), dead = new Set<string>();
  const cutOff = (key: string) => {
    for (const index of open.get(key) ?? []) {
      if (index !== undefined) cut.add(index);
    }
    open.delete(key);
  };
  let messages = 0, deaths = 0;
  const first = conversations[0]?.id ?? 0;
  for (const line of log.split("\n").slice(0, -1)) {
    const [, verb = "", port = "", thread = "", , text = ""] = line.match(
      /^(.*?)127\.0\.0\.1:(\d+) \[Thread (\d)\]( : (.*))?$/,
    ) ?? [];
    const death = line.match(/^Thread (\d) mort, remplacé : /);
    const key = `${thread} ${port}`;
    if (death) {
      deaths++;
      dead.add(death[1]);
      for (const key of open.keys()) if (key[0] === death[1]) cutOff(key);
    } else if (verb === "Instance de serveur prête pour ") {
      open.set(key, [...open.get(key) ?? [], undefined]);
    } else if (verb === "Connexion fermée avec ") {
      open.get(key)?.shift();
    } else if (verb === "Message reçu du client ") {
      messages++;
      const [, id, number] = text.match(/^(\d+)\.(\d+) /) ?? [];
      // A FIN has no name in it: it is the last word of who has the port.
      const index = id ? Number(id) - first : open.get(key)?.at(-1) ??
        conversations.findIndex((talk, i) =>
          `${talk.port}` === port && heard[i] > 0 && heard[i] === talk.said - 1
        );
      const talk = conversations[index];
      if (!talk || `${talk.port}` !== port) {
        // The endless line of a drip that left when it was told to.
        if (!/^x+$/.test(text)) faults.push(`nobody's: ${line.slice(0, 100)}`);
        continue;
      }
      open.set(key, [...open.get(key)?.slice(0, -1) ?? [], index]);
      const wanted = id ? message(talk.id, heard[index]) : "FIN";
      if (text !== wanted) {
        const place = `message ${heard[index]} of ${talk.id} (${talk.role})`;
        faults.push(`${place} was heard as ${number}: ${text.slice(0, 50)}`);
      }
      threads[index] = thread;
      heard[index]++;
    } else if (KNOWN.test(port && verb === "" ? text : line)) {
      const reason = text || line;
      reasons[reason] = (reasons[reason] ?? 0) + 1;
    } else faults.push(`unexpected: ${line.slice(0, 200)}`);
  }
  // What a dying thread still said may stand behind the news of its death.
  for (const key of open.keys()) if (dead.has(key[0])) cutOff(key);
  for (const [index, talk] of conversations.entries()) {
    const { id, role, said, answers, word, complete } = talk;
    const who = `${id} (${role}, port ${talk.port})`;
    if (answers > heard[index]) {
      faults.push(`${who} had ${answers} answers to ${heard[index]} messages`);
    }
    if (heard[index] > said) {
      faults.push(`${who} said ${said} messages, ${heard[index]} were heard`);
    }
    const polite = role === "talk" || role === "batch";
    // On a machine that is too busy, it may really have been late.
    const slow = talk.slowest > 500 * TIMEOUT;
    if (word === LATE) {
      const waited = Math.round((talk.ended ?? 0) - talk.began);
      if (waited < 1000 * TIMEOUT || (polite && !slow)) {
        faults.push(`${who} was ended for being late, after ${waited} ms`);
      }
      if (!polite && role !== "stall" && waited > 1000 * TIMEOUT + 8000) {
        faults.push(`${who} was told only after ${waited} ms`);
      }
    } else if (word) faults.push(`${who} heard "${word}"`);
    const leaves = role === "reset" || role === "flee";
    const late = word === LATE && polite && slow;
    // Of whom nothing was heard, nobody knows the thread.
    const killed = cut.has(index) || dead.has(threads[index]) ||
      (heard[index] === 0 && deaths > 0);
    if (!complete && !leaves && !late && !killed) {
      faults.push(`${who} was left at ${answers} of ${said}, heard "${word}"`);
    }
  }
  return { faults, messages, deaths, reasons };
}

/** The server, its log in a file: a pipe that is read late would make it wait. */
async function startServer() {
  const folder = await Deno.makeTempDir({ prefix: "soak-" });
  const log = `${folder}/log`;
  // On SIGUSR2 the oldest thread gets what it does not expect, and dies of it.
  const killer = `
    const workers = [];
    globalThis.Worker = class extends Worker {
      constructor(...args) { super(...args); workers.push(this); }
    };
    Deno.addSignalListener("SIGUSR2", () => workers.shift().postMessage(null));`;
  const { flags, path } = header("multithread_server");
  const preload = `data:application/javascript,${encodeURIComponent(killer)}`;
  const options = `--port 0 --threads 2 --timeout ${TIMEOUT}`;
  const child = new Deno.Command("sh", {
    args: [
      ...["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", log],
      ...[Deno.execPath(), "run", "--v8-flags=--max-semi-space-size=1"],
      ...[...flags, "--preload", preload, path, ...options.split(" ")],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).spawn();
  const { pid } = child;
  const server = {
    port: NaN,
    shoot() {
      try {
        child.kill("SIGUSR2");
      } catch { /* It has ended, and its clients will say so. */ }
    },
    /** How many it has open; 0 if it has ended. */
    descriptors() {
      try {
        return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
      } catch {
        return 0;
      }
    },
    mebibytes: async () => Math.round(await memoryKib(pid) / 1024),
    /** What it has said since it was last asked; all that it says is in order. */
    async said(): Promise<string> {
      const text = await Deno.readTextFile(log).catch(() => "");
      if (text) await Deno.truncate(log);
      return text;
    },
    /** Asks it to stop, and waits until it has. */
    async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
      try {
        child.kill(signal);
      } catch { /* It has ended. */ }
      const limit = setTimeout(() => child.kill("SIGKILL"), 10_000);
      const { code } = await child.status;
      clearTimeout(limit);
      return code;
    },
    async [Symbol.asyncDispose]() {
      await server.stop("SIGKILL");
      await Deno.remove(folder, { recursive: true });
    },
  };
  for (let tries = 0; !server.port; tries++) {
    await pause(50);
    const text = await Deno.readTextFile(log).catch(() => "");
    server.port = Number(text.match(/^Serveur prêt.*:(\d+)/m)?.[1]);
    if (tries > 400) {
      await server[Symbol.asyncDispose]();
      throw new Error(`The server does not start: ${text}`);
    }
  }
  return server;
}

/** Lets clients come for some seconds, and waits until the last has gone. */
async function wave(
  port: number,
  clients: number,
  seconds: number,
  seed: number,
  firstId: number,
  faults: string[],
): Promise<Conversation[]> {
  const conversations: Conversation[] = [];
  const end = performance.now() + 1000 * seconds;
  const pick = (ticket: number): Role => {
    for (const [role, share] of Object.entries(ROLES)) {
      if ((ticket -= share) < 0) return role as Role;
    }
    return "talk";
  };
  const live = async () => {
    while (true) {
      await pause(1500 * Math.random());
      if (performance.now() > end) return;
      const id = firstId + conversations.length;
      // What it does comes from the seed; when it does so, from the machine.
      const next = random(seed * 7919 + id);
      const talk: Conversation = {
        id,
        role: pick(100 * next()),
        port: 0,
        said: 0,
        answers: 0,
        began: performance.now(),
        slowest: 0,
        complete: false,
      };
      conversations.push(talk);
      try {
        if (talk.role === "reset") {
          await reset(port, talk, next);
          continue;
        }
        using conn = await Deno.connect({ hostname: "127.0.0.1", port });
        const limit = setTimeout(() => {
          faults.push(`${talk.id} (${talk.role}) is still there after 30 s`);
          conn[Symbol.dispose]();
        }, 30_000);
        using _ = { [Symbol.dispose]: () => clearTimeout(limit) };
        conn.setNoDelay(true);
        talk.port = conn.localAddr.port;
        await converse(new Peer(conn, talk, faults), next);
      } catch { /* It is not complete: `judge` asks why. */ }
    }
  };
  await Promise.all(Array.from({ length: clients }, live));
  return conversations;
}

/** Stops the server while clients talk, and one in two has its answers unread. */
async function farewell(
  server: Awaited<ReturnType<typeof startServer>>,
): Promise<string[]> {
  const faults: string[] = [], hostname = "127.0.0.1", { port } = server;
  const line = new TextEncoder().encode("au revoir\n");
  const lines = new TextEncoder().encode("au revoir\n".repeat(20));
  const clients = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      const conn = await Deno.connect({ hostname, port });
      // An answer shows that it has been accepted: who has not, is reset.
      await conn.write(line);
      await conn.read(new Uint8Array(100));
      if (i % 2) await conn.write(lines);
      return conn;
    }),
  );
  const begin = performance.now(), end = server.stop();
  const words = await Promise.all(clients.map(async (conn) => {
    const text = await new Response(conn.readable).text().catch(() => "reset");
    return text.replace(/^(Message reçu\n)*/, "");
  }));
  const code = await end, took = Math.round(performance.now() - begin);
  const wordless = words.filter((word) => word !== "Le serveur s'arrête\n");
  if (wordless.length > 0) {
    faults.push(`${wordless.length} were not told of the stop: ${wordless[0]}`);
  }
  if (code !== 0) faults.push(`The server ended with ${code}`);
  if (took > 2900) faults.push(`It took ${took} ms to stop`);
  return faults;
}

/**
 * Runs the soak.
 *
 * @param seconds How long clients come, in all; then they have to leave.
 * @param tell Is given a line after each wave.
 */
export async function soak(
  seconds: number,
  clients: number,
  seed: number,
  tell: (line: string) => void,
): Promise<Report> {
  const report: Report = {
    faults: [],
    conversations: 0,
    messages: 0,
    deaths: 0,
    reasons: {},
  };
  const { faults, reasons } = report;
  await using server = await startServer();
  // What it opens for its first client, it keeps.
  await exchange(server.port, "bonjour\n");
  await pause(500);
  await server.said();
  const rest = server.descriptors(), memory: number[] = [];
  const waves = Math.max(4, 2 * Math.round(seconds / 40));
  for (let number = 1; number <= waves; number++) {
    const calm = number > waves / 2;
    const killer = calm ? undefined : setInterval(server.shoot, KILL_EVERY);
    const first = report.conversations, { port } = server;
    const time = seconds / waves;
    const came = await wave(port, clients, time, seed, first, faults)
      .finally(() => clearInterval(killer));
    // The server listens for a second to clients that it has ended.
    for (let tries = 0; tries < 100 && server.descriptors() !== rest; tries++) {
      await pause(50);
    }
    const descriptors = server.descriptors(), mib = await server.mebibytes();
    if (descriptors !== rest) {
      faults.push(
        `${descriptors} descriptors after wave ${number}, not ${rest}`,
      );
    }
    if (calm) memory.push(mib);
    const found = judge(await server.said(), came);
    faults.push(...found.faults);
    report.conversations += came.length;
    report.messages += found.messages;
    report.deaths += found.deaths;
    for (const [reason, count] of Object.entries(found.reasons)) {
      reasons[reason] = (reasons[reason] ?? 0) + count;
    }
    tell(
      `Wave ${number} of ${waves}: ${came.length} conversations, ` +
        `${found.messages} messages, ${found.deaths} threads killed; ` +
        `then ${descriptors} descriptors, ${mib} MiB. Faults: ${faults.length}`,
    );
  }
  if (memory.at(-1)! > memory[0] + SLACK) {
    faults.push(`Memory grew: ${memory.join(", ")} MiB after the calm waves`);
  }
  faults.push(...await farewell(server));
  return report;
}

if (import.meta.main) {
  const { seconds, clients, seed } = parseArgs(Deno.args, {
    string: ["seconds", "clients", "seed"],
    default: { seconds: "120", clients: "2000", seed: `${SEED}` },
    unknown: (arg) => {
      console.error(`"${arg}": write --seconds, --clients or --seed`);
      Deno.exit(2);
    },
  });
  for (const [name, text] of Object.entries({ seconds, clients, seed })) {
    if (/^[1-9]\d{0,8}$/.test(text)) continue;
    console.error(`--${name} "${text}": write a whole number from 1`);
    Deno.exit(2);
  }
  if (Deno.build.os !== "linux") {
    console.error("The soak needs Linux: elsewhere threads share no port");
    Deno.exit(1);
  }
  console.log(
    `Seed ${seed}, ${clients} clients at once, ${seconds} s and some`,
  );
  const { faults, reasons, ...sums } = await soak(
    Number(seconds),
    Number(clients),
    Number(seed),
    console.log,
  );
  console.log(
    "What the server said of clients that did not leave by themselves:",
  );
  for (const [reason, count] of Object.entries(reasons)) {
    console.log(`${count} × ${reason}`);
  }
  for (const fault of faults.slice(0, 50)) console.error(fault);
  console.log(
    `${sums.conversations} conversations, ${sums.messages} messages, ` +
      `${sums.deaths} threads killed: ${faults.length} faults`,
  );
  Deno.exit(faults.length > 0 ? 1 : 0);
}
