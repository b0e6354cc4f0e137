import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  encode,
  hangUp,
  MAX_MESSAGE,
  MessageReader,
  printable,
  Refusal,
  write,
} from "../scripts/encoding.ts";
import { bytes } from "./harness.ts";

/** Something to read from, which brings these pieces and then ends. */
function pieces(...parts: Uint8Array[]): Pick<Deno.Conn, "read"> {
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

/** Cuts `data` before each of these places, which are shares of its length. */
function cut(data: Uint8Array, places: number[]): Uint8Array[] {
  const at = places.map((share) => Math.floor(share * data.length));
  const bounds = [0, ...at.sort((a, b) => a - b), data.length];
  return bounds.slice(1).map((end, i) => data.subarray(bounds[i], end));
}

/** All that a reader brings, until the end or the error that it ends with. */
async function readAll(reader: MessageReader) {
  const messages: string[] = [];
  try {
    for (let some; (some = await reader.read());) {
      assert(some.length > 0, "a read that resolves brings something");
      messages.push(...some);
    }
    return { messages, cut: reader.cut, error: "" };
  } catch (error) {
    assert(error instanceof Refusal);
    return { messages, cut: reader.cut, error: error.message };
  }
}

const TOO_LONG = "Message refusé : plus de 65536 octets";
const NOT_UTF8 = "Message refusé : ce n'est pas de l'UTF-8";

// Any text but line endings, which cannot be in a message.
const line = fc.string({ unit: "grapheme", maxLength: 3000, size: "max" })
  .map((text) => text.replace(/[\r\n]/g, "␤"));
const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  maxLength: 30,
  size: "max",
});

Deno.test("MessageReader returns the messages that were sent, however they were cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.constantFrom("\n", "\r\n"),
      cuts,
      async (messages, ending, places) => {
        const data = bytes(messages.map((text) => text + ending).join(""));
        const reader = new MessageReader(pieces(...cut(data, places)));
        assertEquals(await readAll(reader), {
          messages,
          cut: false,
          error: "",
        });
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("MessageReader reads back what encode wrote, one byte at a time", async () => {
  await fc.assert(fc.asyncProperty(line, line, async (one, two) => {
    const data = [...encode(one), ...encode(two)];
    const drip = data.map((byte) => Uint8Array.of(byte));
    const { messages } = await readAll(new MessageReader(pieces(...drip)));
    assertEquals(messages, [one, two]);
  }));
});

Deno.test("MessageReader takes what is left at the end for the last message", async () => {
  await fc.assert(fc.asyncProperty(
    line,
    line.filter((text) => text !== ""),
    cuts,
    async (whole, rest, places) => {
      const data = bytes(`${whole}\n${rest}`);
      const reader = new MessageReader(pieces(...cut(data, places)));
      const messages = [whole, rest];
      assertEquals(await readAll(reader), { messages, cut: true, error: "" });
      assertEquals(await reader.read(), null, "and then it stays at the end");
      assert(reader.cut);
    },
  ));
});

Deno.test("MessageReader in raw mode loses nothing, and cuts no character", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: "grapheme", maxLength: 3000 }),
      cuts,
      async (text, places) => {
        const parts = cut(bytes(text), places);
        const reader = new MessageReader(pieces(...parts), true);
        const { messages, error } = await readAll(reader);
        assertEquals(messages.join(""), text);
        assertEquals(error, "");
        assert(messages.every((message) => message.isWellFormed()));
      },
    ),
    { numRuns: 200 },
  );
});

Deno.test("MessageReader in raw mode takes each read for one message", async () => {
  const reader = new MessageReader(pieces(bytes("un\ndeux"), bytes("€")), true);
  const { messages } = await readAll(reader);
  assertEquals(messages, ["un\ndeux", "€"]);
});

Deno.test("MessageReader hands out what one read brought together", async () => {
  const reader = new MessageReader(pieces(bytes("a\nb\r\n\nc"), bytes("d\n")));
  assertEquals(await reader.read(), ["a", "b", ""]);
  assertEquals(await reader.read(), ["cd"]);
  assertEquals(await reader.read(), null);
});

Deno.test("MessageReader refuses bytes that are not UTF-8, after the good lines", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(line, { maxLength: 5 }),
    line,
    // No sequence of UTF-8 begins or goes on with these.
    fc.constantFrom([0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe2, 0x82]),
    cuts,
    async (good, half, broken, places) => {
      const data = Uint8Array.of(
        ...bytes(good.map((text) => text + "\n").join("") + half),
        ...broken,
        ...bytes("\nplus rien\n"),
      );
      const reader = new MessageReader(pieces(...cut(data, places)));
      const { messages, error } = await readAll(reader);
      assertEquals({ messages, error }, { messages: good, error: NOT_UTF8 });
      await assertRejects(() => reader.read(), Refusal, NOT_UTF8);
    },
  ));
});

Deno.test("MessageReader refuses a character that the end of the stream cuts", async () => {
  for (const raw of [false, true]) {
    const half = bytes("€").subarray(0, 2);
    const { error } = await readAll(new MessageReader(pieces(half), raw));
    assertEquals(error, NOT_UTF8);
  }
});

Deno.test("MessageReader keeps a BOM, a NUL and a lone \\r as they are", async () => {
  const odd = "\ufeffx\u0000\ry";
  const reader = new MessageReader(pieces(bytes(`${odd}\n`)));
  assertEquals(await reader.read(), [odd]);
});

