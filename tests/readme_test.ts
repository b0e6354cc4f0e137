/** README.md says only what is so: each command and transcript is played here. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  copyOut,
  header,
  Program,
  ROOT,
  SCRIPTS,
  serve,
  start,
  testWith,
} from "./harness.ts";

const README = Deno.readTextFileSync(ROOT + "README.md");
const TRANSCRIPTS = [...README.matchAll(/^```console\n(.*?)^```/gms)]
  .map((match) => match[1]);

/** What a person sees of a program: what it says, and what they type. */
class Screen {
  text: string;
  #seen = 0;
  constructor(command: string, readonly program: Program) {
    this.text = `$ ${command}\n`;
  }

  /** Waits for all the lines up to this one. */
  async sees(last: string): Promise<void> {
    const end = await this.program.until(() => {
      const at = this.program.out.indexOf(last, this.#seen);
      return at < 0 ? undefined : this.program.out.indexOf("\n", at) + 1;
    }, last);
    this.text += this.program.out.slice(this.#seen, end);
    this.#seen = end;
  }

  async types(line: string, prompt = ""): Promise<void> {
    await this.program.type(line + "\n");
    this.text += `${prompt}${line}\n`;
  }

  /** The screen with the ports that README uses. */
  shown(port: number): string {
    return this.text.replaceAll(`:${port}`, ":50000")
      .replaceAll(/adresse 127\.0\.0\.1:\d+/g, "adresse 127.0.0.1:54321");
  }
}

const command = (script: string) =>
  ["deno", "run", ...header(script).flags, header(script).path].join(" ");

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

Deno.test("README's two commands are tasks of deno.json", () => {
  const [, sh] = README.match(/^```sh\n(.*?)^```/ms)!;
  const { tasks } = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json"));
  for (const [i, task] of ["demo", "test"].entries()) {
    const npx = RegExp(`^npx --yes deno@[0-9.]+ task ${task}$`);
    assertMatch(sh.split("\n")[i], npx);
    assertEquals(typeof tasks[task].command, "string");
  }
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
