/**
 * Properties: what must hold for any messages, any cutting, and any bytes.
 *
 * The servers run with their headers' commands, and each gets 10,000 cases over
 * real connections. `FUZZ_CASES` changes their number; `FUZZ_SEED` replays a run
 * (a failure prints its seed, and the smallest bytes that were found to fail).
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import net from "node:net";
import {
  encode,
  MAX_MESSAGE,
  MessageReader,
  Refusal,
} from "../../scripts/encoding.ts";
import { bytes, exchange, PATIENCE, Program, serve } from "../harness.ts";

const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 20_250_101);
const CASES = Number(Deno.env.get("FUZZ_CASES") ?? 10_000);

const TOO_LONG = "Message refusé : plus de 65536 octets";
const NOT_UTF8 = "Message refusé : ce n'est pas de l'UTF-8";

// ---------------------------------------------------------------- the model

/** Which bytes may follow a first byte of UTF-8 (Unicode 17, table 3-7). */
function followers(first: number): [number, number][] | undefined {
  const any: [number, number] = [0x80, 0xbf];
  if (first < 0x80) return [];
  if (first >= 0xc2 && first <= 0xdf) return [any];
  if (first === 0xe0) return [[0xa0, 0xbf], any];
  if (first === 0xed) return [[0x80, 0x9f], any];
  if (first >= 0xe1 && first <= 0xef) return [any, any];
  if (first === 0xf0) return [[0x90, 0xbf], any, any];
  if (first >= 0xf1 && first <= 0xf3) return [any, any, any];
  if (first === 0xf4) return [[0x80, 0x8f], any, any];
}

/**
 * Where UTF-8 goes wrong, written without TextDecoder: `broken` is the first byte
 * that cannot be there (the length, if there is none), `whole` where the last
 * whole character before it ends.
 */
function utf8(data: Uint8Array): { whole: number; broken: number } {
  for (let whole = 0, at = 0;; whole = at) {
    if (at === data.length) return { whole, broken: at };
    const next = followers(data[at++]);
    if (!next) return { whole, broken: at - 1 };
    for (const [least, most] of next) {
      if (at === data.length) return { whole, broken: at };
      if (data[at] < least || data[at] > most) return { whole, broken: at };
      at++;
    }
  }
}

const text = (data: Uint8Array) =>
  new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);

/** What a reader must make of a stream of lines, whatever the pieces it came in. */
function linesOf(data: Uint8Array) {
  const messages: string[] = [];
  for (let at = 0; at < data.length;) {
    const lf = data.indexOf(10, at);
    const end = lf < 0 ? data.length : lf;
    const cr = end > at && data[end - 1] === 13;
    // A "\r" that the end of the stream follows belongs to the message, but may be
    // there beside 64 KiB.
    if (end - at - Number(lf >= 0 && cr) > MAX_MESSAGE) {
      return { messages, error: TOO_LONG };
    }
    const line = data.subarray(at, lf >= 0 && cr ? end - 1 : end);
    if (utf8(line).whole < line.length) return { messages, error: NOT_UTF8 };
    messages.push(text(line));
    at = end + 1;
  }
  return { messages, error: "" };
}

// ------------------------------------------------------------ any bytes at all

