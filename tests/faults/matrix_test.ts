/**
 * Each pair of scripts, with each fault that concerns it on the way between them.
 *
 * A fault ends in one of two ways: the exchange is complete and right, or each
 * side that can know says in one line what happened. Either way the server serves
 * the next client, and stops with 0 when it is asked to.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  bytes,
  exchange,
  PATIENCE,
  Program,
  ROOT,
  run,
  serve,
  start,
} from "../harness.ts";
import { SEED, TcpFaults, TcpRelay, UdpFaults, UdpRelay } from "./relay.ts";

/** A fault: its place in README's table, and the rest of the sentence in a name. */
interface Fault<Faults> {
  title: string;
  holds: string;
  name: string;
  /** `whole` is the length in bytes of the first message, `middle` within it. */
  faults: (at: { whole: number; middle: number; back: number }) => Faults;
}

const TCP = {
  late: {
    title: "each piece is 5 to 30 ms late",
    holds: "the exchange is complete and right",
    name: "understand each other when each piece is late",
    faults: () => ({ delay: [5, 30] }),
  },
  sliced: {
    title: "one byte at a time, both ways",
    holds: "the exchange is complete and right",
    name: "understand each other one byte at a time",
    faults: () => ({ slice: [1, 1] }),
  },
  glued: {
    title: "all that comes within 50 ms goes on as one piece",
    holds: "the exchange is complete and right, each message heard once",
    name: "understand each other when messages are glued together",
    faults: () => ({ glue: 50 }),
  },
  ended: {
    title: "the client's side ends behind its first message",
    holds: "the message is heard, and its answer delivered",
    name:
      "bring the answer home when the client's side ends behind its message",
    faults: ({ whole }) => ({ halfClose: { way: "up", after: whole } }),
  },
  cutUp: {
    title: "the client's side ends in the middle of a message",
    holds: "what came of it is taken for its last message, and answered",
    name: "end well when the client's side ends in the middle of a message",
    faults: ({ middle }) => ({ halfClose: { way: "up", after: middle } }),
  },
  cutDown: {
    title: "the server's side ends in the middle of a message",
    holds: "the client shows what came of it, and ends",
    name: "end well when the server's side ends in the middle of a message",
    faults: ({ back }) => ({ halfClose: { way: "down", after: back } }),
  },
  resetUp: {
    title: "a reset in the middle of the client's message",
    holds: "each side says in one line that the other one is lost",
    name: "say so when a reset comes in the middle of the client's message",
    faults: ({ middle }) => ({ reset: { way: "up", after: middle } }),
  },
  resetDown: {
    title: "a reset in the middle of the server's answer",
    holds: "the client says so in one line; that client only",
    name: "say so when a reset comes in the middle of the server's answer",
    faults: ({ back }) => ({ reset: { way: "down", after: back } }),
  },
  resetFirst: {
    title: "a reset before the server has accepted",
    holds: "that client is lost, and says so; the server goes on",
    name: "go on when a reset comes before the server has accepted",
    faults: () => ({ reset: { way: "up", after: 0 } }),
  },
  stallUp: {
    title: "silence from the middle of the client's message on",
    holds: "each side gives up at its time limit, in one line",
    name: "give up in time when silence falls in the client's message",
    faults: ({ middle }) => ({ stall: { way: "up", after: middle } }),
  },
  stallDown: {
    title: "silence from the middle of the server's answer on",
    holds: "the client gives up at its time limit, in one line",
    name: "give up in time when silence falls in the server's answer",
    faults: ({ back }) => ({ stall: { way: "down", after: back } }),
  },
  muteUp: {
    title: "silence on the client's way, in a chat",
    holds: "the server is still heard; FIN ends the client within 3 s",
    name: "still speak the other way when the client's way falls silent",
    faults: ({ middle }) => ({ stall: { way: "up", after: middle } }),
  },
  muteDown: {
    title: "silence on the server's way, in a chat",
    holds: "the client is still heard; FIN ends both within 3 s",
    name: "still speak the other way when the server's way falls silent",
    faults: ({ back }) => ({ stall: { way: "down", after: back } }),
  },
  webEnded: {
    title: "a web client's side ends behind its request",
    holds: "`Deno.serve` may take it for a departure; others are served",
    name: "serves others when a client's side ends behind its request",
    faults: ({ whole }) => ({ halfClose: { way: "up", after: whole } }),
  },
  webCutUp: {
    title: "a web client's side ends in the middle of its request",
    holds: "400, or no answer; others are served",
    name:
      "serves others when a client's side ends in the middle of its request",
    faults: ({ middle }) => ({ halfClose: { way: "up", after: middle } }),
  },
  webResetUp: {
    title: "a reset in the middle of a request",
    holds: "others are served",
    name: "serves others when a reset comes in the middle of a request",
    faults: ({ middle }) => ({ reset: { way: "up", after: middle } }),
  },
  webResetDown: {
    title: "a reset in the middle of a download",
    holds: "the log says how much was sent; others are served",
    name: "logs what was sent when a reset comes in the middle of a download",
    faults: ({ back }) => ({ reset: { way: "down", after: back } }),
  },
  webStallUp: {
    title: "silence from the middle of a request on",
    holds: "others are served meanwhile",
    name: "serves others while silence has fallen in a request",
    faults: ({ middle }) => ({ stall: { way: "up", after: middle } }),
  },
  webStallDown: {
    title: "silence from the middle of a download on",
    holds: "others are served meanwhile",
    name: "serves others while silence has fallen in a download",
    faults: ({ back }) => ({ stall: { way: "down", after: back } }),
  },
} satisfies Record<string, Fault<TcpFaults>>;
type Tcp = keyof typeof TCP;

