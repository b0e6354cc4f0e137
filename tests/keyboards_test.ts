/** What every script with a keyboard promises, at a terminal and at the end of a pipe. */
import { assert, assertEquals } from "@std/assert";
import { IN_TERMINAL, meet, preload, testWith, timers } from "./harness.ts";
import { all } from "./scripts.ts";
import { atTerminal } from "./tmux.ts";

/** JavaScript, to be preloaded, that changes each connection, which is in `conn`. */
const changing = (code: string) => `
  const change = (conn) => {
    ${code}
    return conn;
  };
  const { connect, listen } = Deno;
  Deno.connect = async (options) => change(await connect(options));
  Deno.listen = (options) => {
    const listener = listen(options), accept = listener.accept.bind(listener);
    listener.accept = async () => change(await accept());
    return listener;
  };`;
/** No write ends while the peer is silent. */
const STUCK = changing(
  "conn.write = () => conn.read(new Uint8Array(1)); // Until it is closed.",
);
/** No write ever ends, nor is anything closed in the end. */
const SILENT = `
  conn.write = () => new Promise(() => {});
  conn[Symbol.dispose] = () => {};`;
/** The line "deux" is not written until the input has ended. */
const HELD = `import { stdin } from "node:process";
  const ended = new Promise((resolve) => stdin.on("end", resolve));` +
  changing(`
    const write = conn.write.bind(conn);
    conn.write = async (bytes) => {
      if (new TextDecoder().decode(bytes) === "deux\\n") await ended;
      return await write(bytes);
    };`);

for (const { name, keyboard, tcp } of [...all("server"), ...all("client")]) {
  if (!keyboard) continue;
  const { last, interrupted } = keyboard;

  atTerminal(
    name,
    "keeps a half line of several rows, and its cursor, when lines come in",
    async (terminal, peer) => {
      const shown = (...messages: string[]) =>
        messages.map((text) => tcp!.shows(text).trim() + "\n").join("");
      const [, before, prompt] = await terminal.shows(/^([^]*\n)(.*>>)$/);
      // With its prompt, just two rows of 60 columns: the cursor is on the third.
      const line = "é123456789".repeat(12).slice(prompt.length + 1);
      const rows = (line: string) =>
        `${prompt} ${line}`.match(/.{1,60}/g)!.join("\n");
      await terminal.type(line);
      await terminal.shows(before + rows(line));
      await peer.say("un\ndeux\n");
      await terminal.shows(before + shown("un", "deux") + rows(line));
      await terminal.type("z");
      await terminal.press("Home");
      await peer.say("trois\n");
      await terminal.shows(
        before + shown("un", "deux", "trois") + rows(line + "z"),
      );
      await terminal.type("0");
      await terminal.press("Enter");
      await peer.hears(`0${line}z\n`);
      await terminal.shows(`\n${prompt}`);
    },
  );

  atTerminal(name, "goes on after Ctrl-Z and fg", async (terminal, peer) => {
    await terminal.type("abc");
    await terminal.shows(">> abc");
    await terminal.press("C-z");
    await terminal.shows(/Stopped[^]*\n\$$/);
    await terminal.type("fg");
    await terminal.press("Enter");
    await terminal.shows(">> abc");
    await terminal.type("def");
    await terminal.press("Enter");
    await peer.hears("abcdef\n");
  });

  atTerminal(
    name,
    "ends at Ctrl-C though lines wait that cannot be said",
    async (terminal) => {
      await terminal.paste("un\ndeux\ntrois\nquatre");
      await terminal.shows(/>> trois\n.*>> quatre$/);
      await terminal.press("C-c");
      assertEquals(await terminal.ended(), interrupted);
    },
    // It is not to give up the line before the key comes.
    preload(name, STUCK + timers("if (ms === 10_000) ms = 2 ** 31 - 1;")),
  );

  atTerminal(
    name,
    "says what is left at Ctrl-D, hears the last word, and ends",
    async (terminal, peer) => {
      await terminal.paste("un\n\x04");
      await peer.hears("un\n");
      await peer.say("Au revoir\n");
      await peer.ended();
      peer.socket.end();
      await terminal.shows(`\n${tcp!.shows("Au revoir").trim()}\n${last}$`);
      assertEquals(await terminal.ended(), 0);
    },
  );

  for (const lines of [[], ["un", "deux", "trois"]]) {
    Deno.test(`${name} says all of [${lines}], and ends, when its input has ended`, () =>
      meet(name, async (program, peer) => {
        await program.says(/[Cc]onnecté|ÉTABLIE/);
        await program.type(lines.join("\n"));
        await program.endInput();
        for (const line of lines) {
          await peer.hears(`${line}\n`);
          await peer.say("reçu\n");
        }
        await peer.ended();
        peer.socket.end();
        const { code, out, err } = await program.end();
        assertEquals([code, err], [0, ""]);
        assert(out.endsWith(last), out);
      }, preload(name, HELD)));
  }

  for (
    const [what, line] of [
      ["a keyboard", '"$@" | cat'],
      ["a screen", 'printf "un\\ndeux\\n" | "$@"'],
    ]
  ) {
    testWith(
      "python3",
      `${name} has no prompt where only ${what} is a terminal`,
      async () => {
        const shell = `${IN_TERMINAL} sh -c '${line}' sh "$@"`;
        await meet(name, async (program, peer) => {
          if (what === "a keyboard") await program.type("un\ndeux\n");
          for (const word of ["un", "deux"]) {
            await peer.hears(`${word}\n`);
            await peer.say(`${word} reçu\n`);
            await program.says(tcp!.shows(`${word} reçu`).trim());
          }
          assert(!program.out.includes("\x1b"), program.out);
        }, {
          // Its input has ended already: it has all the time for the end.
          ...preload(name, timers("if (ms === 3000) ms = 2 ** 31 - 1;")),
          shell,
        });
      },
    );
  }

  Deno.test(`${name} leaves in its pipe what it cannot say yet`, () =>
    meet(name, async (program, peer) => {
      let left = true;
      const typing = program.type("Bonjour\n".repeat(100_000))
        .then(() => left = false, () => {});
      // Meanwhile it could have read all of it, some 64 KiB a turn.
      for (let turn = 0; turn < 100; turn++) {
        await peer.say(`tour ${turn};\n`);
        await program.says(`tour ${turn};`);
      }
      assert(left, "all was taken");
      program.kill("SIGKILL");
      await typing;
    }, preload(name, changing(SILENT))));
}