const NASTY = [
  ...["\x1b[31m", "\x1b]0;titre\x07", "\x1b[2J", "\x9b1m", "\x90q\x9c", "\b\b"],
  ...["\u202e", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029", "\ufeff"],
  ...["\0", "\r", "\t", "\x7f", "\x85", "FIN", " fin\t", "\u00a0FIN\u00a0"],
  ...["ﬁn", "fın", "é", "€", "👩‍💻", "\uFFFD", "\n", "\r\n", "\n\n", "\nFIN\n"],
];
const word = fc.oneof(
  fc.constantFrom(...NASTY).map(bytes),
  fc.string({ unit: "grapheme", maxLength: 12 }).map(bytes),
);
const joined = (parts: Uint8Array[]) =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

const noise = fc.uint8Array({ maxLength: 200 });
const nasty = fc.array(word, { maxLength: 12 }).map(joined);
const lines = fc.array(nasty, { maxLength: 8 })
  .map((some) => joined(some.flatMap((line) => [line, Uint8Array.of(10)])));
const fin = fc.constantFrom(
  ...["FIN", "fin", "Fin", " FIN ", "FIN\0", "FIN ", "FINI", "\tFiN\r"],
).chain((word) => nasty.map((rest) => joined([bytes(word + "\n"), rest])));
/** Lines beside 64 KiB, and one far beyond. */
const long = fc.tuple(
  fc.constantFrom("x", "é", "\0", "\x1b", "\xff"),
  fc.constantFrom(-2, -1, 0, 1, 2, 3, 5000, 140_000),
  fc.constantFrom("", "\n", "\r\n", "\r", "\nFIN\n"),
  fc.constantFrom("", "bon\n"),
).map(([unit, more, ending, before]) => {
  const length = MAX_MESSAGE + more;
  // "\xff" is that byte, which is no UTF-8.
  const one = unit === "\xff" ? Uint8Array.of(255) : bytes(unit);
  const line = new Uint8Array(length).map((_, i) => one[i % one.length]);
  // Not `joined`, which is slow for so many.
  const all = [bytes(before), line, bytes(ending)];
  const data = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of all) data.set(part, at), at += part.length;
  return data;
});
/** Good lines in which single bytes have been changed, put in or taken out. */
const mutated = fc.tuple(
  lines,
  fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), {
    minLength: 1,
    maxLength: 4,
  }),
).map(([data, changes]) => {
  const list = [...data];
  for (const [place, byte, how] of changes) {
    const at = place % (list.length + 1);
    if (how === 0) list.splice(at, 1);
    else list.splice(at, how - 1, byte);
  }
  return Uint8Array.from(list);
});
const anything = fc.oneof(
  { weight: 20, arbitrary: noise },
  { weight: 20, arbitrary: nasty },
  { weight: 20, arbitrary: lines },
  { weight: 25, arbitrary: mutated },
  { weight: 12, arbitrary: fin },
  { weight: 2, arbitrary: long },
);
/** For a reader in this process, where they cost little. */
const anyLength = fc.oneof({ weight: 5, arbitrary: anything }, {
  weight: 1,
  arbitrary: long,
});

/** Places to cut at, as shares of the length. */
const cuts = (most: number) =>
  fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: most });

/** Cuts `data` before each of these places. */
function cut(data: Uint8Array, places: number[]): Uint8Array[] {
  const at = places.map((share) => Math.floor(share * data.length));
  const bounds = [0, ...at.sort((a, b) => a - b), data.length];
  return bounds.slice(1).map((end, i) => data.subarray(bounds[i], end));
}

// -------------------------------------------------------------- MessageReader

/** Something to read from, which brings these pieces and then ends. */
function pieces(parts: Uint8Array[]): Pick<Deno.Conn, "read"> {
  const queue = parts.filter((part) => part.length > 0);
  return {
    read(buffer) {
      const part = queue.shift();
      if (!part) return Promise.resolve(null);
      const count = Math.min(part.length, buffer.length);
      buffer.set(part.subarray(0, count));
      if (count < part.length) queue.unshift(part.subarray(count));
      return Promise.resolve(count);
    },
  };
}

/** All that `ask` brings, until `null` or the refusal that it ends with. */
async function drain<T>(ask: () => Promise<T | null>) {
  const got: T[] = [];
  try {
    for (let some; (some = await ask()) !== null;) got.push(some);
    return { got, error: "" };
  } catch (error) {
    assert(error instanceof Refusal);
    return { got, error: error.message };
  }
}

const property = { seed: SEED, numRuns: 2000 };

Deno.test("MessageReader makes the same messages of any bytes, and ends with the same word, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(anyLength, cuts(20), async (data, places) => {
      const reader = new MessageReader(pieces(cut(data, places)));
      const { got, error } = await drain(() => reader.read());
      assertEquals({ messages: got.flat(), error }, linesOf(data));
      assert(got.every((some) => some.length > 0), "a read brings something");
      if (error) return;
      assertEquals(reader.cut, data.length > 0 && data.at(-1) !== 10);
      assertEquals(await reader.read(), null, "and then it stays at the end");
    }),
    property,
  );
});

Deno.test("MessageReader.readText brings a line ending after each message, and nothing else that read does not bring", async () => {
  await fc.assert(
    fc.asyncProperty(anyLength, cuts(20), async (data, places) => {
      const reader = new MessageReader(pieces(cut(data, places)));
      const { got, error } = await drain(() => reader.readText());
      for (const some of got) assert(some.endsWith("\n"), "ends with a line");
      const messages = got.join("").split(/\r?\n/).slice(0, -1);
      assertEquals({ messages, error }, linesOf(data));
    }),
    property,
  );
});