Deno.test("MessageReader takes 64 KiB to the byte, before any line ending", async () => {
  const [most, over] = [MAX_MESSAGE, MAX_MESSAGE + 1].map((n) => "x".repeat(n));
  for (const places of [[], [0.5], [0.999999], [0.1, 0.2, 0.3]]) {
    for (
      const [text, ending, error] of [
        [most, "\n", ""],
        [most, "\r\n", ""],
        [most, "", ""],
        [over, "\n", TOO_LONG],
        [over, "\r\n", TOO_LONG],
        [over, "", TOO_LONG],
      ]
    ) {
      const data = bytes("bon\n" + text + ending);
      const reader = new MessageReader(pieces(...cut(data, places)));
      const result = await readAll(reader);
      assertEquals(result.error, error);
      assertEquals(result.messages, error ? ["bon"] : ["bon", text]);
    }
  }
});

Deno.test("MessageReader refuses an endless line while it is still coming", async () => {
  let given = 0;
  const endless: Pick<Deno.Conn, "read"> = {
    read(buffer) {
      buffer.fill(97);
      given += buffer.length;
      return Promise.resolve(buffer.length);
    },
  };
  await assertRejects(
    () => new MessageReader(endless).read(),
    Refusal,
    TOO_LONG,
  );
  assert(given <= MAX_MESSAGE + 2, `it took ${given} bytes`);
});

Deno.test("MessageReader lets the event loop turn while data is always there", async () => {
  const busy: Pick<Deno.Conn, "read"> = {
    read(buffer) {
      buffer.fill(10);
      return Promise.resolve(buffer.length);
    },
  };
  let turned = false;
  setTimeout(() => turned = true);
  const reader = new MessageReader(busy);
  // Without a pause, this loop would never end: no timer could ever fire.
  for (let reads = 0; !turned; reads++) {
    assert(reads < 500, "the timer never fired");
    await reader.read();
  }
});

Deno.test("encode refuses what the other side could not read as one message", () => {
  for (const text of ["a\nb", "a\r", "\n"]) {
    assertThrows(() => encode(text), Refusal, "une ligne");
  }
  assertThrows(() => encode("€".repeat(MAX_MESSAGE / 2)), Refusal, TOO_LONG);
  assertThrows(() => encode("x".repeat(MAX_MESSAGE + 1)), Refusal, TOO_LONG);
  assertThrows(() => encode("\ud800"), Refusal, NOT_UTF8);
  assertThrows(() => encode("\ud800", true), Refusal, NOT_UTF8);
  assertThrows(() => encode("", true), Refusal, "--raw");
  assertEquals(encode("x".repeat(MAX_MESSAGE)).length, MAX_MESSAGE + 1);
  assertEquals(encode(""), bytes("\n"));
  assertEquals(encode("a\nb", true), bytes("a\nb"));
});

Deno.test("printable leaves no control, escape or bidirectional character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", size: "large" }), (text) => {
      const harmless = printable(text);
      assert(!/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u.test(harmless));
    }),
  );
  assertEquals(printable("\x1b[31mrouge\x07\x9b\r\n"), "[31mrouge");
  assertEquals(printable("a\u202egnp.exe\u2066"), "agnp.exe");
  assertEquals(printable("a\tb"), "a b");
  assertEquals(printable("Déjà vu, 5 € 👩‍💻 — été"), "Déjà vu, 5 € 👩‍💻 — été");
});

/** Two ends of one TCP connection. */
async function pair() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [one, two] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
    listener.accept(),
  ]);
  return { one, two, [Symbol.dispose]: () => (one.close(), two.close()) };
}

Deno.test("write gets all the bytes out, where one conn.write takes a part", async () => {
  using ends = await pair();
  const data = new Uint8Array(20_000_000).map((_, i) => i % 251);
  const first = await ends.one.write(data);
  assert(first < data.length, "else this test proves nothing");
  const rest = write(ends.one, data.subarray(first))
    .then(() => ends.one.closeWrite());
  let received = 0;
  const buffer = new Uint8Array(1 << 20);
  for (let n; (n = await ends.two.read(buffer)) !== null;) {
    for (let i = 0; i < n; i++) {
      if (buffer[i] !== (received + i) % 251) throw new Error("out of order");
    }
    received += n;
  }
  await rest;
  assertEquals(received, data.length);
});

Deno.test("hangUp delivers its last word though bytes are left unread", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const server = await listener.accept();
  await write(client, new Uint8Array(100_000));
  const gone = hangUp(server, "Adieu");
  const reader = new MessageReader(client);
  assertEquals(await reader.read(), ["Adieu"]);
  assertEquals(await reader.read(), null, "an orderly end, and no reset");
  client.close();
  await gone;
});

Deno.test("hangUp closes in the end, whatever the peer does, and never throws", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  // A peer that neither reads nor leaves: the write can never finish.
  using client = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  const stuck = await listener.accept();
  const writing = write(stuck, new Uint8Array(20_000_000));
  await Promise.all([
    assertRejects(() => writing, Deno.errors.Interrupted),
    hangUp(stuck, "Adieu"),
  ]);
  // A connection that is closed already.
  const closed = await Deno.connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
  });
  closed.close();
  await hangUp(closed, "Adieu");
  (await listener.accept()).close();
  client.close();
});
