/** README.md says only what is so: its commands and transcripts are those of tests. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { FR, read, transcripts } from "./guide_text.ts";
import { copyOut, exchange, Program, ROOT, SCRIPTS, serve } from "./harness.ts";
import { command } from "./screen.ts";

const README = read("README.md");
const TRANSCRIPTS = transcripts(README);

Deno.test("README's table has each script with its header's command", () => {
  const rows = [
    ...README.matchAll(/^\|.*\[(\w+)\.ts\]\((.*)\) *\| `(.*)` *\|$/gm),
  ];
  assertEquals(
    rows.map(([, script]) => script).sort(),
    SCRIPTS,
    "README.md has a row for each file of scripts/",
  );
  for (const [, script, path, run] of rows) {
    assertEquals([path, run], [`scripts/${script}.ts`, command(script)]);
  }
});

Deno.test("README's links, and those for developers, lead to files of the project", () => {
  const folders = ["tests", "tests/faults", "tests/long"];
  const tests = folders.flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => name)
  );
  for (const path of ["README.md", "CONTRIBUTING.md", "tests/README.md"]) {
    const text = read(path);
    for (const [, link] of text.matchAll(/\]\(([^):]+)\)/g)) {
      Deno.statSync(ROOT + path.replace(/[^/]*$/, link));
    }
    for (const [name] of text.matchAll(/\b[a-z]\w*_test\b/g)) {
      assert(tests.includes(`${name}.ts`), name);
    }
  }
});

Deno.test("The tasks in README, CONTRIBUTING and the guide are those of deno.json", () => {
  const { tasks } = JSON.parse(read("deno.json"));
  for (const text of [README, read("CONTRIBUTING.md"), FR]) {
    const named = [...text.matchAll(/deno task ([\w:]+)/g)];
    assert(named.length > 0);
    for (const [, task] of named) assert(task in tasks, task);
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

Deno.test("README shows the first server and its client as the guide does", () => {
  // guide_test.ts plays these.
  const played = transcripts(read("guide/fr/06-simple.md"));
  assertEquals(TRANSCRIPTS.slice(0, 2), played);
  assertEquals(TRANSCRIPTS.length, 3, "the next test plays the third");
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
