import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copyOut, PATIENCE, Program, ROOT, SCRIPTS } from "./harness.ts";
import { scripts } from "./scripts.ts";

/** A copy of the demo and the scripts, one of them with another text. */
async function copy(script: string, change: (source: string) => string) {
  const scripts = [...SCRIPTS, "encoding"].map((name) => `scripts/${name}.ts`);
  const folder = await copyOut("demo.ts", ...scripts);
  const path = `${folder.path}/scripts/${script}.ts`;
  await Deno.writeTextFile(path, change(await Deno.readTextFile(path)));
  // What deno.json says, with the links of the folder.
  const config = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const copied = `${folder.path}/deno.json`;
  const { links } = JSON.parse(await Deno.readTextFile(copied));
  await Deno.writeTextFile(copied, JSON.stringify({ ...config, links }));
  return folder;
}

Deno.test("the demo plays every script, with no key pressed, and ends with 0", async () => {
  await using demo = new Program(Deno.execPath(), ["task", "demo"]);
  const { code, out, err } = await demo.end(5 * PATIENCE); // It has ten scenes.
  assertEquals(code, 0, out + err);
  for (const script of SCRIPTS) {
    if (scripts[script].except?.["a scene in the demo"]) continue;
    assertStringIncludes(out, `${script}.ts`);
  }
  assertStringIncludes(out, "client A │ Message reçu");
  assertStringIncludes(out, "client   │ Serveur >> Cinq sur cinq.");
  assertStringIncludes(out, "serveur  │ Client >> tu me reçois ?");
  assertStringIncludes(out, "threads  │ Thread B : 2");
  assert(!out.includes("\x1b"), "colour is for terminals");
});

Deno.test("the demo ends with 1, and says who failed, when a script fails", async () => {
  await using folder = await copy(
    "udp_server",
    (source) => source.replace("je suis le serveur", "je suis un autre"),
  );
  const options = { cwd: folder.path };
  await using demo = new Program(Deno.execPath(), ["task", "demo"], options);
  const { code, err } = await demo.end();
  assertEquals(code, 1);
  assertStringIncludes(err, "✗ client");
});

// In place of a server: it keeps the demo waiting, and talks on.
const STALLING = `/**
 * @run deno run --allow-net scripts/udp_server.ts
 */
const { addr } = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(\`Serveur prêt, en attente de requêtes sur 127.0.0.1:\${addr.port}\`);
setInterval(() => console.log("…"), 10);
setTimeout(Deno.exit, 30_000);
`;

/** Waits until the demo's server is ready; returns what checks that it has gone. */
async function inTheMiddle(demo: Program): Promise<() => Promise<void>> {
  const [, port] = await demo.says(/serveur .*127\.0\.0\.1:(\d+)\n/);
  return async () => {
    // The system may take a moment to end it after the demo.
    const end = performance.now() + PATIENCE;
    while (performance.now() < end) {
      try {
        const hostname = "127.0.0.1";
        (await Deno.connect({ hostname, port: Number(port) })).close();
      } catch {
        return;
      }
    }
    throw new Error("The demo's server is still there");
  };
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`the demo takes its servers along when ${signal} ends it`, async () => {
    await using folder = await copy("udp_server", () => STALLING);
    const options = { cwd: folder.path };
    await using demo = new Program(Deno.execPath(), ["task", "demo"], options);
    const assertGone = await inTheMiddle(demo);
    demo.kill(signal);
    assertEquals((await demo.end()).code, status);
    await assertGone();
  });
}

Deno.test("the demo takes its servers along when a line cannot be shown", async () => {
  await using folder = await copy("udp_server", () => STALLING);
  const full = `const { log } = console;
  console.log = (line) => {
    log(line);
    if (!line.includes("Serveur prêt")) return;
    console.log = () => { throw new Error("disque plein"); };
  };`;
  const preload = `data:application/javascript,${encodeURIComponent(full)}`;
  const args = ["run", "--preload", preload, "--allow-all", "demo.ts"];
  const options = { cwd: folder.path };
  await using demo = new Program(Deno.execPath(), args, options);
  const assertGone = await inTheMiddle(demo);
  const { code, err } = await demo.end();
  assertEquals([code, err], [1, "Error: disque plein\n"]);
  await assertGone();
});