Deno.test("MessageReader reads back what encode wrote, or encode has refused it", async () => {
  const any = fc.string({ unit: "binary", maxLength: 40 });
  const edge = fc.tuple(fc.constantFrom("x", "é", "\0", "€"), fc.nat(4)).map(
    ([unit, more]) =>
      unit.repeat(Math.floor(MAX_MESSAGE / bytes(unit).length) - 1 + more),
  );
  const messages = fc.array(
    fc.oneof({ weight: 30, arbitrary: any }, { weight: 1, arbitrary: edge }),
    { maxLength: 12 },
  );
  await fc.assert(
    fc.asyncProperty(messages, cuts(20), async (messages, places) => {
      const sent = messages.flatMap((message) => {
        try {
          return [{ message, data: encode(message) }];
        } catch (error) {
          assert(error instanceof Refusal);
          assert(
            /\n|\r$/.test(message) || !message.isWellFormed() ||
              bytes(message).length > MAX_MESSAGE,
            `refused without a reason: ${error.message}`,
          );
          return [];
        }
      });
      const all = new Uint8Array(sent.reduce((n, s) => n + s.data.length, 0));
      let at = 0;
      for (const { data } of sent) all.set(data, at), at += data.length;
      const reader = new MessageReader(pieces(cut(all, places)));
      const { got, error } = await drain(() => reader.read());
      assertEquals({ got: got.flat(), error }, {
        got: sent.map(({ message }) => message),
        error: "",
      });
      assertEquals(reader.cut, false);
    }),
    property,
  );
});

Deno.test("MessageReader in raw mode makes one message of each read, less the beginning of a character, until bytes that are not UTF-8", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(noise, nasty, lines, mutated),
      cuts(12),
      async (data, places) => {
        // No piece beyond 512 bytes, so that each is one read.
        const some = cut(data, places).flatMap((part) =>
          cut(
            part,
            [...Array(Math.ceil(part.length / 400)).keys()]
              .map((i) => 400 * i / part.length),
          )
        ).filter((part) => part.length > 0);
        const { broken } = utf8(data);
        const expected: string[] = [];
        let error = "", said = 0, end = 0;
        for (const part of some) {
          end += part.length;
          if (broken < end) {
            error = NOT_UTF8;
            break;
          }
          const { whole } = utf8(data.subarray(0, end));
          if (whole > said) expected.push(text(data.subarray(said, whole)));
          said = Math.max(said, whole);
        }
        // The end of the stream cut a character.
        if (!error && said < data.length) error = NOT_UTF8;
        const reader = new MessageReader(pieces(some), true);
        const { got, error: word } = await drain(() => reader.read());
        assertEquals(
          { messages: got.flat(), error: word },
          { messages: expected, error },
        );
      },
    ),
    property,
  );
});

// ---------------------------------------------------------------- the servers

/** How a client goes: after all the answers, or without a look at them. */
const leave = fc.oneof(
  { weight: 24, arbitrary: fc.constant("reads to the end") },
  { weight: 3, arbitrary: fc.constant("closes") },
  { weight: 3, arbitrary: fc.constant("closes at once") },
  // Few: p2p_server pauses 50 ms after one that it could not accept.
  { weight: 1, arbitrary: fc.constant("resets") },
);

type Case = { data: Uint8Array; places: number[]; how: string };

const cases = (data: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Case> =>
  fc.record({ data, places: cuts(3), how: leave });

/** Sends and resets: perhaps before the server has accepted, or read. */
async function reset(port: number, data: Uint8Array): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = net.connect({ host: "127.0.0.1", port });
  socket.on("error", () => {}); // The server was the first to leave.
  socket.on("close", () => resolve());
  socket.on("connect", () => {
    if (data.length > 50_000) socket.resetAndDestroy();
    else socket.write(data, () => socket.resetAndDestroy());
  });
  await promise;
}

/**
 * Plays a case, and returns all that came: `undefined` where the client did not
 * wait for it. What is sent and what comes go side by side, so that neither
 * holds up the other.
 *
 * @param linger Milliseconds to give a first answer before the half-close.
 */
