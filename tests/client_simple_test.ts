import { assertEquals, assertRejects } from "@std/assert";
import { ask } from "../scripts/client_simple.ts";
import { bytes, listen, pair, rest, run } from "./harness.ts";

Deno.test("client_simple sends its words as one message, as they were typed", async () => {
  await using server = await listen();
  const words = ["Ça", "va ?", "007", "--", "--port", "5"];
  const ended = run("client_simple", [...server.address, ...words]);
  const client = await server.met;
  await client.hears("Ça va ? 007 --port 5\n");
  await client.say("reçu\n");
  assertEquals((await ended).code, 0);
});

Deno.test("ask of client_simple takes a line for the answer, and in raw mode what one read brings", async () => {
  using lines = await pair();
  await lines.server.write(bytes("un\ndeux\n"));
  assertEquals(await ask(lines.client, "bonjour"), "un");
  using ends = await pair();
  await ends.server.write(bytes("sans fin"));
  assertEquals(await ask(ends.client, "bonjour", true), "sans fin");
  ends.client.close();
  assertEquals(await rest(ends.server), "bonjour");
});

for (
  const [what, message, raw] of [
    ["drips its answer", "bonjour", false],
    // More than all the buffers on the way hold.
    ["does not read", "x".repeat(20_000_000), true],
  ] as const
) {
  Deno.test(`ask of client_simple gives up, at its limit, a server that ${what}`, async () => {
    using ends = await pair();
    const drip = () => ends.server.write(bytes("x")).catch(() => {});
    const dripping = setInterval(drip, 20);
    const error = await assertRejects(
      () => ask(ends.client, message, raw, 200),
      DOMException,
    );
    clearInterval(dripping);
    assertEquals(error.name, "TimeoutError");
  });
}
