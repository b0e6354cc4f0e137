import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copyCheckout } from "./checkout.ts";
import { listen, PATIENCE, Program, SCRIPTS } from "./harness.ts";
import { scripts } from "./scripts.ts";

Deno.test("the demo plays every script, with no key pressed, and ends with 0", async () => {
  await using demo = new Program(Deno.execPath(), ["task", "demo"]);
  const { code, out, err } = await demo.end(5 * PATIENCE);
  assertEquals(code, 0, out + err);
  const missing = SCRIPTS.filter((script) =>
    !scripts[script]?.except?.["a scene in the demo"] &&
    !out.includes(`${script}.ts`)
  );
  assertEquals(missing, [], "demo.ts has a scene for each script");
  assertStringIncludes(out, "client   │ Serveur >> Cinq sur cinq.");
  assert(!out.includes("\x1b"), "colour is for terminals");
});

for (
  const [words, others, problem] of [
    ["je suis le serveur", "je suis un autre", "✗ client n'a pas affiché"],
    ['"Serveur arrêté"', '"", Deno.exit(3)', "✗ serveur s'est terminé"],
  ]
) {
  Deno.test(`the demo ends with 1, and says who failed: ${problem}`, async () => {
    await using folder = await copyCheckout();
    const path = `${folder.path}/scripts/udp_server.ts`;
    const text = Deno.readTextFileSync(path).replace(words, others);
    Deno.writeTextFileSync(path, text);
    const options = { cwd: folder.path };
    await using demo = new Program(Deno.execPath(), ["task", "demo"], options);
    const { code, err } = await demo.end();
    assertEquals(code, 1);
    assertStringIncludes(err, problem);
  });
}

/** Plays the demo with a server that keeps it waiting; in the end, it has gone. */
async function stall(
  args: string[],
  play: (demo: Program) => Promise<void>,
): Promise<void> {
  await using listener = await listen();
  // It ends by itself when this test does.
  const stalling = `
const conn = await Deno.connect({ port: ${listener.address[1]} });
console.log("…");
await conn.read(new Uint8Array(1));`;
  await using folder = await copyCheckout();
  folder.put("udp_server", stalling);
  const options = { cwd: folder.path };
  await using demo = new Program(Deno.execPath(), args, options);
  const server = await listener.met;
  await play(demo);
  await server.ended();
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`the demo takes its servers along when ${signal} ends it`, () =>
    stall(["task", "demo"], async (demo) => {
      demo.kill(signal);
      assertEquals((await demo.end()).code, status);
    }));
}

Deno.test("the demo takes its servers along when a line cannot be shown", () => {
  const full = `const { log } = console;
  console.log = (line) => {
    if (line.includes("…")) throw new Error("disque plein");
    log(line);
  };`;
  const preload = `data:application/javascript,${encodeURIComponent(full)}`;
  const args = ["run", "--preload", preload, "--allow-all", "demo.ts"];
  return stall(args, async (demo) => {
    const { code, err } = await demo.end();
    assertEquals([code, err], [1, "Error: disque plein\n"]);
  });
});
