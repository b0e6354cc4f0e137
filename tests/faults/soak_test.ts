/**
 * The soak in short, and its judge: what it is there to find, it finds.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Program, ROOT } from "../harness.ts";
import { SEED } from "./relay.ts";
import { type Conversation, judge, message, soak } from "./soak.ts";

const PORT = 40_001;

/** A conversation that goes well, and the server's log of it. */
function good(id: number, port: number, said: number) {
  const talk: Conversation = {
    id,
    role: "talk",
    port,
    said,
    answers: said,
    began: 0,
    slowest: 0,
    complete: true,
  };
  const name = `127.0.0.1:${port} [Thread 1]`;
  const log = [
    `Instance de serveur prête pour ${name}`,
    ...Array.from(
      { length: said },
      (_, i) => `Message reçu du client ${name} : ${message(id, i)}`,
    ),
    `Connexion fermée avec ${name}`,
  ];
  return { talk, log };
}

/** Two conversations of three messages each, with something changed in them. */
function faults(
  change: (log: string[], first: Conversation, second: Conversation) => void,
): string[] {
  const first = good(7, PORT, 3), second = good(8, PORT + 1, 3);
  const log = [...first.log, ...second.log];
  change(log, first.talk, second.talk);
  const text = log.map((line) => line + "\n").join("");
  return judge(text, [first.talk, second.talk]).faults;
}

Deno.test("The soak's judge finds nothing where all went well", () => {
  assertEquals(faults(() => {}), []);
});

for (
  const [what, fault, change] of [
    [
      "acknowledged a message that it had not received",
      /^7 .* had 3 answers to 2 messages$/,
      (log) => log.splice(3, 1),
    ],
    [
      "heard a message twice",
      /message 2 of 7 .* was heard as 1/,
      (log) => log.splice(2, 0, log[2]),
    ],
    [
      "heard messages in another order",
      /message 0 of 7 .* was heard as 1/,
      (log) => log.splice(1, 2, log[2], log[1]),
    ],
    [
      "heard another text",
      /message 1 of 7 .* was heard as 1/,
      (log) => log[2] += "x",
    ],
    [
      "heard a message that was not said",
      /^7 .* said 2 messages, 3 were heard$/,
      (_, first) => first.said = first.answers = 2,
    ],
    [
      "heard one client's message from another one",
      /^nobody's: /,
      (log) => log[2] = log[2].replace(`${PORT}`, `${PORT + 1}`),
    ],
    [
      "left a client without its last answer",
      /^7 .* was left at 2 of 3, heard "undefined"$/,
      (_, first) => Object.assign(first, { answers: 2, complete: false }),
    ],
    [
      "ended a client that was not late",
      /^7 .* was ended for being late, after 9000 ms$/,
      (_, first) =>
        Object.assign(first, { word: "Délai dépassé : 4 s", ended: 9000 }),
    ],
    [
      "ended a silent client too early",
      /^7 .* was ended for being late, after 3900 ms$/,
      (_, first) =>
        Object.assign(first, {
          role: "silent",
          word: "Délai dépassé : 4 s",
          ended: 3900,
        }),
    ],
    [
      "ended a silent client without a word",
      /^7 .* was left at 3 of 3, heard "undefined"$/,
      (_, first) => Object.assign(first, { role: "silent", complete: false }),
    ],
    [
      "said what it should not",
      /^7 .* heard "Serveur complet"$/,
      (_, first) => first.word = "Serveur complet",
    ],
    [
      "had trouble with a client that it should not have",
      /^unexpected: .* : Cannot read properties of undefined/,
      (log) =>
        log.push(
          `127.0.0.1:${PORT} [Thread 1] : Cannot read properties of undefined`,
        ),
    ],
    [
      "told a silent client too late",
      /^7 .* was told only after 20000 ms$/,
      (_, first) =>
        Object.assign(first, {
          role: "silent",
          word: "Délai dépassé : 4 s",
          ended: 20_000,
        }),
    ],
    [
      "printed a stack trace",
      /^unexpected: +at serve/,
      (log) => log.push("    at serve (multithread_server.ts:1:1)"),
    ],
  ] satisfies [
    string,
    RegExp,
    (log: string[], first: Conversation, second: Conversation) => unknown,
  ][]
) {
  Deno.test(`The soak's judge finds that the server ${what}`, () => {
    const found = faults(change);
    assert(found.some((line) => fault.test(line)), `${found}`);
  });
}

