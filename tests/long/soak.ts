/**
 * The soak: two thousand clients at once come to `multithread_server`, talk, stall,
 * leave in the middle, reset and come again, while one of its threads is killed.
 *
 * The truth is in the messages: each carries its client's number and its own, as
 * `c17 m4`. After each wave of clients, {@linkcode judge} compares three lists of
 * every connection: what it sent, what it heard, and what the server's log has of it.
 * Answers are all alike, so the n-th one acknowledges the n-th message.
 *
 * Linux only: elsewhere threads share no port.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { Peer, preload, serve } from "../harness.ts";

const ANSWER = "Message reçu\n";
const FAREWELL = "Le serveur s'arrête\n";
/** How many clients are there at once. */
const CLIENTS = 2000;
/** What they come for. */
const ROLES = ["talk", "talk", "talk", "stall", "half-close", "reset"];
/** In the first wave, thread 1 is killed; in the last, the server is stopped. */
const WAVES = ["kill", "calm", "calm", "calm", "stop"];
/** Milliseconds between kills; one before the thread is back, after 1 s, hits nobody. */
const KILL_EVERY = 700;
/** MiB by which memory may grow from the first calm wave to the last. */
const SLACK = 64;

/** One connection, from the client's side. */
export interface Conversation {
  /** Its number, which its messages carry. */
  client: number;
  /** What it comes for; {@linkcode converse} says what that is. */
  role: string;
  /** Its own end of the connection, as the server names it. */
  address: string;
  /** The messages that it sent, or began to. */
  sent: string[];
  /** All that it heard. */
  heard: string;
  /** What kept it from playing its role to the end; nothing, if it has. */
  trouble: string;
}

const MESSAGE =
  /^Message reçu du client (\S+) \[Thread (\d)\] : (c(\d+) m.*)$/gm;
const CLOSING = /^Connexion fermée avec (\S+) \[Thread \d\]$/gm;
const DEATH = /^Thread (\d) mort, relancé : .*$/gm;
/** What else a server may say of clients that come and go as these do. */
const USUAL = [
  /^Instance de serveur prête pour \S+ \[Thread \d\]$/gm,
  /^Client perdu, \S+ \[Thread \d\] : (ConnectionReset|BrokenPipe): .*$/gm,
  /^Client non accepté : NotConnected: .*$/gm,
  /^(Serveur prêt, .*|Serveur arrêté)$/gm,
];

/** Says what is wrong with a wave: the server's log, and its clients' conversations. */
export function judge(log: string, conversations: Conversation[]): string[] {
  const faults: string[] = [];
  let unusual = log;
  for (const usual of [MESSAGE, CLOSING, DEATH, ...USUAL]) {
    unusual = unusual.replace(usual, "");
  }
  if (unusual.trim() !== "") faults.push(`Unusual: ${unusual.trim()}`);
  const messages = [...log.matchAll(MESSAGE)];
  const logged = Map.groupBy(messages, ([, , , , client]) => Number(client));
  const dead = new Set([...log.matchAll(DEATH)].map(([, thread]) => thread));
  const closed = new Set([...log.matchAll(CLOSING)].map(([, from]) => from));
  const stopped = log.endsWith("Serveur arrêté\n");

  for (const talk of conversations) {
    const { client, role, address, sent, trouble } = talk;
    const who = `c${client} (${role})`;
    const lines = logged.get(client) ?? [];
    logged.delete(client);
    const told = stopped && talk.heard.endsWith(FAREWELL);
    const heard = told ? talk.heard.slice(0, -FAREWELL.length) : talk.heard;
    const answers = heard.split("\n").length - 1;
    // Of whom the log has nothing, nobody knows the thread.
    const orphaned = lines.length > 0 ? dead.has(lines[0][2]) : dead.size > 0;
    // A server that stops waits for its clients to take its last word, for a second:
    // on a busy machine, not all of a thousand can.
    const cut = orphaned ||
      stopped && (lines.length === 0 || closed.has(address));

    for (const [i, [line, from, , text]] of lines.entries()) {
      if (from === address && text === sent[i]) continue;
      faults.push(`${who} at ${address} sent "${sent[i]}", logged is: ${line}`);
    }
    if (answers > lines.length) {
      faults.push(`${who} has ${answers} answers, logged are ${lines.length}`);
    }
    const whole = ANSWER.repeat(answers);
    if (heard !== whole && !(cut && (whole + ANSWER).startsWith(heard))) {
      faults.push(`${who} heard something else: ${heard.slice(-100)}`);
    }
    const served = trouble === "" &&
      (role === "reset" || answers === sent.length);
    if (!served && !cut && !told) {
      faults.push(
        `${who} has ${answers} of ${sent.length} answers: ${trouble}`,
      );
    }
  }
  for (const [[line]] of logged.values()) faults.push(`Nobody's: ${line}`);
  return faults;
}

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** Plays a client's role. Throws if the server ends the conversation before. */
async function converse(
  peer: Peer,
  { client, role, sent }: Conversation,
): Promise<void> {
  /** Sends the next messages, and what begins another one. */
  const send = async (count: number, beginning = "") => {
    let text = "";
    for (let i = 0; i < count; i++) {
      // One in fifty is long, though its line in the log fits in 4 KiB: beyond
      // that, a pipe may mix the lines of two threads.
      const size = Math.random() < 0.02 ? 600 : 10 * Math.random();
      const message = `c${client} m${sent.length} ${"é€".repeat(size)}`;
      sent.push(message);
      text += message + "\n";
    }
    if (beginning !== "") sent.push(beginning);
    await peer.say(text + beginning);
  };
  const answered = () => peer.hears(ANSWER.repeat(sent.length));

  if (role === "talk") {
    for (let count = 5 * Math.random(); count > 0; count--) {
      await send(1);
      await answered();
      await pause(200 * Math.random());
    }
  } else if (role === "stall") {
    await send(40);
    await pause(500 * Math.random()); // It does not read meanwhile.
  } else if (role === "half-close") {
    // The end of the stream ends the last message.
    await send(12 * Math.random(), `c${client} m`);
  } else {
    // Who has an answer has been accepted, and is not met in the next wave's log.
    await send(1);
    await answered();
    await send(12 * Math.random(), `c${client} m`);
    return await peer.reset();
  }
  await peer.end();
}

