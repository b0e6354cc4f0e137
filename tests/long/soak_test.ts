/** The soak in short, and its judge: what it is there to find, it finds. */
import { assert, assertEquals } from "@std/assert";
import { type Conversation, judge, soak } from "./soak.ts";

const ANSWER = "Message reçu\n";

/** Two clients on two threads, of two messages each, with something changed. */
function judged(
  change: (log: string[], one: Conversation, two: Conversation) => unknown,
): string[] {
  const log: string[] = [];
  const [one, two] = [1, 2].map((client): Conversation => {
    const address = `127.0.0.1:4000${client}`;
    const sent = [`c${client} m0 é`, `c${client} m1`];
    const from = `Message reçu du client ${address} [Thread ${client}]`;
    for (const text of sent) log.push(`${from} : ${text}`);
    const heard = ANSWER.repeat(2);
    return { client, role: "talk", address, sent, heard, trouble: "" };
  });
  change(log, one, two);
  return judge(log.join("\n") + "\n", [one, two]);
}

Deno.test("The soak's judge finds what is wrong, and nothing else", () => {
  const cases: [RegExp | null, Parameters<typeof judged>[0]][] = [
    [null, () => {}],
    // Acknowledged, not received.
    [/c1 .* has 2 answers, logged are 1/, (log) => log.splice(1, 1)],
    // Received twice, in another order, altered, from somebody else, from nobody.
    [/c1 .* sent "c1 m1", logged/, (log) => log.splice(1, 0, log[0])],
    [/c1 .* sent "c1 m0 é", logged/, (log) => log.reverse()],
    [/c1 .* sent "c1 m1", logged/, (log) => log[1] += "x"],
    [/c1 .*1 sent/, (log) => log[1] = log[1].replace("40001", "40002")],
    [/Nobody's: .* c3/, (log) => log.push(log[0].replace("c1", "c3"))],
    // An answer too many, on another connection, not whole, something else.
    [/c1 .* has 3 answers, logged are 2/, (_, one) => one.heard += ANSWER],
    [/c2 .* 3 answers/, (_, one, two) => {
      one.heard = ANSWER;
      two.heard += ANSWER;
    }],
    [/c1 .* heard something else/, (_, one) => one.heard += "Mess"],
    // Not served to the end, not closed.
    [/c1 .* has 1 of 2 answers/, (_, one) => one.heard = ANSWER],
    [/c1 .* has 2 of 2 answers: late/, (_, one) => one.trouble = "late"],
    [/Unusual: +at serve/, (log) => log.push("  at serve (server.ts:1:1)")],
    // The death of its thread excuses who was on it, in the middle of an answer.
    [null, (log, one) => {
      log[1] = "Thread 1 mort, relancé : TypeError";
      Object.assign(one, { heard: ANSWER + "Mess", trouble: "ended" });
    }],
    [/^c2 .* has 1 of 2 answers/, (log, _, two) => {
      log.push("Thread 1 mort, relancé : TypeError");
      two.heard = ANSWER;
    }],
    // So does a farewell, if there is one, at the end.
    [null, (log, one) => {
      log.push("Serveur arrêté");
      one.heard = ANSWER + "Le serveur s'arrête\n";
    }],
    [/c1 .* has 1 of 2 answers/, (log, one) => {
      log.push("Serveur arrêté");
      one.heard = ANSWER;
    }],
    // And so does the end of a second, after which it closes.
    [null, (log, one) => {
      log.push(`Connexion fermée avec ${one.address} [Thread 1]`);
      log.push("Serveur arrêté");
      one.heard = ANSWER;
    }],
    [/c1 .* has 1 of 2 answers/, (log, one) => {
      log.push(`Connexion fermée avec ${one.address} [Thread 1]`);
      one.heard = ANSWER;
    }],
    [/c1 .* heard something else/, (log, one) => {
      log.push("Serveur arrêté");
      one.heard = ANSWER + "Le serveur s'arrête\n" + ANSWER;
    }],
  ];
  for (const [fault, change] of cases) {
    const faults = judged(change);
    if (fault === null) assertEquals(faults, []);
    else assert(faults.some((line) => fault.test(line)), `${fault}: ${faults}`);
  }
});

Deno.test({
  name: "multithread_server loses nothing in a soak of five seconds",
  // Elsewhere, threads share no port, and nothing tells of descriptors.
  ignore: Deno.build.os !== "linux",
  async fn() {
    assertEquals((await soak(5)).slice(0, 20), []);
  },
});
