/** The Python programs of the guide, each with its partner in Deno, both ways. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import * as harness from "./harness.ts";
import { exchange, Peer, Program, ROOT, start, testWith } from "./harness.ts";
import { all } from "./scripts.ts";

/** Starts a Python program of the guide, as `start` does a script. */
const startPython: typeof start = (name, args = [], options) =>
  new Program("python3", [`guide/python/${name}.py`, ...args], options);

const pythonTest = (name: string, fn: () => Promise<void>) =>
  testWith("python3", name, fn);

const LANGUAGES = { Deno: start, Python: startPython };
type Language = keyof typeof LANGUAGES;

const serve = (language: Language, name: string, ...args: string[]) =>
  harness.serve(name, args, {}, LANGUAGES[language]);

const BOTH_WAYS: [server: Language, client: Language][] = [
  ["Deno", "Python"],
  ["Python", "Deno"],
];
for (const [one, other] of BOTH_WAYS) {
  for (const { name, partner, first, tcp } of all("client")) {
    pythonTest(`${partner} in ${one} answers ${name} in ${other}`, async () => {
      await using server = await serve(one, partner);
      await using client = LANGUAGES[other](name, server.address, {
        stdin: "piped",
      });
      if (tcp) await client.type(tcp.typed.join(""));
      const { code, out, err } = await client.end();
      assertEquals([code, err], [0, ""]);
      assertMatch(out, first);
      if (tcp) assertEquals(out.replace(first, ""), tcp.whole);
      await server.says(/\n.*bonjour.*\n/i);
      server.kill("SIGTERM");
      assertEquals((await server.end()).code, 0);
      assertMatch(server.out, /\nServeur arrêté\n$/);
      assertEquals(server.err, "");
    });
  }

  pythonTest(
    `p2p_server in ${one} and p2p_client in ${other} take no turns`,
    async () => {
      await using server = await serve(one, "p2p_server");
      await using client = LANGUAGES[other]("p2p_client", server.address, {
        stdin: "piped",
      });
      await client.says("Vous êtes connecté");
      await server.type("un\ndeux\n");
      await client.says("\nServeur >> un\nServeur >> deux\n");
      await client.type("trois\nété\n");
      await server.says("\nClient >> trois\nClient >> été\n");
      await server.type("fin\n");
      await client.end();
      assertMatch(client.out, /\nServeur >> fin\nCONNEXION INTERROMPUE\n$/);
      await server.says("\nClient >> Au revoir\nCONNEXION INTERROMPUE\n");
      server.kill("SIGINT");
      assertEquals((await server.end()).code, 0);
      assertEquals(client.err + server.err, "");
    },
  );
}

Deno.test("each script of the course has a Python program of at most 60 lines", () => {
  const names = (folder: string) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => name).sort();
  const programs = names("guide/python");
  const others = /^(encoding|trace|relay)\./;
  const scripts = names("scripts").filter((name) => !others.test(name));
  assertEquals(
    programs,
    scripts.map((name) => name.replace(/ts$/, "py")),
    "guide/python/ has a program for each script of the course",
  );
  for (const name of programs) {
    const text = Deno.readTextFileSync(`${ROOT}guide/python/${name}`);
    const lines = text.trimEnd().split("\n").length;
    assert(lines <= 60, `${name}: ${lines} lines`);
  }
});