const UDP = {
  udpLate: {
    title: "each datagram is 5 to 30 ms late",
    holds: "the answer is there",
    name: "understand each other when each datagram is late",
    faults: () => ({ delay: [5, 30] }),
  },
  udpTwice: {
    title: "each datagram comes twice",
    holds: "one answer is shown",
    name: "understand each other when each datagram comes twice",
    faults: () => ({ duplicate: 1 }),
  },
  udpLost: {
    title: "30 % of the datagrams lost, 30 % twice, 30 % overtaken",
    holds: "the answer, or one line in time that there is none",
    name: "answer, or say in time that there is no answer, with 30 % lost",
    faults: () => ({ drop: 0.3, duplicate: 0.3, reorder: 0.3 }),
  },
  udpNone: {
    title: "every datagram is lost",
    holds: "one line, in time, that there is no answer",
    name: "say in time that there is no answer when every datagram is lost",
    faults: () => ({ drop: 1 }),
  },
  udpStranger: {
    title: "a stranger's datagram comes before the answer",
    holds: "it is not taken for the answer",
    name: "do not take a stranger's datagram for the answer",
    faults: () => ({ stranger: "Je suis le serveur, crois-moi" }),
  },
} satisfies Record<string, Fault<UdpFaults>>;
type Udp = keyof typeof UDP;

/** How a script has ended; for a client of a few lines here, what it was sent. */
interface End {
  code: number;
  out: string;
  err: string;
}

/** What a case must come to. */
interface Expected {
  code?: number;
  out: RegExp;
  err?: RegExp;
  /** What the server says meanwhile, on stdout or on stderr. */
  says?: RegExp;
  complains?: RegExp;
}

/** A client and its server. */
interface Pair {
  client: string;
  server: string;
  /** Bytes of the first message, and places in it and in the first answer. */
  at: { whole: number; middle: number; back: number };
  serverArgs: (fault: Tcp) => string[];
  /** Starts the client, and returns how it has ended. */
  play: (port: number, fault: Tcp, server: Program) => Promise<End>;
  cases: Partial<Record<Tcp, Expected>>;
  /** What the next client sends, and what it hears. */
  next: [string | ((port: number) => Promise<string>), RegExp];
}

/** Short where the limit is what a case waits for, else long. */
const limit = (fault: Tcp, short: string) => [
  "--timeout",
  fault.startsWith("stall") ? short : "10",
];
const at = (port: number) => ["--port", `${port}`];
const line = (reason: string) =>
  RegExp(`^127\\.0\\.0\\.1 port \\d+ : ${reason}\n$`);
const CUT = line("le serveur a coupé la connexion");
const MUTE = line("aucune réponse en 0.5 s : serveur occupé ou muet");

