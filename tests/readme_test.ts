/** README.md says only what is so: each command and transcript is played here. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  copyOut,
  Program,
  ROOT,
  SCRIPTS,
  serve,
  start,
  testWith,
} from "./harness.ts";
import { command, Screen } from "./screen.ts";

const README = Deno.readTextFileSync(ROOT + "README.md");
const TRANSCRIPTS = [...README.matchAll(/^```console\n(.*?)^```/gms)]
  .map((match) => match[1]);

Deno.test("README's table has each script with its header's command", () => {
  const rows = [
    ...README.matchAll(/^\|.*\[(\w+)\.ts\]\((.*)\) *\| `(.*)` *\|$/gm),
  ];
  assertEquals(rows.map(([, script]) => script).sort(), SCRIPTS);
  for (const [, script, path, run] of rows) {
    assertEquals([path, run], [`scripts/${script}.ts`, command(script)]);
  }
});

Deno.test("README's links lead to files of the project", () => {
  for (const [, path] of README.matchAll(/\]\(([^):]+)\)/g)) {
    Deno.statSync(ROOT + path);
  }
});

Deno.test("README's commands are tasks of deno.json", () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json"));
  const named = [...README.matchAll(/^npx --yes deno@[0-9.]+ task (\w+)$/gm)]
    .map(([, task]) => task);
  assertEquals(named, ["demo", "test", "web", "soak", "bench"]);
  for (const task of named) assertEquals(typeof tasks[task].command, "string");
});

Deno.test("README shows the chat as it is, on both sides", async () => {
  const stdin = "piped";
  await using server = await serve("p2p_server", [], { stdin });
  const port = await server.port();
  const one = new Screen(command("p2p_server"), server);
  await one.sees("Serveur prêt");
  await using client = start("p2p_client", server.address, { stdin });
  const two = new Screen(command("p2p_client"), client);
  await two.sees("Vous êtes connecté");
  await one.sees("Client connecté");
  await two.types("Bonjour !", "Client >> ");
  await one.sees("Bonjour !");
  await one.types("Bonjour à toi.", "Serveur >> ");
  await two.sees("Bonjour à toi.");
  await two.types("FIN", "Client >> ");
  await two.sees("CONNEXION INTERROMPUE");
  await one.sees("Serveur prêt");
  assertEquals([one.shown(port), two.shown(port)], TRANSCRIPTS.slice(0, 2));
});

testWith("nc", "README shows the chat with nc as it is", async () => {
  await using server = await serve("p2p_server", [], { stdin: "piped" });
  const port = await server.port();
  await using nc = new Program("nc", ["127.0.0.1", `${port}`], {
    stdin: "piped",
  });
  const screen = new Screen("nc 127.0.0.1 50000", nc);
  await screen.sees("Vous êtes connecté");
  await screen.types("Bonjour de nc");
  await server.says("Bonjour de nc");
  await server.type("Bonjour à toi, nc.\n");
  await screen.sees("Bonjour à toi, nc.");
  await screen.types("FIN");
  await screen.sees("Au revoir");
  assertEquals(screen.shown(port), TRANSCRIPTS[2]);
});

Deno.test("README's way to copy a script out works", async () => {
  // With the `links` that README tells of, for machines that do not reach JSR.
  await using folder = await copyOut();
  const lines = TRANSCRIPTS[3].trim().split("\n");
  const commands = lines.slice(0, -1).map((line) => line.replace(/^\$ /, ""));
  const run = commands.pop()!;
  assertEquals([run, commands.pop()], [command("p2p_server"), "cd ../copie"]);
  const script = commands.join("\n").replaceAll("../copie", folder.path);
  await using shell = new Program("sh", ["-ec", script]);
  assertEquals((await shell.end()).code, 0);
  await using server = await serve("p2p_server", [], { cwd: folder.path });
  const port = await server.port();
  assertStringIncludes(server.out.replace(`${port}`, "50000"), lines.at(-1)!);
});

Deno.test("README has no transcript that is not played here", () => {
  assertEquals(TRANSCRIPTS.length, 4);
});
