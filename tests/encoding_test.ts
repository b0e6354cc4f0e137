import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  encode,
  hangUp,
  printable,
  receive,
  Refusal,
  write,
} from "../scripts/encoding.ts";
import {
  anything,
  cut,
  cuts,
  linesOf,
  MAX_LINE,
  NOT_UTF8,
  TOO_LONG,
} from "./any_bytes.ts";
import { bytes, pair, PATIENCE, read, retimed } from "./harness.ts";

/** Something to read from, which brings these pieces and then ends. */
function pieces(...parts: Uint8Array[]): Pick<Deno.Conn, "read"> {
  const queue = [...parts];
  return {
    read(buffer) {
      assert(buffer.length > 0, "it would read nothing for ever");
      const part = queue.shift();
      if (!part) return Promise.resolve(null);
      const count = Math.min(part.length, buffer.length);
      buffer.set(part.subarray(0, count));
      if (count < part.length) queue.unshift(part.subarray(count));
      return Promise.resolve(count);
    },
  };
}

/** All that is received, step by step, and the refusal that it ends with. */
async function receiveAll(parts: Uint8Array[], raw = false) {
  const steps: string[][] = [];
  try {
    for await (const step of receive(pieces(...parts), raw)) steps.push(step);
    return { steps, error: "" };
  } catch (error) {
    assert(error instanceof Refusal, `${error}`);
    return { steps, error: error.message };
  }
}

Deno.test("receive makes the same messages of any bytes, and refuses the same, however they are cut", async () => {
  await fc.assert(
    fc.asyncProperty(anything(5), cuts(20), async (data, places) => {
      const { steps, error } = await receiveAll(cut(data, places));
      const messages = steps.flat(), expected = linesOf(data);
      assertEquals(error, expected.error);
      assert(messages.length >= expected.least, "a good message is missing");
      assertEquals(messages, expected.messages.slice(0, messages.length));
      assert(steps.every((step) => step.length > 0), "a step brings something");
    }),
    { numRuns: 1000 },
  );
});

Deno.test("receive brings together what one read completed", async () => {
  const parts = ["a\nb\r\n\nc", "d\n", "fin"].map(bytes);
  assertEquals(await receiveAll(parts), {
    steps: [["a", "b", ""], ["cd"], ["fin"]],
    error: "",
  });
});

Deno.test("receive in raw mode takes each read for a message, and is exact or refuses", async () => {
  const parts = ["un\ndeux", "\ufeff€\r", "x".repeat(10_000)];
  const { steps } = await receiveAll(parts.map(bytes), true);
  assertEquals(steps, parts.map((part) => [part]));
  const half = bytes("€").subarray(0, 2);
  assertEquals((await receiveAll([half], true)).error, NOT_UTF8);
});

Deno.test("receive refuses an endless line while it is still coming", async () => {
  let given = 0, first = 0;
  const endless: Pick<Deno.Conn, "read"> = {
    read(buffer) {
      first ||= buffer.length;
      buffer.fill(97);
      given += buffer.length;
      return Promise.resolve(buffer.length);
    },
  };
  await assertRejects(() => receive(endless).next(), Refusal, TOO_LONG);
  assertEquals(given, MAX_LINE);
  assertEquals(first, 512, "an idle client is cheap");
  // Nor does it hold more after lines that fill its buffer, again and again.
  const more = "\n".repeat(3 * MAX_LINE) + "x".repeat(3 * MAX_LINE);
  assertEquals((await receiveAll([bytes(more)])).error, TOO_LONG);
});

Deno.test("receive lets the event loop turn while there is always more", async () => {
  const busy: Pick<Deno.Conn, "read"> = {
    read(buffer) {
      buffer.fill(10);
      return Promise.resolve(buffer.length);
    },
  };
  let turned = false, steps = 0;
  setTimeout(() => turned = true);
  // Without a turn, no timer could ever fire.
  for await (const _ of receive(busy)) {
    if (turned) break;
    assert(++steps < 500, "the timer never fired");
  }
});

Deno.test("encode ends a message with a newline, and refuses what is no message", () => {
  assertEquals(encode("a\rb"), bytes("a\rb\n"));
  const longest = "é".repeat(MAX_LINE / 2 - 1) + "x";
  assertEquals(encode(longest).length, MAX_LINE);
  assertThrows(() => encode(longest + "x"), Refusal, TOO_LONG);
  for (const text of ["a\nb", "a\r"]) {
    assertThrows(() => encode(text), Refusal, "plusieurs lignes");
    assertEquals(encode(text, true), bytes(text));
  }
  assertThrows(() => encode("😀"[0]), Refusal, NOT_UTF8);
  assertThrows(() => encode("😀"[0], true), Refusal, NOT_UTF8);
});

Deno.test("printable leaves no control, escape or bidirectional character", () => {
  assertEquals(printable("\x1b[31mrouge\x07\x9b\r\n\u2028\u2029"), "[31mrouge");
  assertEquals(printable("a\u202egnp.exe\u2066"), "agnp.exe");
  const good = "Déjà vu, 5 € 👩‍💻 — été";
  assertEquals(printable(good.replaceAll(" ", "\t")), good);
});

Deno.test("write gets all the bytes out, where one conn.write takes a part", async () => {
  using ends = await pair();
  const data = new Uint8Array(20_000_000).map((_, i) => i % 251);
  const first = await ends.client.write(data);
  assert(first < data.length, "else this test proves nothing");
  const sent = write(ends.client, data.subarray(first))
    .then(() => ends.client.closeWrite());
  const received = await new Response(ends.server.readable).bytes();
  await sent;
  assertEquals(received.length, data.length);
  assert(received.every((byte, i) => byte === data[i]), "out of order");
});

/** Calls hangUp with more time: on a busy machine, even a second may be too short. */
const hangUpLater = (...args: Parameters<typeof hangUp>) => {
  let limit = 0;
  const hangingUp = retimed((ms) => {
    limit = ms;
    return PATIENCE;
  }, () => hangUp(...args));
  assertEquals(limit, 1000);
  return hangingUp;
};

Deno.test("hangUp delivers its last word though bytes are unread, waits for the peer's end, and closes", async () => {
  using ends = await pair();
  await write(ends.client, bytes("x".repeat(100_000)));
  let gone = false;
  const hangingUp = hangUpLater(ends.server, "Adieu").then(() => gone = true);
  assertEquals(await read(ends.client), "Adieu\n");
  assertEquals(await read(ends.client), "", "an orderly end");
  assert(!gone, "the peer has not ended yet");
  await ends.client.closeWrite();
  await hangingUp;
  assertThrows(() => ends.server.close(), Deno.errors.BadResource);
});

Deno.test("hangUp rejects a last word that is no message, and closes all the same", async () => {
  using ends = await pair();
  await assertRejects(() => hangUp(ends.server, "deux\nlignes"), Refusal);
  assertThrows(() => ends.server.close(), Deno.errors.BadResource);
});

Deno.test("hangUp closes in the end, though the peer neither reads nor leaves", async () => {
  using ends = await pair();
  const writing = write(ends.server, new Uint8Array(20_000_000));
  await Promise.all([
    assertRejects(() => writing, Error),
    hangUp(ends.server, "Adieu"),
  ]);
  await hangUp(ends.server, "Adieu"); // Of a connection that is closed already.
});