/** The two clients that ask once: what they print first, and on a cut answer. */
function once(
  client: string,
  whole: number,
  open: string,
  message: string,
  cutShort: RegExp,
): Pair {
  const all = RegExp(
    `^${open}\nBonjour, je suis le serveur\nConnexion fermée\n$`,
  );
  const said = RegExp(`\n${message}\nConnexion fermée\n`);
  const complete = { out: all, says: said };
  const start = RegExp(`^${open}\n$`);
  return {
    client,
    server: "server_simple",
    at: { whole, middle: 9, back: 9 },
    serverArgs: (fault) => limit(fault, "1"),
    play: (port, fault) => run(client, [...at(port), ...limit(fault, "0.5")]),
    cases: {
      late: complete,
      sliced: complete,
      glued: complete,
      ended: complete,
      cutUp: { out: all, says: RegExp(`\n${message.slice(0, 9)}\nConnexion`) },
      cutDown: {
        out: RegExp(`^${open}\nBonjour, \nConnexion fermée\n$`),
        err: cutShort,
        says: said,
      },
      resetUp: { code: 1, out: start, err: CUT, complains: /^Client perdu : / },
      resetDown: { code: 1, out: start, err: CUT, says: said },
      resetFirst: {
        code: 1,
        out: RegExp(`^(${open}\n)?$`),
        err: CUT,
        complains: /^Client non accepté : /,
      },
      stallUp: {
        code: 1,
        out: start,
        err: MUTE,
        complains: /^Délai dépassé : 1 s\n$/,
      },
      stallDown: { code: 1, out: start, err: MUTE, says: said },
    },
    next: ["encore\n", /^Bonjour, je suis le serveur\n$/],
  };
}

const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages";
const OPEN = "CONNEXION ETABLIE AVEC LE SERVEUR\n";
const OVER = "CONNEXION INTERROMPUE\n";

/** A chat in which each side says one line, if it can, and the client FIN. */
const CHAT: Pair = {
  client: "p2p_client",
  server: "p2p_server",
  at: { whole: 27, middle: 9, back: 9 },
  serverArgs: () => [],
  async play(port, fault, server) {
    await using client = start("p2p_client", at(port), { stdin: "piped" });
    // A reset may come before anything can be typed.
    if (fault.startsWith("reset") && fault !== "resetUp") {
      return await client.end();
    }
    await client.says("ETABLIE");
    // At once: a reset whose error the second write takes must be told as well.
    await client.type("Bonjour, je suis le client\nÇa va ?\n");
    if (fault === "resetUp") return await client.end();
    const whole = ["late", "sliced", "glued"].includes(fault);
    if (whole) await server.says("Client >> Ça va ?");
    if (whole || fault === "muteUp") {
      if (fault === "muteUp") await client.says("Serveur >> Vous");
      await server.type("Bonjour à toi\nBien.\n");
      await client.says("Serveur >> Bien.");
      await client.type("FIN\n");
    }
    if (fault === "muteDown") {
      await server.says("Client >> Ça va ?");
      await client.type("FIN\n");
    }
    return await client.end();
  },
  cases: {
    ...Object.fromEntries(["late", "sliced", "glued"].map((fault) => [fault, {
      out: RegExp(
        `^${OPEN}Serveur >> ${WELCOME}\nServeur >> Bonjour à toi\n` +
          `Serveur >> Bien\\.\nServeur >> Au revoir\n${OVER}$`,
      ),
      says: RegExp(
        `\nClient >> Bonjour, je suis le client\nClient >> Ça va \\?\n` +
          `Client >> FIN\n${OVER}`,
      ),
    }])),
    ended: {
      out: RegExp(
        `^${OPEN}Serveur >> ${WELCOME}\nServeur >> Au revoir\n${OVER}$`,
      ),
      says: RegExp(`\nClient >> Bonjour, je suis le client\n${OVER}`),
    },
    cutUp: {
      out: RegExp(
        `^${OPEN}Serveur >> ${WELCOME}\nServeur >> Au revoir\n${OVER}$`,
      ),
      says: RegExp(`\nClient >> Bonjour, \n${OVER}`),
    },
    cutDown: {
      out: RegExp(`^${OPEN}Serveur >> Vous ête\n${OVER}$`),
      says: /\nCONNEXION INTERROMPUE\n/,
    },
    resetUp: {
      code: 1,
      out: RegExp(`^${OPEN}(Serveur >> ${WELCOME}\n)?$`),
      err: CUT,
      complains: /^Connexion perdue : /,
    },
    resetDown: {
      code: 1,
      out: RegExp(`^(${OPEN})?$`),
      err: CUT,
      complains: /^Connexion perdue : /,
    },
    resetFirst: {
      code: 1,
      out: RegExp(`^(${OPEN})?$`),
      err: CUT,
      complains: /^Connexion perdue : /,
    },
    muteUp: {
      out: RegExp(
        `^${OPEN}Serveur >> ${WELCOME}\nServeur >> Bonjour à toi\n` +
          `Serveur >> Bien\\.\n${OVER}$`,
      ),
    },
    muteDown: {
      out: RegExp(`^${OPEN}${OVER}$`),
      says: RegExp(`\nClient >> FIN\n${OVER}`),
    },
  },
  next: ["encore\n", RegExp(`^${WELCOME}\nAu revoir\n$`)],
};

