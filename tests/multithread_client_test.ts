import { assertEquals, assertRejects } from "@std/assert";
import { Refusal } from "../scripts/encoding.ts";
import { converse } from "../scripts/multithread_client.ts";
import { bytes, pair, read, rest } from "./harness.ts";
import { atTerminal } from "./tmux.ts";

/** These lines, and then nothing more, for ever. */
async function* typed(...lines: string[]) {
  yield* lines;
  await new Promise(() => {});
}

Deno.test("converse of multithread_client says a line once the one before is answered", async () => {
  using ends = await pair();
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  const over = converse(ends.client, typed("un", "deux", " fin "), show);
  for (const line of ["un", "deux", " fin "]) {
    assertEquals(await read(ends.server), line + "\n");
    await ends.server.write(bytes(`${line.length}\n`));
  }
  assertEquals(await rest(ends.server), "");
  await over;
  assertEquals(shown, ["2", "4", "5"]);
});

Deno.test("converse of multithread_client leaves when its lines end, once all are answered", async () => {
  using ends = await pair();
  async function* lines() {
    yield "un";
  }
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  const over = converse(ends.client, lines(), show);
  assertEquals(await read(ends.server), "un\n");
  await ends.server.write(bytes("reçu\n"));
  assertEquals(await rest(ends.server), "");
  ends.server[Symbol.dispose]();
  await over;
  assertEquals(shown, ["reçu"]);
});

Deno.test("converse of multithread_client sends nothing of what cannot be a message", async () => {
  using ends = await pair();
  const lines = typed("x".repeat(65_536));
  await assertRejects(() => converse(ends.client, lines, () => {}), Refusal);
  assertEquals(await rest(ends.server), "");
});

Deno.test("converse of multithread_client fails when the server leaves between two lines", async () => {
  using ends = await pair();
  await ends.server.write(bytes("Le serveur s'arrête\n"));
  ends.server[Symbol.dispose]();
  const shown: string[] = [];
  await assertRejects(
    () => converse(ends.client, typed(), (text) => shown.push(text)),
    Deno.errors.UnexpectedEof,
  );
  assertEquals(shown, ["Le serveur s'arrête"]);
});

Deno.test("converse of multithread_client ends well when the server leaves at FIN without a word", async () => {
  using ends = await pair();
  const over = converse(ends.client, typed("FIN"), () => {});
  assertEquals(await read(ends.server), "FIN\n");
  ends.server[Symbol.dispose]();
  await over;
});

for (
  const [what, line, raw] of [
    ["is silent", "bonjour", false],
    // More than all the buffers on the way hold.
    ["does not read", "x".repeat(20_000_000), true],
  ] as const
) {
  Deno.test(`converse of multithread_client gives up, at its limit, a server that ${what}`, async () => {
    using ends = await pair();
    const error = await assertRejects(
      () => converse(ends.client, typed(line), () => {}, raw, 200),
      DOMException,
    );
    assertEquals(error.name, "TimeoutError");
  });
}

Deno.test("converse of multithread_client has no limit between an answer and the next line", async () => {
  using ends = await pair();
  const next = Promise.withResolvers<void>();
  async function* lines() {
    yield "un";
    await next.promise;
    yield "FIN";
  }
  const over = converse(ends.client, lines(), () => {}, false, 100);
  for (const line of ["un\n", "FIN\n"]) {
    assertEquals(await read(ends.server), line);
    await ends.server.write(bytes("reçu\n"));
    if (line === "un\n") setTimeout(next.resolve, 300);
  }
  ends.server[Symbol.dispose]();
  await over;
});

atTerminal(
  "multithread_client",
  "keeps a line half typed when the answer comes",
  async (terminal, server) => {
    await terminal.type("first");
    await terminal.press("Enter");
    await server.hears("first\n");
    await terminal.type("hel");
    await terminal.shows("\n>> first\n>> hel");
    await server.say("Message reçu\n");
    await terminal.shows("\n>> first\nMessage reçu\n>> hel");
    await terminal.type("lo");
    await terminal.press("Enter");
    await server.hears("first\nhello\n");
  },
);