for (const { name, keyboard, tcp } of all("client", "tcp")) {
  if (!keyboard) continue;
  const { shows, unanswered } = tcp!;
  const { last } = keyboard;

  Deno.test(`${name} ends at FIN, though there is more in its pipe, which stays open`, () =>
    meet(name, async (client, server) => {
      await client.type("FIN\n");
      await server.hears("FIN\n");
      await client.type("jamais dit\n");
      await server.say("un\n");
      await client.says(shows("un"));
      const heard = await server.end();
      assert(heard.endsWith("FIN\n"), heard);
      const { code, out } = await client.end();
      assertEquals([code, out.slice(-last.length)], [0, last]);
    }));

  Deno.test(`${name} ends when its keyboard cannot be read`, () =>
    meet(name, async (client, server) => {
      await server.ended();
      server.socket.end();
      const { code, out, err } = await client.end();
      assertEquals([code, err, out.slice(-last.length)], [0, "", last]);
    }, { shell: 'exec "$@" 0>/dev/null' })); // Which is open for writing only.

  atTerminal(
    name,
    "ends when the server leaves while a line is typed",
    async (terminal, server) => {
      await terminal.type("à moit");
      await terminal.shows(">> à moit");
      server.socket.end();
      const end = unanswered ? "UnexpectedEof: .*\n" : last;
      const [screen] = await terminal.shows(RegExp(`^[^]*\\n${end}\\$$`));
      assert(!screen.includes(">>"), screen);
      assertEquals(await terminal.ended(), unanswered);
    },
  );
}