const PROMPT = "Connecté au serveur\nTapez FIN pour terminer la conversation\n";
const GONE = line("le serveur a (fermé|coupé) la connexion");
const HEARD =
  /Message reçu du client .* : un message\n(.*\n)*.* : deux\n(.*\n)*.* : FIN\n(.*\n)*Connexion fermée avec/;
const PROMPTED = {
  out: RegExp(`^${PROMPT}(Message reçu\n){3}Connexion fermée\n$`),
  says: HEARD,
};

const THREADS: Pair = {
  client: "multithread_client",
  server: "multithread_server",
  at: { whole: 11, middle: 5, back: 9 },
  serverArgs: (fault) => ["--threads", "2", ...limit(fault, "1")],
  play: (port, fault) =>
    run("multithread_client", [...at(port), ...limit(fault, "0.5")], {
      input: "un message\ndeux\nFIN\n",
    }),
  cases: {
    late: PROMPTED,
    sliced: PROMPTED,
    glued: PROMPTED,
    ended: {
      code: 1,
      out: RegExp(`^${PROMPT}Message reçu\n$`),
      err: GONE,
      says: / : un message\n(.*\n)*Connexion fermée avec/,
    },
    cutUp: {
      code: 1,
      out: RegExp(`^${PROMPT}Message reçu\n$`),
      err: GONE,
      says: / : un me\n(.*\n)*Connexion fermée avec/,
    },
    cutDown: {
      code: 1,
      out: RegExp(`^${PROMPT}Message r\n$`),
      err: GONE,
      says: /Connexion fermée avec/,
    },
    resetUp: {
      code: 1,
      out: RegExp(`^${PROMPT}$`),
      err: CUT,
      complains: /^.*\[Thread \d\] : .+\n$/,
    },
    resetDown: {
      code: 1,
      out: RegExp(`^${PROMPT}$`),
      err: CUT,
      complains: /^.*\[Thread \d\] : .+\n$/,
    },
    resetFirst: {
      code: 1,
      out: RegExp(`^(${PROMPT})?$`),
      err: CUT,
      complains: /^Client non accepté : /,
    },
    stallUp: {
      code: 1,
      out: RegExp(`^${PROMPT}$`),
      err: MUTE,
      complains: /\] : Délai dépassé : 1 s\n$/,
    },
    stallDown: {
      code: 1,
      out: RegExp(`^${PROMPT}$`),
      err: MUTE,
      says: / : un message\n(.*\n)*Connexion fermée avec/,
    },
  },
  next: ["encore\n", /^Message reçu\n$/],
};

/** A folder with a page, and with a file that no buffer on the way holds whole. */
const SITE = Deno.makeTempDirSync({ prefix: "site-" });
globalThis.addEventListener(
  "unload",
  () => Deno.removeSync(SITE, { recursive: true }),
);
Deno.writeTextFileSync(`${SITE}/page.txt`, "Bonjour\n");
Deno.writeTextFileSync(`${SITE}/gros.bin`, "");
Deno.truncateSync(`${SITE}/gros.bin`, 30_000_000);

const get = (path: string, last = true) =>
  `GET ${path} HTTP/1.1\r\nHost: relais\r\n` +
  (last ? "Connection: close\r\n\r\n" : "\r\n");
const PAGE = String.raw`HTTP/1\.1 200 OK\r\n(?:.+\r\n)+\r\nBonjour\n`;

