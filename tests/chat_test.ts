/** The conversation of the chat: `chat` of p2p_server and of p2p_client, in this process. */
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { receive, write } from "../scripts/encoding.ts";
import { chat as chatOfClient } from "../scripts/p2p_client.ts";
import { chat as chatOfServer } from "../scripts/p2p_server.ts";
import { NOT_UTF8 } from "./any_bytes.ts";
import { bytes, pair, rest } from "./harness.ts";

const WELCOME = ["Vous êtes connecté au serveur, envoyez vos messages"];
const SIDES = [
  { name: "p2p_server", chat: chatOfServer, peer: "Client", welcome: WELCOME },
  { name: "p2p_client", chat: chatOfClient, peer: "Serveur", welcome: [] },
];
const NEVER = new AbortController().signal;
/** More than all the buffers on the way hold. */
const MUCH = Array<string>(400).fill("x".repeat(60_000));

/** What a peer hears until the other side ends its half. */
const hears = async (conn: Deno.TcpConn) =>
  (await Array.fromAsync(receive(conn))).flat();

/** A keyboard that a test types on, and a screen that it reads. */
function terminal(...typed: string[]) {
  let keyboard!: ReadableStreamDefaultController<string>;
  const lines = new ReadableStream<string>({
    start: (it) => void (keyboard = it),
  });
  const type = (line: string) => keyboard.enqueue(line);
  typed.forEach(type);
  const shown: string[] = [];
  const show = (text: string) => void shown.push(text);
  return { lines, shown, show, type, [Symbol.dispose]() {} };
}

for (const { name, chat, peer, welcome } of SIDES) {
  Deno.test(`chat of ${name} says a line at once, asks for keep-alive, and leaves the next line to the next one`, async () => {
    const screen = terminal();
    for (let client = 0; client < 2; client++) {
      using ends = await pair();
      const asked: string[] = [];
      ends.server.setNoDelay = (on) => void asked.push(`no delay: ${on}`);
      ends.server.setKeepAlive = (on) => void asked.push(`keep-alive: ${on}`);
      const over = chat(ends.server, screen, NEVER);
      assertEquals(asked, ["keep-alive: true", "no delay: true"]);
      await ends.client.closeWrite();
      assertEquals(await hears(ends.client), [...welcome, "Au revoir"]);
      await over;
      assertThrows(() => ends.server.close(), Deno.errors.BadResource);
    }
    using ends = await pair();
    const over = chat(ends.server, screen, NEVER);
    const said = ["enfin", "", "finir", " fin "];
    for (const line of [...said, "jamais dit"]) screen.type(line);
    assertEquals(await hears(ends.client), [...welcome, ...said]);
    await ends.client.write(bytes("dernier mot"));
    await ends.client.closeWrite();
    await over;
    assertEquals(screen.shown, [`${peer} >> dernier mot`]);
  });

  Deno.test(`chat of ${name} in raw mode adds nothing to its lines`, async () => {
    using ends = await pair();
    const over = chat(ends.server, terminal("un", "FIN"), NEVER, true);
    assertEquals(await rest(ends.client), [...welcome, "un", "FIN"].join(""));
    await over;
  });

  Deno.test(`chat of ${name} shows together what one read brings, up to a FIN in any case, which ends it`, async () => {
    using ends = await pair();
    const screen = terminal();
    const over = chat(ends.server, screen, NEVER);
    await ends.client.write(bytes("un\n fin \njamais lu\n"));
    assertEquals(await hears(ends.client), [...welcome, "Au revoir"]);
    await ends.client.closeWrite();
    await over;
    assertEquals(screen.shown, [`${peer} >> un\n${peer} >>  fin `]);
  });

  Deno.test(`chat of ${name} tells its peer what it refuses, and loses it, within its limits`, async () => {
    using ends = await pair();
    const screen = terminal();
    const { setTimeout } = globalThis, limits = new Set<number>();
    Object.assign(globalThis, {
      setTimeout(work: () => void, ms: number) {
        limits.add(ms);
        return setTimeout(work, ms);
      },
    });
    const over = chat(ends.server, screen, NEVER)
      .catch((error) => screen.show(`${error}`));
    await ends.client.write(Uint8Array.of(0xff, 10));
    assertEquals(await hears(ends.client), [...welcome, NOT_UTF8]);
    await ends.client.closeWrite();
    await over;
    Object.assign(globalThis, { setTimeout });
    assertMatch(screen.shown.join(), /^(Client perdu : )?Refusal: /);
    assertEquals([...limits].sort(), [1000, 10_000, 3000]);
  });

  Deno.test(`chat of ${name} loses, at its limit, a peer that does not read`, async () => {
    using ends = await pair();
    const screen = terminal(...MUCH);
    // The end alone would take longer than a test may.
    await chat(ends.server, screen, NEVER, false, { line: 200, end: 1e6 })
      .catch((error) => screen.show(`${error}`));
    assertMatch(screen.shown.join("\n"), /^(Client perdu : )?Interrupted: .*$/);
  });

  Deno.test(`chat of ${name} loses a peer whose connection has gone before an option is set`, async () => {
    using ends = await pair();
    ends.server.setNoDelay = () => { // As on macOS.
      throw new TypeError("Invalid argument");
    };
    const screen = terminal(), limits = { line: 1e6, end: 0 };
    await chat(ends.server, screen, NEVER, false, limits)
      .catch((error) => screen.show(`${error}`));
    assertMatch(screen.shown.join("\n"), /^(Client perdu : )?TypeError: .*$/);
    assertThrows(() => ends.server.close(), Deno.errors.BadResource);
  });

  Deno.test(`chat of ${name}, when it is to end, leaves at its limit a peer that does not read`, async () => {
    using ends = await pair();
    const screen = terminal(...MUCH), stop = new AbortController();
    const limits = { line: 1e6, end: 200 };
    const over = chat(ends.server, screen, stop.signal, false, limits);
    setTimeout(() => stop.abort(), 100);
    await over;
    assertEquals(screen.shown, []);
  });

  Deno.test(`chat of ${name} says FIN, and ends its half, when it is to end before it begins`, async () => {
    using ends = await pair();
    const limits = { line: 1e6, end: 1e6 }, stop = AbortSignal.abort();
    const over = chat(ends.server, terminal(), stop, false, limits);
    assertEquals(await hears(ends.client), [...welcome, "FIN"]);
    ends.client.close();
    await over;
  });

  Deno.test(`chat of ${name} loses neither side's last word when both say FIN and more at once`, async () => {
    using ends = await pair();
    const screen = terminal("FIN");
    // Had it not been read, a reset would follow, and destroy the last word.
    const much = "FIN\n" + "jamais lu\n".repeat(10_000);
    const saying = write(ends.client, bytes(much));
    const over = chat(ends.server, screen, NEVER);
    assertEquals(await hears(ends.client), [...welcome, "FIN"]);
    await saying;
    await ends.client.closeWrite();
    await over;
    assertEquals(screen.shown, [`${peer} >> FIN`]);
  });
}
