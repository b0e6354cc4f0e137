/** The soak in short, and its judge: what it is there to find, it finds. */
import { assert, assertEquals } from "@std/assert";
import { type Conversation, judge, soak } from "./soak.ts";

const ANSWER = "Message reçu\n";

/** A client of two messages on thread 1, and its log, with something changed. */
function judged(change: (log: string[], talk: Conversation) => unknown) {
  const from = "127.0.0.1:40001 [Thread 1]";
  const sent = ["c1 m0 é", "c1 m1"];
  const log = sent.map((text) => `Message reçu du client ${from} : ${text}`);
  const talk: Conversation = {
    client: 1,
    role: "talk",
    address: "127.0.0.1:40001",
    sent,
    heard: ANSWER.repeat(2),
    trouble: "",
  };
  change(log, talk);
  return judge(log.join("\n") + "\n", [talk]).join("\n");
}

Deno.test("The soak's judge finds what is wrong, and nothing else", () => {
  assertEquals(judged(() => {}), "");
  const wrong: [string, Parameters<typeof judged>[0]][] = [
    // Acknowledged and not received, received twice, altered, from others.
    ["has 2 answers, logged are 1", (log) => log.pop()],
    ['sent "c1 m1", logged is', (log) => log.splice(1, 0, log[0])],
    ['sent "c1 m1", logged is', (log) => log[1] += "x"],
    ["sent", (log) => log[1] = log[1].replace("40001", "40002")],
    ["Nobody's", (log) => log.push(log[0].replace("c1", "c3"))],
    // Heard too much, or too little, or in trouble.
    ["has 3 answers, logged are 2", (_, talk) => talk.heard += ANSWER],
    ["heard something else", (_, talk) => talk.heard += "Mess"],
    ["has 1 of 2 answers", (_, talk) => talk.heard = ANSWER],
    ["has 2 of 2 answers: late", (_, talk) => talk.trouble = "late"],
    ["Unusual: at serve", (log) => log.push("  at serve (server.ts:1:1)")],
  ];
  for (const [fault, change] of wrong) {
    const faults = judged(change);
    assert(faults.includes(fault), `${fault}: ${faults}`);
  }
  // Excused is who was on a thread that died, or was told that the server stops.
  for (const thread of [1, 2]) {
    const faults = judged((log, talk) => {
      log[1] = `Thread ${thread} mort, relancé : TypeError`;
      talk.heard = ANSWER + "Mess";
    });
    assertEquals(faults === "", thread === 1, faults);
  }
  for (const farewell of ["Le serveur s'arrête\n", ""]) {
    const faults = judged((log, talk) => {
      log.push("Serveur arrêté");
      talk.heard = ANSWER + farewell;
    });
    assertEquals(faults === "", farewell !== "", faults);
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
