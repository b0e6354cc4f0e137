import { assertEquals, assertRejects } from "@std/assert";
import { ask } from "../scripts/client_simple.ts";
import { Refusal } from "../scripts/encoding.ts";
import { bytes, pair, read, rest, run } from "./harness.ts";

Deno.test("client_simple sends its words as one message, as they were typed", async () => {
  for (
    const [words, message] of [
      [["Ça", "va ?"], "Ça va ?"],
      [["007"], "007"],
      [["--", "--port", "5"], "--port 5"],
    ] as const
  ) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = ["--port", `${listener.addr.port}`];
    const ended = run("client_simple", [...address, ...words]);
    using conn = await listener.accept();
    assertEquals(await read(conn), message + "\n");
    await conn.write(bytes("reçu\n"));
    assertEquals((await ended).code, 0);
  }
});

Deno.test("ask of client_simple in raw mode takes what one read brings for the answer", async () => {
  using ends = await pair();
  await ends.server.write(bytes("sans fin"));
  assertEquals(await ask(ends.client, "bonjour", true), "sans fin");
  ends.client.close();
  assertEquals(await rest(ends.server), "bonjour");
});

Deno.test("ask of client_simple sends nothing of what cannot be a message", async () => {
  using ends = await pair();
  await assertRejects(() => ask(ends.client, "deux\nlignes"), Refusal);
  ends.client.close();
  assertEquals(await rest(ends.server), "");
});

for (
  const [what, message, raw, drips] of [
    ["is silent", "bonjour", false, false],
    ["drips its answer", "bonjour", false, true],
    // More than all the buffers on the way hold.
    ["does not read", "x".repeat(20_000_000), true, false],
  ] as const
) {
  Deno.test(`ask of client_simple gives up, at its limit, a server that ${what}`, async () => {
    using ends = await pair();
    const drip = () => ends.server.write(bytes("x")).catch(() => {});
    const dripping = setInterval(() => drips && drip(), 20);
    const error = await assertRejects(
      () => ask(ends.client, message, raw, 200),
      DOMException,
    );
    clearInterval(dripping);
    assertEquals(error.name, "TimeoutError");
  });
}
