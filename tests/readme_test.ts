/** README.md says only what is so: each command and transcript is played here. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  copyOut,
  exchange,
  Program,
  ROOT,
  SCRIPTS,
  serve,
  start,
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
  const named = [...README.matchAll(/`deno task ([\w:]+)`/g)];
  assertEquals(named.length, 4);
  for (const [, task] of named) {
    assertEquals(typeof tasks[task]?.command, "string", task);
  }
});

Deno.test("README's six lines are a server, which answers as it says", async () => {
  const code = README.match(/^```ts\n(.*?)^```/ms)![1];
  assertEquals(code.trim().split("\n").length, 6);
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(
    path,
    code.replace("port: 50000 });", "port: 0 });\nconsole.log(listener.addr);"),
  );
  const args = ["run", "--allow-net", path];
  await using server = new Program(Deno.execPath(), args);
  const [, port] = await server.says(/port: (\d+)/);
  assertEquals(
    await exchange(Number(port), "Bonjour\n"),
    "Bonjour, je suis le serveur\n",
  );
  await Deno.remove(path);
});

Deno.test("README shows the first server and its client as they are", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  const one = new Screen(command("server_simple"), server);
  await using client = start("client_simple", server.address);
  const two = new Screen(command("client_simple"), client);
  await two.sees("Connexion fermée");
  await one.sees("Connexion fermée");
  assertEquals([one.shown(port), two.shown(port)], TRANSCRIPTS.slice(0, 2));
});

Deno.test("README's way to copy a script out works", async () => {
  // With the `links` that README tells of, for machines that do not reach JSR.
  await using folder = await copyOut();
  const lines = TRANSCRIPTS[2].trim().split("\n");
  const commands = lines.slice(0, -1).map((line) => line.replace(/^\$ /, ""));
  const run = commands.pop()!;
  assertEquals([run, commands.pop()], [
    command("server_simple"),
    "cd ../copie",
  ]);
  const script = commands.join("\n").replaceAll("../copie", folder.path);
  await using shell = new Program("sh", ["-ec", script]);
  assertEquals((await shell.end()).code, 0);
  await using server = await serve("server_simple", [], { cwd: folder.path });
  const port = await server.port();
  assertStringIncludes(server.out.replace(`${port}`, "50000"), lines.at(-1)!);
});

Deno.test("README has no transcript that is not played here", () => {
  assertEquals(TRANSCRIPTS.length, 3);
});