/** A web client of a few lines: a browser would hide how an answer ends. */
const WEB: Pair = {
  client: "a web client",
  server: "web_server",
  at: { whole: get("/page.txt").length, middle: 20, back: 100_000 },
  serverArgs: () => ["--root", SITE],
  async play(port, fault, server) {
    let request = get(fault.endsWith("Down") ? "/gros.bin" : "/page.txt");
    if (fault === "glued") request = get("/page.txt", false) + request;
    const others = server.port();
    let out = "", left = false;
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const bound = setTimeout(() => conn[Symbol.dispose](), PATIENCE);
    try {
      await conn.write(bytes(request));
      const buffer = new Uint8Array(65536);
      // In a stall, it leaves when another client has been served.
      const stall = async (enough: boolean) => {
        if (!fault.startsWith("webStall") || !enough) return;
        assertMatch(await fetchPage(await others), /^Bonjour\n$/);
        left = true;
      };
      await stall(fault.endsWith("Up"));
      while (!left) {
        const count = await conn.read(buffer);
        if (count === null) break;
        out += new TextDecoder().decode(buffer.subarray(0, count));
        await stall(out.length >= 100_000);
      }
      return { code: 0, out, err: "" };
    } catch (error) {
      return { code: 1, out, err: `${(error as Error).name}\n` };
    } finally {
      clearTimeout(bound);
    }
  },
  cases: {
    late: { out: RegExp(`^${PAGE}$`), says: / GET \/page\.txt 200 8 octets/ },
    sliced: { out: RegExp(`^${PAGE}$`), says: / GET \/page\.txt 200 8 octets/ },
    glued: {
      out: RegExp(`^(?:${PAGE}){2}$`),
      says: /(.* GET \/page\.txt 200 8 octets.*\n){2}/,
    },
    webEnded: { out: RegExp(`^(?:${PAGE})?$`) },
    webCutUp: { out: /^(HTTP\/1\.1 400 [^]*)?$/ },
    webResetUp: { code: 1, out: /^$/, err: /^ConnectionReset\n$/ },
    webResetDown: {
      code: 1,
      out: /^$|^HTTP\/1\.1 200 OK\r\n/,
      err: /^ConnectionReset\n$/,
      says: / GET \/gros\.bin 200 [1-2]?\d{1,7} octets/,
    },
    resetFirst: { code: 1, out: /^$/, err: /^(ConnectionReset|BrokenPipe)\n$/ },
    webStallUp: { out: /^$/ },
    webStallDown: { out: /^HTTP\/1\.1 200 OK\r\n[^]{99983}$/ },
  },
  next: [fetchPage, /^Bonjour\n$/],
};

async function fetchPage(port: number): Promise<string> {
  const signal = AbortSignal.timeout(PATIENCE);
  const page = await fetch(`http://127.0.0.1:${port}/page.txt`, {
    signal,
    headers: { Connection: "close" },
  });
  return await page.text();
}

const PAIRS = [
  once(
    "client_simple",
    27,
    "Connecté au serveur",
    "Bonjour, je suis le client",
    /^La réponse est peut-être incomplète\n$/,
  ),
  once(
    "client_class",
    43,
    "Connecté au serveur : 127.0.0.1:\\d+",
    "Bonjour du client TCP, .+",
    /^La réponse est peut-être incomplète\n$/,
  ),
  CHAT,
  THREADS,
  WEB,
];

/** Runs a case; when it fails, the message says how to replay it. */
async function replayable(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    (error as Error).message += `\nReplay it with FAULT_SEED=${SEED}`;
    throw error;
  }
}

/** No more than one line of trouble, and never a stack trace. */
function assertCalm({ out, err }: { out: string; err: string }): void {
  assert(!/\n\s+at /.test(out + err), `a stack trace: ${out}${err}`);
  assertMatch(err, /^(.+\n)?$/);
}

/** Holds a server back from accepting, until it is let go (Linux only). */
async function hold(server: Program): Promise<void> {
  server.kill("SIGSTOP");
  const end = performance.now() + PATIENCE;
  const threads = `/proc/${server.pid}/task`;
  const stopped = () =>
    [...Deno.readDirSync(threads)].every(({ name }) =>
      /\) [Tt] /.test(Deno.readTextFileSync(`${threads}/${name}/stat`))
    );
  while (!stopped()) {
    assert(performance.now() < end, "the server is not held back");
    await new Promise(setImmediate);
  }
}

for (const pair of PAIRS) {
  for (const [key, expected] of Object.entries(pair.cases)) {
    const fault = key as Tcp, { name, faults } = TCP[fault];
    const subject = fault.startsWith("web")
      ? pair.server
      : `${pair.client} and ${pair.server}`;
    Deno.test({
      name: `${subject} ${name}`,
      ignore: fault === "resetFirst" && Deno.build.os !== "linux",
      fn: () => replayable(() => play(pair, fault, faults(pair.at), expected)),
    });
  }
}