async function play(
  port: number,
  { data, places, how }: Case,
  linger = 0,
): Promise<string | undefined> {
  if (how === "resets") return await reset(port, data) as undefined;
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  using _ = conn;
  if (how === "closes at once" && data.length < 2) return;
  conn.setNoDelay(true);
  const answered = Promise.withResolvers<void>();
  const send = async () => {
    for (let part of cut(data, places)) {
      while (part.length > 0) part = part.subarray(await conn.write(part));
    }
    if (how !== "reads to the end") return;
    const moment = setTimeout(answered.resolve, linger);
    if (linger > 0) await answered.promise;
    clearTimeout(moment);
    await conn.closeWrite();
  };
  if (how === "closes at once") {
    // A part of it, whatever a single write takes.
    await conn.write(data.subarray(0, data.length >> 1));
    return;
  }
  if (how === "closes") {
    // Nobody reads the answers: what they fill must not hold this up.
    const sent = send().catch(() => {});
    if (data.length < 50_000) await sent;
    return;
  }
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    conn[Symbol.dispose]();
  }, PATIENCE);
  const receive = async () => {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(1 << 16);
    let all = "";
    for (let count; (count = await conn.read(buffer)) !== null;) {
      all += decoder.decode(buffer.subarray(0, count), { stream: true });
      answered.resolve();
    }
    answered.resolve();
    return all + decoder.decode();
  };
  try {
    const [all] = await Promise.all([receive(), send()]);
    return all;
  } catch (error) {
    throw late ? new Error("The conversation never ended") : error;
  } finally {
    clearTimeout(limit);
  }
}

/** A server under fire, and what it owes to those who keep to the rules. */
interface Target {
  script: string;
  args?: string[];
  /** The bytes; the same for all line servers. */
  data?: fc.Arbitrary<Uint8Array>;
  /** One case; throws if the answers are wrong. */
  attack(port: number, one: Case): Promise<void>;
  /** A client that keeps to the rules: now and then, and at the end. */
  visit(port: number): Promise<void>;
  /** What each line on stdout begins with, where a client cannot choose it. */
  log?: RegExp;
  /** What is left to do before the server is stopped. */
  end?(port: number): Promise<void>;
}