/** The memory that a process holds (resident set), in KiB. */
export function memoryKib(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(status.match(/^VmRSS:\s+(\d+)/m)![1]);
}

/** Starts the server, whose thread 1 SIGUSR2 kills. */
async function startServer() {
  const killer = `
    let first;
    globalThis.Worker = class extends Worker {
      postMessage(data) {
        if (data?.thread === 1) first = this;
        super.postMessage(data);
      }
    };
    // No worker expects this: it dies of it.
    Deno.addSignalListener("SIGUSR2", () => first.postMessage(null));`;
  return await serve("multithread_server", ["--threads", "2"], {
    flags: [
      ...preload("multithread_server", killer).flags,
      // V8 would let young objects grow to some 50 MiB a thread, and hide a leak.
      "--v8-flags=--max-semi-space-size=1",
    ],
    shell: 'exec "$@" 2>&1', // One log, in order.
  });
}

/** Runs the soak, in which clients come for some seconds; returns what is wrong. */
export async function soak(seconds: number): Promise<string[]> {
  await using server = await startServer();
  const port = await server.port();
  const descriptors = () =>
    [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length;
  let client = 0;
  const faults: string[] = [], memory: number[] = [];
  let conversations: Conversation[] = [];

  /** A client comes, and goes. */
  const visit = async (as?: string) => {
    const role = as ?? ROLES[Math.floor(ROLES.length * Math.random())];
    const nothing = { address: "", sent: [], heard: "", trouble: "" };
    const talk: Conversation = { client: ++client, role, ...nothing };
    conversations.push(talk);
    try {
      await using peer = await Peer.connect(port);
      talk.address = `127.0.0.1:${peer.socket.localPort}`;
      await converse(peer, talk).finally(() => talk.heard = peer.text);
    } catch (error) {
      talk.trouble = `${error}`.slice(0, 100);
    }
  };
  /** Waits for the log to have all: the last line of one more client is behind it. */
  const settle = async () => {
    await visit("half-close");
    await server.says(`: c${client} m\n`);
  };

  await settle();
  await server.says(/Connexion fermée.*\n/);
  const before = descriptors();
  for (const wave of WAVES) {
    const until = performance.now() + 1000 * seconds / WAVES.length;
    const live = async () => {
      await pause(1000 * Math.random());
      while (performance.now() < until) {
        await visit();
        await pause(300 * Math.random());
      }
    };
    const coming = Promise.all(Array.from({ length: CLIENTS }, live));
    while (performance.now() < until) {
      await pause(Math.min(KILL_EVERY, until - performance.now()));
      if (wave === "kill") server.kill("SIGUSR2");
    }
    if (wave === "stop") server.kill();
    await coming;

    if (wave === "stop") {
      const { code, out } = await server.end();
      if (code !== 0 || !out.endsWith("\nServeur arrêté\n")) {
        faults.push(`The server ended with ${code}`);
      }
      if (!conversations.some(({ heard }) => heard.endsWith(FAREWELL))) {
        faults.push("Nobody was told that it stops");
      }
    } else {
      for (let i = 0; i < 250 && descriptors() !== before; i++) await pause(20);
      if (descriptors() !== before) {
        faults.push(`${wave}: ${descriptors()} descriptors, not ${before}`);
      }
      if (wave === "calm") memory.push(memoryKib(server.pid) / 1024);
      await settle();
    }
    // What a thread says of a connection that it has closed may come a little later.
    const end = server.out.lastIndexOf("\n") + 1;
    const log = server.out.slice(0, end);
    server.out = server.out.slice(end);
    if (wave === "kill" && !/^Thread 1 mort/m.test(log)) {
      faults.push("No thread died");
    }
    faults.push(...judge(log, conversations));
    console.log(`${wave}: ${conversations.length} conversations`);
    conversations = [];
  }
  const grown = `After calm waves: ${memory.map(Math.round).join(", ")} MiB`;
  console.log(grown);
  if (memory.at(-1)! > memory[0] + SLACK) faults.push(grown);
  return faults;
}

if (import.meta.main) {
  const { seconds } = parseArgs(Deno.args, { string: ["seconds"] });
  const faults = await soak(Number(seconds ?? 120));
  for (const fault of faults.slice(0, 20)) console.error(fault);
  console.log(`${faults.length} faults`);
  Deno.exitCode = faults.length > 0 ? 1 : 0;
}
