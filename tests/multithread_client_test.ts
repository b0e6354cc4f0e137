import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { converse } from "../scripts/multithread_client.ts";
import { bytes, pair, read, rest } from "./harness.ts";

const pause = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

/** These lines, the last one after `wait` ms, and then nothing more, for ever. */
async function* typed(lines: string[], wait = 0) {
  yield* lines.slice(0, -1);
  await pause(wait);
  yield* lines.slice(-1);
  await new Promise(() => {});
}

Deno.test("converse of multithread_client says a line once the one before is answered, and gives each its time", async () => {
  using ends = await pair();
  const shown: string[] = [], lines = ["enfin", "", "fini", " fin "];
  const show = (text: string) => void shown.push(text);
  const over = converse(ends.client, typed(lines, 1200), show, false, 2000);
  for (const line of lines) {
    assertEquals(await read(ends.server), line + "\n");
    // Meanwhile, the time of the line before is over.
    if (line === " fin ") await pause(1000);
    await ends.server.write(bytes(`${line.length}\n`));
  }
  assertEquals(await rest(ends.server), "");
  await over;
  assertEquals(shown, ["5", "0", "4", "5"]);
});

Deno.test("converse of multithread_client ends well when the server leaves at FIN without a word", async () => {
  using ends = await pair();
  const over = converse(ends.client, typed(["FIN"]), () => {});
  assertEquals(await read(ends.server), "FIN\n");
  ends.server[Symbol.dispose]();
  await over;
  assertThrows(() => ends.client.close(), Deno.errors.BadResource);
});

Deno.test("converse of multithread_client sends no empty message in raw mode, and waits for no answer to it", async () => {
  using ends = await pair();
  const lines = typed(["", "FIN"]);
  const over = converse(ends.client, lines, () => {}, true, 2000);
  assertEquals(await read(ends.server), "FIN");
  await ends.server.write(bytes("Message reçu"));
  assertEquals(await rest(ends.server), "");
  await over;
});

Deno.test("converse of multithread_client leaves no timer behind when an answer comes too late", async () => {
  using ends = await pair();
  const lines = typed(["un", "deux", "trois"]);
  const { promise: shown, resolve: show } = Promise.withResolvers<string>();
  const over = converse(ends.client, lines, show, false, 200);
  const refused = assertRejects(() => over, DOMException);
  const [line, end] = [await read(ends.server), await read(ends.server)];
  assertEquals([line, end], ["un\n", ""]);
  await ends.server.write(bytes("enfin\n"));
  await shown; // Now it says the next line, in vain.
  ends.server[Symbol.dispose]();
  await refused;
});

for (
  const [what, line, answer] of [
    ["is silent", "bonjour", ""],
    // More than all the buffers on the way hold.
    ["does not read on", "x".repeat(20_000_000), ""],
    ["answers and does not read on", "x".repeat(20_000_000), "oui"],
  ]
) {
  Deno.test(`converse of multithread_client gives up, at its limit, a server that ${what}`, async () => {
    using ends = await pair();
    const over = assertRejects(
      () => converse(ends.client, typed([line]), () => {}, true, 200),
      DOMException,
    );
    await read(ends.server);
    await ends.server.write(bytes(answer)).catch(() => {}); // It may have gone.
    assertEquals((await over).name, "TimeoutError");
  });
}
