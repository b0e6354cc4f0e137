/** What only p2p_server does; chat_test.ts and keyboards_test.ts have the rest. */
import { assertEquals, assertMatch } from "@std/assert";
import { Peer, preload, run, serve, start, timers } from "./harness.ts";
import { atTerminal } from "./tmux.ts";

const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n";

Deno.test("p2p_server makes a second client wait its turn, and says when it is ready again", async () => {
  await using server = await serve("p2p_server");
  await using first = await Peer.connect(await server.port());
  await first.hears(WELCOME);
  await using second = await Peer.connect(await server.port());
  // It speaks before the first one does, and is heard after it.
  await second.say("deux\n");
  await first.say("un\nfin\n");
  await first.end();
  await second.hears(WELCOME);
  await server.says(
    /^(Serveur prêt.*\nClient connecté.*\n)Client >> un\nClient >> fin\nCONNEXION INTERROMPUE\n\1?Serveur prêt.*\nClient connecté.*\nClient >> deux\n$/,
  );
});

Deno.test("p2p_server keeps what its pipe has after a FIN for the client to come, and stops though something is left", async () => {
  await using server = await serve("p2p_server");
  await server.type("un\nFIN\ndeux\nFIN\njamais dit\n");
  for (const word of ["un", "deux"]) {
    await using client = await Peer.connect(await server.port());
    assertEquals(await client.ended(), `${WELCOME}${word}\nFIN\n`);
    client.socket.end();
  }
  await server.says(/(INTERROMPUE\nServeur prêt[^]*){2}$/);
  server.kill();
  assertEquals((await server.end()).code, 0);
});

Deno.test("p2p_server ends when its input, a pipe or a file, ends and nobody is there", async () => {
  const shell = 'file=$(mktemp); exec <"$file"; rm "$file"; exec "$@"';
  for (const options of [{ input: "" }, { shell }]) {
    const { code, out, err } = await run("p2p_server", ["--port=0"], options);
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /^Serveur prêt.*\nServeur arrêté\n$/);
  }
});

for (const from of ["</dev/null", "0>/dev/null"]) {
  Deno.test({
    name:
      `p2p_server only listens when it has no keyboard (${from}), and stops when it is told to`,
    ignore: Deno.build.os === "windows",
    async fn() {
      const shell = `exec "$@" ${from}`;
      await using server = start("p2p_server", ["--port", "0"], { shell });
      await using client = await Peer.connect(await server.port());
      await client.say("un");
      assertEquals(await client.end(), WELCOME + "Au revoir\n");
      await server.says(/Client >> un\nCONNEXION INTERROMPUE\nServeur prêt/);
      server.kill();
      const { code, err } = await server.end();
      assertEquals([code, err], [0, ""]);
    },
  });
}

atTerminal(
  "p2p_server",
  "says a line to nobody when nobody is there, and keeps half a line for the next client",
  async (terminal, first) => {
    const port = first.socket.remotePort!;
    await terminal.type("à moi");
    await first.end();
    await terminal.shows(/INTERROMPUE\nServeur prêt.*\nServeur >> à moi$/);
    await using second = await Peer.connect(port);
    await terminal.shows(/\nClient connecté.*\nServeur >> à moi$/);
    await terminal.type("tié");
    await terminal.press("Enter");
    await second.hears(WELCOME + "à moitié\n");
    await second.end();
    await terminal.shows(/INTERROMPUE\nServeur prêt.*\nServeur >>$/);
    await terminal.type("personne ?");
    await terminal.press("Enter");
    await terminal.shows(
      "\nstderr: Ligne perdue : personne n'est connecté\nServeur >>",
    );
  },
  preload(
    "p2p_server",
    'console.error = (line) => console.log("stderr: " + line);',
  ),
);

atTerminal(
  "p2p_server",
  "ends at once at a second Ctrl-C, though its client stays",
  async (terminal, client) => {
    await terminal.press("C-c");
    await client.hears(WELCOME + "FIN\n");
    await terminal.press("C-c");
    assertEquals(await terminal.ended(), 130);
  },
  // For the end, it has all the time of the world.
  preload("p2p_server", timers("if (ms === 3000) ms = 2 ** 31 - 1;")),
);
