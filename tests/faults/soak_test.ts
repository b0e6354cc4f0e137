/**
 * The soak in short, and its judge: what it is there to find, it finds.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
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

Deno.test("The soak's judge excuses who was cut off by the death of its thread", () => {
  const die = (thread: number) => (log: string[], first: Conversation) => {
    log[4] = `Thread ${thread} mort, remplacé : tué`;
    Object.assign(first, { answers: 2, complete: false });
  };
  assertEquals(faults(die(1)), []);
  assertEquals(faults(die(2)).length, 1);
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
