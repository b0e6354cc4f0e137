import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copyOut, Program, ROOT, SCRIPTS } from "./harness.ts";

Deno.test("the demo plays every script, with no key pressed, and ends with 0", async () => {
  await using demo = new Program(Deno.execPath(), ["task", "demo"]);
  const { code, out } = await demo.end();
  assertEquals(code, 0, out);
  for (const script of SCRIPTS) assertStringIncludes(out, `${script}.ts`);
  assertStringIncludes(out, "client A │ Message reçu");
  assertStringIncludes(out, "client   │ Serveur >> Cinq sur cinq.");
  assertStringIncludes(out, "serveur  │ Client >> tu me reçois ?");
  assertStringIncludes(out, "threads  │ Thread B : 2");
  assert(!out.includes("\x1b"), "colour is for terminals");
});

Deno.test("the demo ends with 1, and says who failed, when a script fails", async () => {
  const scripts = [...SCRIPTS, "encoding"].map((name) => `scripts/${name}.ts`);
  await using folder = await copyOut("demo.ts", ...scripts);
  const broken = `${folder.path}/scripts/server_simple.ts`;
  const source = await Deno.readTextFile(broken);
  assertStringIncludes(source, "je suis le serveur");
  await Deno.writeTextFile(
    broken,
    source.replace("je suis le serveur", "je suis un autre"),
  );
  // What deno.json says, with the links of the folder.
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const copied = `${folder.path}/deno.json`;
  const { links } = JSON.parse(await Deno.readTextFile(copied));
  await Deno.writeTextFile(copied, JSON.stringify({ ...config, links }));
  await using demo = new Program(Deno.execPath(), ["task", "demo"], {
    cwd: folder.path,
  });
  const { code, err } = await demo.end();
  assertEquals(code, 1);
  assertStringIncludes(err, "✗ client");
});