/** Broken UTF-8, and a line of one byte too much. */
const REFUSED = ["ok\n\xff\n", "x".repeat(65_536) + "\n"];
for (const { name, tcp } of all("server", "tcp")) {
  pythonTest(`${name}.py survives a reset and refused lines`, async () => {
    await using server = await serve("Python", name);
    const port = await server.port();
    for (const text of REFUSED) {
      await using peer = await Peer.connect(port);
      await peer.say(Uint8Array.from(text, (c) => c.charCodeAt(0)));
      await peer.ended();
    }
    await using gone = await Peer.connect(port);
    await gone.say("mot");
    await gone.reset();
    await using slow = await Peer.connect(port);
    await slow.drip("é\u001b[31m\r\nFIN\n");
    await slow.end();
    await server.says(/é\[31m\n/);
    assertEquals(server.out.match(/x{65535}/), null);
    const messages = ["x".repeat(65_535), "fin"];
    assertEquals(
      await exchange(port, messages.join("\n")),
      tcp!.welcome + tcp!.answer(messages),
    );
  });
}

pythonTest(
  "p2p_client.py and p2p_server.py end well when both sides say FIN, and when the other one then stays",
  async () => {
    await using server = await serve("Python", "p2p_server");
    await using listener = await harness.listen();
    await using client = startPython("p2p_client", listener.address, {
      stdin: "piped",
    });
    const here = await Peer.connect(await server.port());
    const sides = [[client, await listener.met], [server, here]] as const;
    await here.hears(/Vous êtes connecté .*\n/);
    for (const [program, peer] of sides) {
      await program.type("FIN\n");
      await peer.hears(/FIN\n$/);
    }
    await here.say("FIN\n"); // The other one says nothing, and stays.
    await server.says("CONNEXION INTERROMPUE");
    const { code, out, err } = await client.end();
    assertEquals([code, err, server.err], [0, "", ""]);
    assertMatch(out, /\nCONNEXION INTERROMPUE\n$/);
    assertMatch(await here.ended(), /FIN\n$/);
  },
);

pythonTest("web_server.py shows its folder, and nothing hidden", async () => {
  const root = await Deno.makeTempDir();
  await Deno.writeTextFile(`${root}/index.html`, "page");
  await Deno.writeTextFile(`${root}/.env`, "secret");
  await Deno.mkdir(`${root}/vide`);
  await Deno.mkdir(`${root}/.well-known`);
  await Deno.writeTextFile(`${root}/.well-known/acme`, "acme");
  await Deno.symlink("/etc/passwd", `${root}/lien`);
  await using server = await serve("Python", "web_server", "--root", root);
  const port = await server.port();
  const ask = (path: string, host = `localhost:${port}`) =>
    exchange(port, `GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  for (const path of ["/.env", "/lien", "/vide/", "/../.env", "/%"]) {
    assertMatch(await ask(path), /^HTTP\/1.0 404 /, path);
  }
  assertMatch(await ask("/%00"), /^HTTP\/1.0 400 /);
  assertMatch(await ask("/", "evil.example"), /^HTTP\/1.0 421 /);
  assertMatch(await ask("/.well-known/acme"), /^HTTP\/1.0 200 .*\nacme$/s);
  const page = await ask("/");
  assertMatch(page, /^HTTP\/1.0 200 [^]*\r\n\r\npage$/);
  assertMatch(page, /\r\nCache-Control: no-cache\r\n/);
  server.kill();
  assertEquals((await server.end()).code, 0);
  await Deno.remove(root, { recursive: true });
});

const NOBODY = /^ConnectionRefusedError: .* : lancez d'abord le serveur\n$/;
const THREE = /^(?:Thread [AB] : [012]\n){6}Les deux threads ont fini\n$/;
const SAME = /threads : 1 .*25997 trouvés[^]*processus : 1 .*25997 trouvés/;
// What comes third begins last, or, on a busy machine, not much later than the first.
const DRAWN =
  /\n..C │ {30}.*\nAsync.*\n..A.*\n..B.*\n..C │ {0,9}█.*\nLes trois/;
const RUNS: [line: string, code: number, out: RegExp, err: RegExp][] = [
  ["async_demo", 0, DRAWN, /^$/],
  ["threads_demo", 0, THREE, /^$/],
  ["threads_demo --work", 0, SAME, /^$/],
  ["server_simple --port 70000", 1, /^$/, /^.*0-65535.*\n$/],
  ["udp_server --inconnu", 1, /^$/, /^.*--inconnu\n$/],
];
for (const { name } of all("client")) {
  RUNS.push([`${name} --port 1`, 1, /^$/, NOBODY]);
  // getaddrinfo would take 4464 for it.
  RUNS.push([`${name} --port 70000`, 1, /^$/, /^--port : 0 à 65535\n$/]);
}
for (const [line, code, out, err] of RUNS) {
  pythonTest(`${line} in Python ends as it should`, async () => {
    const [name, ...args] = line.split(" ");
    await using program = startPython(name, args);
    const end = await program.end();
    assertEquals(end.code, code);
    assertMatch(end.out, out);
    assertMatch(end.err, err);
  });
}