/** Fires all the cases at a server, and looks at what is left of it. */
async function besiege(target: Target): Promise<void> {
  const { script, args = [], data = anything } = target;
  const { attack, visit, log, end } = target;
  let server = await serve(script, args), port = await server.port();
  let number = 0, failures = 0;
  try {
    const failed = await fc.check(
      fc.asyncProperty(cases(data), async (one) => {
        // While fast-check looks for a smaller case, what an earlier one did must
        // not be laid to a later one.
        if (failures > 20) return;
        if (failures > 0) {
          await server[Symbol.asyncDispose]();
          server = await serve(script, args);
          port = await server.port();
        }
        try {
          await attack(port, one);
          if (++number % 500 === 0 || failures > 0) await visit(port);
        } catch (error) {
          failures++;
          throw error;
        }
      }),
      { seed: SEED, numRuns: CASES },
    );
    if (failed.failed) {
      const [one] = failed.counterexample ?? [];
      const hex = one && [...one.data.subarray(0, 2000)]
        .map((byte: number) => byte.toString(16).padStart(2, "0")).join(" ");
      throw new Error(
        `${script}: FUZZ_SEED=${failed.seed} FUZZ_CASES=${CASES}, case ` +
          `${failed.numRuns}: ${one?.how}, cut at ${one?.places}, ` +
          `${one?.data.length} bytes: ${hex}\n` +
          `--- stderr\n${server.err.slice(-2000)}`,
        { cause: failed.errorInstance },
      );
    }
    await visit(port);
    await end?.(port);
    await endsWell(server, log);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

/** Alive until now, it stops when told, and has put nothing odd on a terminal. */
async function endsWell(server: Program, log?: RegExp): Promise<void> {
  server.kill("SIGTERM");
  const { code, out, err } = await server.end();
  const tail = err.slice(-2000);
  assertEquals(code, 0, tail);
  assertMatch(out, /Serveur arrêté\n$/);
  for (const said of [out, err]) {
    const odd = said.match(
      /.{0,40}(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u,
    );
    assertEquals(odd?.[0], undefined, "no control character on a terminal");
  }
  assert(!/^\s+at |^error:|Uncaught/m.test(err), `a stack: ${tail}`);
  if (!log) return;
  const forged = out.split("\n").slice(0, -1).find((line) => !log.test(line));
  assertEquals(forged, undefined, "no client writes a line of the log");
}

const HELLO = "Bonjour, je suis le serveur\n";

/** What server_simple owes for these bytes. */
function simpleAnswer(data: Uint8Array): string {
  const { messages, error } = linesOf(data);
  return messages.length > 0 || !error ? HELLO : error + "\n";
}

Deno.test("server_simple outlives any bytes, and answers each client as it should", async () => {
  await besiege({
    script: "server_simple",
    async attack(port, one) {
      const answer = await play(port, one);
      if (answer !== undefined) assertEquals(answer, simpleAnswer(one.data));
    },
    async visit(port) {
      assertEquals(await exchange(port, "Bonjour\n"), HELLO);
    },
  });
});

const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n";

/** What p2p_server owes for these bytes. */
function chatAnswer(data: Uint8Array): string {
  const { messages, error } = linesOf(data);
  const fin = messages.some((line) => line.trim().toUpperCase() === "FIN");
  return WELCOME + (error && !fin ? error : "Au revoir") + "\n";
}

Deno.test("p2p_server outlives any bytes, and answers each client as it should", async () => {
  await besiege({
    script: "p2p_server",
    async attack(port, one) {
      const answer = await play(port, one);
      if (answer !== undefined) assertEquals(answer, chatAnswer(one.data));
    },
    async visit(port) {
      assertEquals(
        await exchange(port, "Bonjour\nFIN\n"),
        WELCOME + "Au revoir\n",
      );
    },
    log:
      /^(Serveur |Client connecté, |Client >> |CONNEXION INTERROMPUE$|Arrêt demandé)/,
  });
});

const RECEIVED = "Message reçu\n";

/** What multithread_server owes for these bytes. */
function threadAnswer(data: Uint8Array): string {
  const { messages, error } = linesOf(data);
  const fin = messages.findIndex((line) => /^\s{0,6}fin\s{0,6}$/i.test(line));
  if (fin >= 0) return RECEIVED.repeat(fin + 1);
  return RECEIVED.repeat(messages.length) + (error && error + "\n");
}

/** Clients that talk all the time, until told to stop: the neighbours. */
async function neighbour(port: number, stop: AbortSignal): Promise<number> {
  let total = 0;
  for (let round = 1; !stop.aborted; round++) {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const limit = setTimeout(() => conn[Symbol.dispose](), 60_000 + PATIENCE);
    using _ = { [Symbol.dispose]: () => clearTimeout(limit) };
    const reader = new MessageReader(conn);
    // Some stay for a while, some for long.
    for (let i = 0; i < round * 20 && !stop.aborted; i++, total++) {
      const some = 1 + i % 3;
      await conn.write(bytes(`Bonjour ${i}\n`.repeat(some)));
      for (let heard = 0; heard < some;) {
        const answers = await reader.read();
        assert(answers, "the server has left its neighbour");
        heard += answers.length;
        assert(answers.every((answer) => answer === RECEIVED.trim()));
        assert(heard <= some, "an answer that nobody asked for");
      }
      // Others use this thread as well.
      await new Promise(setImmediate);
    }
    await conn.write(bytes("FIN\n"));
    assertEquals(await reader.read(), [RECEIVED.trim()]);
    assertEquals(await reader.read(), null, "and nothing after the last");
  }
  return total;
}

Deno.test("multithread_server outlives any bytes, and neither the sender nor its neighbour gets a wrong answer", async () => {
  const stop = new AbortController();
  const neighbours = new Map<number, Promise<number>>();
  await besiege({
    script: "multithread_server",
    args: ["--threads", "2"],
    async attack(port, one) {
      // One on each thread, perhaps: the kernel deals them out.
      if (!neighbours.has(port)) {
        const two = [
          neighbour(port, stop.signal),
          neighbour(port, stop.signal),
        ];
        const both = Promise.all(two).then(([a, b]) => Math.min(a, b));
        both.catch(() => {}); // Looked at in `visit`.
        neighbours.set(port, both);
      }
      const answer = await play(port, one);
      if (answer !== undefined) assertEquals(answer, threadAnswer(one.data));
    },
    async visit(port) {
      const talking = Promise.race([neighbours.get(port)!, "still talking"]);
      assertEquals(await talking, "still talking");
      assertEquals(await exchange(port, "a\nb\n"), RECEIVED.repeat(2));
    },
    log:
      /^(Serveur |Instance de serveur prête pour |Message reçu du client |Connexion fermée avec )/,
    async end(port) {
      stop.abort();
      assert(await neighbours.get(port)! > 0);
    },
  });
});

Deno.test("udp_server outlives any bytes, and answers each datagram once, to its sender", async () => {
  const hostname = "127.0.0.1", transport = "udp";
  const open = () => Deno.listenDatagram({ hostname, port: 0, transport });
  const polite = open(), other = open();
  using _ = { [Symbol.dispose]: () => (polite.close(), other.close()) };
  const buffer = new Uint8Array(65535);
  const ask = async (
    socket: Deno.DatagramConn,
    port: number,
    data: Uint8Array,
  ) => {
    await socket.send(data, { hostname, port, transport });
    const { promise: late, reject } = Promise.withResolvers<never>();
    const limit = setTimeout(
      () => reject(new Error("An answer never came")),
      PATIENCE,
    );
    try {
      const [answer, from] = await Promise.race([socket.receive(buffer), late]);
      assertEquals((from as Deno.NetAddr).port, port);
      return text(answer);
    } finally {
      clearTimeout(limit);
    }
  };
  const owed = (data: Uint8Array) =>
    utf8(data).whole < data.length ? NOT_UTF8 : HELLO.trim();
  // In one and the same order, so that an answer too many would show as a wrong one.
  const broken = Uint8Array.of(0xff);
  await besiege({
    script: "udp_server",
    data: anything.map((data) => data.subarray(0, 65507)),
    async attack(port, { data }) {
      assertEquals(await ask(other, port, data), owed(data));
    },
    async visit(port) {
      assertEquals(await ask(polite, port, bytes("Bonjour")), HELLO.trim());
      assertEquals(await ask(polite, port, broken), NOT_UTF8);
      assertEquals(await ask(other, port, broken), NOT_UTF8);
    },
    log: /^(Serveur |Message reçu de )/,
  });
});

const SECRET = "ceci est hors du dossier";

/** Requests: right ones for odd things, and ones as broken as can be. */
function requests(): fc.Arbitrary<Uint8Array> {
  const one = (...some: string[]) => fc.constantFrom(...some);
  const either = (
    weight: number,
    arbitrary: fc.Arbitrary<string>,
    other: fc.Arbitrary<string>,
  ) => fc.oneof({ weight, arbitrary }, { weight: 1, arbitrary: other });
  const method = either(
    15,
    one("GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "X-Y"),
    one("get", "CONNECT", "", "\0", "G\x1bT"),
  );
  const part = either(
    60,
    one(
      ...["a.txt", "a.txt", "secret.txt", "dossier", "lien", ".git", "..", "."],
      ...[
        "%2e%2e",
        ".%2E",
        "%2f",
        "%2e%2e%2fsecret.txt",
        "%5c",
        "%00",
        "%",
        "%zz",
      ],
      ...[
        "%1b%5b31m",
        "%e2%80%ae",
        "%c2%9b",
        "%C3%A9",
        "",
        "?x=1",
        "%0d%0aX:y",
      ],
      ...["//", "http://x/", "x".repeat(300)],
    ),
    one("\x1b[31m", "\u202e", "\\", "é", "#", "a.txt?\x9b", "\0", " "),
  );
  const path = fc.oneof(
    one("/a.txt", "/lien/secret.txt", "/.git/secret.txt", "/dossier/", "/"),
    fc.array(part, { maxLength: 4 }).map((all) => "/" + all.join("/")),
  );
  const version = either(
    15,
    one("HTTP/1.1", "HTTP/1.1", "HTTP/1.0"),
    one("HTTP/2.0", "HTTP/9", ""),
  );
  const header = either(
    10,
    one(
      ...[
        "Range: bytes=0-3",
        "Range: bytes=9-1",
        "Range: bytes=-0",
        "Range: x",
      ],
      ...["Range: bytes=0-0,2-2", "If-Range: *", 'If-Range: "x"', "Expect: x"],
      ...["If-None-Match: *", 'If-None-Match: W/"x"', "Expect: 100-continue"],
      ...[
        "If-Modified-Since: Mon, 99 Foo 9999",
        "Accept-Encoding: gzip;q=\x09",
      ],
      ...["If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "Cookie: é"],
      ...["Connection: close", "Connection: keep-alive", "Connection: upgrade"],
      ...["Upgrade: websocket", "Upgrade: h2c", "Content-Length: 5"],
      ...["Transfer-Encoding: chunked", "X: " + "y".repeat(9000), "Host: y"],
    ),
    fc.tuple(
      one("Host", "Range", "Content-Length", "X\x1b", "", "Transfer-Encoding"),
      fc.oneof(
        one("x/../..", "\x1b[2J", "-1", "99999999999999999999", "\0"),
        fc.string({ unit: "binary", maxLength: 10 }),
      ),
    ).map((both) => both.join(": ")),
  );
  const host = either(
    30,
    fc.constant("Host: x"),
    one("", "Host: ../..", "Host"),
  );
  const request = fc.tuple(
    ...[method, path, version, host] as const,
    fc.array(header, { maxLength: 3 }),
    fc.constantFrom(...Array(20).fill("\r\n"), "\n", "\r"),
    one("", "", "5\r\nabcde\r\n0\r\n\r\n", "abcde", "\0"),
  ).map(([method, path, version, host, headers, ending, body]) => {
    const all = [host, ...headers].filter((line) => line !== "");
    const head = [`${method} ${path} ${version}`, ...all, "", ""];
    return bytes(head.join(ending) + body);
  });
  const several = fc.array(request, { minLength: 1, maxLength: 3 }).map(joined);
  const changed = fc.tuple(request, fc.nat(), fc.nat(255)).map(
    ([data, place, byte]) => {
      const copy = data.slice();
      copy[place % data.length] = byte;
      return copy;
    },
  );
  return fc.oneof(
    { weight: 70, arbitrary: request },
    { weight: 10, arbitrary: several },
    { weight: 10, arbitrary: changed },
    { weight: 10, arbitrary: anything },
  );
}

Deno.test("web_server outlives any bytes, answers its other clients, and shows nothing outside its folder", async () => {
  const folder = await Deno.makeTempDir({ prefix: "siège-" });
  await using _ = {
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
  await Deno.mkdir(`${folder}/racine/dossier`, { recursive: true });
  await Deno.mkdir(`${folder}/racine/.git`);
  const content = "Bonjour, voici un fichier\n";
  await Deno.writeTextFile(`${folder}/racine/a.txt`, content);
  await Deno.writeTextFile(`${folder}/racine/dossier/a.txt`, content);
  await Deno.writeTextFile(`${folder}/racine/.git/secret.txt`, SECRET);
  await Deno.writeTextFile(`${folder}/secret.txt`, SECRET);
  await Deno.symlink(`${folder}`, `${folder}/racine/lien`);
  const visit = async (port: number) => {
    const signal = AbortSignal.timeout(PATIENCE);
    const response = await fetch(`http://127.0.0.1:${port}/a.txt`, { signal });
    assertEquals([response.status, await response.text()], [200, content]);
  };
  // It stays connected, and asks again and again beside the others.
  const asking = new Map<number, Promise<void>>();
  const stop = new AbortController();
  const neighbour = async (port: number) => {
    while (!stop.signal.aborted) {
      await visit(port);
      await new Promise((resume) => setTimeout(resume, 1));
    }
  };
  await besiege({
    script: "web_server",
    args: ["--root", `${folder}/racine`],
    data: requests(),
    async attack(port, one) {
      if (!asking.has(port)) {
        const all = neighbour(port);
        all.catch(() => {}); // Looked at in `visit`.
        asking.set(port, all);
      }
      // Deno.serve drops a request whose client half-closes before the answer.
      const answer = await play(port, one, 3).catch((error) => {
        // Deno.serve closes on what is no request, with bytes unread: a reset.
        if (/ConnectionReset|BrokenPipe/.test(error.name)) return;
        throw error;
      });
      if (answer === undefined) return;
      assert(!answer.includes(SECRET), "it shows what is outside its folder");
      if (answer) assertMatch(answer, /^HTTP\/1\.[01] [1-4]\d\d /);
    },
    async visit(port) {
      const talking = Promise.race([asking.get(port)!, "still asking"]);
      assertEquals(await talking, "still asking");
      await visit(port);
    },
    // Of a client that has reset, Deno.serve only knows 0.0.0.0:0.
    log: /^(Serveur |127\.0\.0\.1:\d+ |0\.0\.0\.0:0 )/,
    async end(port) {
      stop.abort();
      await asking.get(port);
    },
  });
});