async function play(
  pair: Pair,
  fault: Tcp,
  faults: TcpFaults,
  expected: Expected,
): Promise<void> {
  const stdin = pair === CHAT ? "piped" : "null";
  await using server = await serve(pair.server, pair.serverArgs(fault), {
    stdin,
  });
  const port = await server.port();
  await using relay = await TcpRelay.start(port, faults);
  if (fault === "resetFirst") await hold(server);
  const played = pair.play(relay.port, fault, server);
  if (fault === "resetFirst") {
    await relay.struck;
    server.kill("SIGCONT");
  }
  const end = await played;
  assertMatch(end.out, expected.out);
  assertMatch(end.err, expected.err ?? /^$/);
  assertEquals(end.code, expected.code ?? 0, end.out + end.err);
  assertCalm(end);
  if (expected.says) await server.says(expected.says);
  if (expected.complains) await server.complains(expected.complains);
  // Whoever is still connected is cut off: the next one finds the server free.
  await relay[Symbol.asyncDispose]();
  const [next, heard] = pair.next;
  const answer = typeof next === "string"
    ? await exchange(port, next)
    : await next(port);
  assertMatch(answer, heard);
  if (typeof next === "string") await server.says(`${next.trim()}`);
  server.kill("SIGTERM");
  const { code, out, err } = await server.end();
  assertEquals(code, 0, out + err);
  assertCalm({ out, err });
}

/** What each case with datagrams must come to. */
const DATAGRAMS: Record<Udp, {
  timeout: string;
  clients: number;
  out: RegExp;
  err: RegExp;
  enough: (answered: number, relay: UdpRelay, server: Program) => boolean;
}> = (() => {
  const out = /^Bonjour, je suis le serveur\n$/, err = /^$/;
  const none = (limit: string) =>
    line(`aucune réponse en ${limit} s : le serveur est-il lancé \\?`);
  const good = { timeout: "10", clients: 1, out, err };
  return {
    udpLate: { ...good, enough: (answered) => answered === 1 },
    udpTwice: {
      ...good,
      enough: (answered, relay) =>
        answered === 1 && relay.log.up[0] === "twice",
    },
    udpLost: {
      timeout: "3.5",
      clients: 8,
      out: /^(Bonjour, je suis le serveur\n)?$/,
      err: RegExp(`^$|${none("3.5").source}`),
      enough: (answered, relay) =>
        answered > 0 && relay.log.up.includes("drop"),
    },
    udpNone: {
      timeout: "0.5",
      clients: 1,
      out: /^$/,
      err: none("0.5"),
      enough: (answered, _, server) =>
        answered === 0 && !server.out.includes("Message reçu"),
    },
    udpStranger: { ...good, enough: (answered) => answered === 1 },
  };
})();

for (const [key, { name, faults }] of Object.entries(UDP)) {
  const { timeout, clients, out, err, enough } = DATAGRAMS[key as Udp];
  Deno.test(`udp_client and udp_server ${name}`, () =>
    replayable(async () => {
      await using server = await serve("udp_server");
      await using relay = new UdpRelay(await server.port(), faults());
      const args = [...at(relay.port), "--timeout", timeout];
      const ends = await Promise.all(
        Array.from({ length: clients }, () => run("udp_client", args)),
      );
      for (const end of ends) {
        assertMatch(end.out, out);
        assertMatch(end.err, err);
        // An answer, or the line that there is none: never both, never neither.
        assertEquals([end.out === "", end.err !== ""], [
          end.code === 1,
          end.code === 1,
        ]);
        assertCalm(end);
      }
      const answered = ends.filter(({ code }) => code === 0).length;
      assert(enough(answered, relay, server), `${answered}\n${server.out}`);
      const next = await run("udp_client", [...server.address, "encore"]);
      assertEquals(next.out, "Bonjour, je suis le serveur\n");
      await server.says("encore");
      server.kill("SIGTERM");
      assertEquals((await server.end()).code, 0);
      assertEquals(server.err, "");
    }));
}

Deno.test("README's table of faults on the way has exactly the cases that are tested", () => {
  const [section] = Deno.readTextFileSync(ROOT + "README.md")
    .match(/^## Faults on the way\n[^]*?(?=^## )/m) ?? [""];
  const rows = section.split("\n").filter((line) => line.startsWith("|"))
    .slice(2).map((row) => row.split("|").slice(1, -1).map((c) => c.trim()));
  const tested = Object.entries(TCP).map(([key, { title, holds }]) => [
    title,
    holds,
    PAIRS.filter(({ cases }) => key in cases)
      .map(({ client, server }) => client === WEB.client ? server : client)
      .join(", "),
  ]);
  for (const { title, holds } of Object.values(UDP)) {
    tested.push([title, holds, "udp_client"]);
  }
  assertEquals(rows, tested);
});
