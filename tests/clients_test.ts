/** What every TCP client of scripts.ts promises, whatever its server does. */
import { assertEquals, assertMatch } from "@std/assert";
import { NOT_UTF8 } from "./any_bytes.ts";
import * as harness from "./harness.ts";
import { type Peer, Program, run, serve, start, testWith } from "./harness.ts";
import { all, scripts } from "./scripts.ts";

for (const script of all("client", "tcp")) {
  const { name, partner, first, keyboard } = script;
  const { typed, asks, shows, unanswered, whole, course } = script.tcp!;

  /** Starts it at a server of ours, which has heard its first message. */
  const meet = (play: (client: Program, server: Peer) => Promise<void>) =>
    harness.meet(name, async (client, server) => {
      await client.says(first);
      if (keyboard) await client.type(typed[0]);
      await server.hears(asks ?? typed[0]);
      await play(client, server);
    });

  Deno.test(`${name} talks to ${partner}`, async () => {
    await using server = await serve(partner, scripts[partner].args);
    const input = keyboard && typed.join("");
    const { code, out, err } = await run(name, server.address, { input });
    assertEquals([code, err], [0, ""]);
    assertEquals(out.replace(first, ""), whole);
  });

  Deno.test(`${name} says in one line that nobody listens, and what to do`, async () => {
    const { code, out, err } = await run(name, ["--port", "1"]);
    assertEquals([code, out], [1, ""]);
    assertMatch(err, /^ConnectionRefused: .* : lancez d'abord le serveur\n$/);
  });

  Deno.test(`${name} shows an answer that comes byte by byte, but for what commands a terminal`, () =>
    meet(async (client, server) => {
      await server.drip("\ufeffa\0 é 😀\ufffd\x1b[31mrouge\x07\u202e\r\n");
      await client.says(shows("\ufeffa é 😀\ufffd[31mrouge"));
    }));

  Deno.test(`${name} shows the first of two glued answers, and ends well`, () =>
    meet(async (client, server) => {
      await server.say("un\ndeux\n");
      await client.says(shows("un"));
      if (keyboard) {
        await client.type(typed[1]);
        await server.hears(typed[1]);
        await server.say("Au revoir\n");
      }
      server.socket.end();
      const { code, out, err } = await client.end();
      assertEquals([code, err], [0, ""]);
      assertEquals(out.match(/.*\n$/)![0], whole.match(/.*\n$/)![0]);
    }));

  Deno.test(`${name} refuses an answer that is not UTF-8`, () =>
    meet(async (client, server) => {
      await server.say(Uint8Array.of(0xff, 10));
      const { code, err } = await client.end();
      assertEquals([code, err], [1, `Refusal: ${NOT_UTF8}\n`]);
    }));

  Deno.test(`${name} says in one line that the server has reset the connection`, () =>
    meet(async (client, server) => {
      await server.reset();
      const { code, err } = await client.end();
      assertEquals(code, 1);
      assertMatch(err, /^ConnectionReset: [^:]*\n$/); // Without a hint.
    }));

  Deno.test(`${name} ends when the server ends without an answer`, () =>
    meet(async (client, server) => {
      server.socket.end();
      const { code, err } = await client.end();
      assertEquals(code, unanswered);
      assertMatch(err, unanswered ? /^UnexpectedEof: .*\n$/ : /^$/);
    }));

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test(`${name} leaves ${signal} to the system, so that a shell sees it`, () =>
      meet(async (client) => {
        client.kill(signal);
        await client.end();
        assertEquals([client.signal, client.err], [signal, ""]);
      }));
  }

  Deno.test(`${name} ends with 1 when it cannot print`, async () => {
    // It accepts nobody, and yet the kernel completes the connection.
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = ["--port", `${listener.addr.port}`];
    const shell = 'exec "$@" >/dev/full';
    const { code, err } = await run(name, address, { shell });
    assertEquals(code, 1);
    assertMatch(err, /^.*No space left.*\n$/);
  });

  testWith(
    "python3",
    `${name} --raw talks to the course's server`,
    async () => {
      const path = `tests/peers/${course.file}`;
      await using server = new Program("python3", [path, ...course.args], {
        stdin: "piped",
      });
      const [, port] = await server.says(/(\d+)\n/);
      const address = ["--raw", "--port", port];
      await using client = start(name, address, { stdin: "piped" });
      await client.says(first);
      if (course.greeting) await client.says(course.greeting);
      const [atClient = "", atServer = ""] = course.typed ?? [];
      // The course's server takes for one message what comes in one piece.
      for (const line of atClient.match(/.+\n/g) ?? []) {
        const before = server.out;
        await client.type(line);
        await server.until(() => server.out !== before, line);
      }
      await server.type(atServer);
      const { code, out, err } = await client.end();
      assertEquals([code, err], [0, ""]);
      assertMatch(out, course.scriptShows);
      await server.says(course.peerShows);
    },
  );
}