Deno.test("The soak's judge excuses who was cut off by the death of its thread, and nobody else", () => {
  const die = (thread: number, at: number) =>
    faults((log, first, second) => {
      const closed = log.findIndex((line) =>
        line.startsWith("Connexion fermée")
      );
      log.splice(closed, 1);
      log.splice(at, 0, `Thread ${thread} mort, remplacé : tué`);
      Object.assign(first, { answers: 2, complete: false });
      // Its thread has the number of the one that died: the log cannot tell.
      if (at > 0) Object.assign(second, { answers: 2, complete: false });
    }).map((fault) => fault.split(" ")[0]);
  assertEquals(die(1, 4), []);
  assertEquals(die(2, 4), ["7", "8"]);
});

Deno.test("serve of multithread_server keeps nothing of clients that have left", async () => {
  const code = `
    import { serve } from "file://${ROOT}scripts/multithread_server.ts";
    const hostname = "127.0.0.1", listener = Deno.listen({ hostname, port: 0 });
    const stop = new AbortController(), clients = new Int32Array(1);
    const serving = serve(listener, stop.signal, {
      ...{ clients, thread: 0, maxClients: 100, timeout: 60, quiet: true },
    });
    const line = new TextEncoder().encode("bonjour\\n"), answer = new Uint8Array(99);
    for (let wave = 0; wave < 4; wave++) {
      for (let times = 0; times < 60; times++) {
        await Promise.all(Array.from({ length: 50 }, async () => {
          const conn = await Deno.connect({ hostname, port: listener.addr.port });
          await conn.write(line);
          await conn.read(answer);
          conn.close();
        }));
        while (clients[0] > 0) await new Promise((next) => setTimeout(next, 5));
      }
      gc();
      const { heapUsed, external } = Deno.memoryUsage();
      console.log((heapUsed + external) / 1024);
    }
    stop.abort();
    await serving;`;
  await using program = new Program(Deno.execPath(), [
    ...["run", "--allow-all", "--no-check", "--v8-flags=--expose-gc"],
    ...["--config", `${ROOT}deno.json`],
    `data:application/typescript,${encodeURIComponent(code)}`,
  ]);
  const { code: end, out, err } = await program.end();
  assertEquals([end, err], [0, ""]);
  const kib = out.trim().split("\n").map(Number);
  // Of nine thousand clients: two thirds of a KiB each would be too much.
  assert(kib.length === 4 && kib[3] - kib[0] < 6 * 1024, `${kib} KiB`);
});

Deno.test({
  name: "multithread_server loses nothing in a soak of ten seconds",
  // Elsewhere, threads share no port, and nothing tells of descriptors.
  ignore: Deno.build.os !== "linux",
  async fn() {
    const told: string[] = [];
    const report = await soak(10, 2000, SEED, (line) => told.push(line));
    const { faults, reasons, ...sums } = report;
    assertEquals(faults, [], `FAULT_SEED=${SEED}\n${told.join("\n")}`);
    // That nothing was lost says something only if much was at stake.
    const stake = {
      conversations: [sums.conversations, 4000],
      messages: [sums.messages, 20_000],
      deaths: [sums.deaths, 4],
      late: [reasons["Délai dépassé : 4 s"], 50],
      reset: [reasons["Connection reset by peer (os error 104)"], 50],
    };
    for (const [name, [count, least]] of Object.entries(stake)) {
      assert(count >= least, `${name}: ${count}`);
    }
  },
});
