/** What each script of scripts.ts promises, whatever it does. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  copyOut,
  header,
  preload,
  Program,
  ROOT,
  run,
  SCRIPTS,
  serve,
  start,
} from "./harness.ts";
import { mutants } from "./mutants_list.ts";
import { all, scripts } from "./scripts.ts";

const FILES = ["encoding", ...SCRIPTS];
const source = (name: string) =>
  Deno.readTextFileSync(`${ROOT}scripts/${name}.ts`);

Deno.test("each script is entered in scripts.ts, and has a test file of its own", () => {
  const entered = "scripts.ts has an entry for each file of scripts/";
  assertEquals(Object.keys(scripts).sort(), SCRIPTS, entered);
  for (const name of FILES) Deno.statSync(`${ROOT}tests/${name}_test.ts`);
});

Deno.test("each script is as short as the design says", () => {
  const long = FILES.flatMap((name) => {
    const lines = source(name).split("\n").length - 1;
    const most = name === "encoding" ? 110 : scripts[name]?.lines;
    return lines > most ? [`${name}.ts: ${lines} lines, not ${most}`] : [];
  });
  assertEquals(long, []);
});

Deno.test("each script is documented as deno doc --lint wants it", async () => {
  const paths = FILES.map((name) => `scripts/${name}.ts`);
  await using lint = new Program(Deno.execPath(), ["doc", "--lint", ...paths]);
  const { code, err } = await lint.end();
  assertEquals(code, 0, err);
});

Deno.test("each mutant's text is in its script, just once", () => {
  for (const { script, name, from } of mutants) {
    const parts = source(script).split(from);
    assertEquals(parts.length, 2, `${script}: ${name}`);
  }
});

/** Their ports, where it is not the course's 50000. */
const PORTS: Record<string, number> = { web_server: 8088, relay: 50001 };

/** One line, without a stack trace, that has a word in it. */
function assertLine(err: string, word: string): void {
  assertMatch(err, /^\S.*\n$/);
  assert(err.includes(word), `${word}: ${err}`);
}

for (const [name, script] of Object.entries(scripts)) {
  Deno.test(`${name} imports @std in deno.json's words, and encoding.ts at most`, () => {
    const { imports } = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json"));
    const seen = new Set<string>();
    for (const [, from] of source(name).matchAll(/ from "(.*)";$/gm)) {
      assert(!seen.has(from), `${from} is imported twice`);
      seen.add(from);
      const std = from.match(/^(jsr:(@std\/\w+)@[^/]+)\//);
      if (std) assertEquals(std[1], imports[std[2]]);
      else assert(/^node:|^\.\/encoding\.ts$/.test(from), from);
    }
  });

  Deno.test(`${name} is entered with its keyboard, if it reads one`, () => {
    const reads = source(name).includes("node:readline");
    assertEquals("keyboard" in script, reads, "keyboard, in scripts.ts");
  });

  // What is preloaded has no command of its own; trace_test.ts runs the one it has.
  if (script.kind === "preload") continue;

  // Away from deno.json, which has --unstable-net for all.
  const copy = () => copyOut(`scripts/${name}.ts`, "scripts/encoding.ts");

  const port = { server: ["--port", "0"], client: ["--port", "1"], demo: [] };

  Deno.test(`${name} begins with its documentation, and with one command to run it`, () => {
    const text = source(name), { flags, path } = header(name);
    assertEquals([path, flags], [`scripts/${name}.ts`, script.flags]);
    const [shebang, open, ...rest] = text.split("\n");
    assertEquals(shebang, ["#!/usr/bin/env -S deno run", ...flags].join(" "));
    assertEquals(open, "/**");
    const length = rest.indexOf(" */");
    assertEquals(
      rest[length - 1],
      ` * @run deno run ${[...flags, path].join(" ")}`,
    );
    assertEquals(text.match(/@run |--allow-(?!net\b|read\b)/g)?.length, 1);
    const { mode } = Deno.statSync(ROOT + path);
    assert(mode === null || mode & 0o111, "its shebang runs it: chmod +x");
  });

  Deno.test(`${name} looks at the date to show it, and never to wait`, () => {
    const code = source(name).replace(/\/\*[^]*?\*\/|\/\/.*$/gm, "");
    const date = /\b(Date|Temporal|timeOrigin|hrtime)\b(?!\(\)\.toLocale)/;
    assertEquals(code.match(date), null);
  });

  Deno.test(`${name} --help says in one line what its options are`, async () => {
    const options = { flags: ["--no-prompt"] };
    const { code, out, err } = await run(name, ["--help"], options);
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /^\S.*\n$/);
    if (source(name).includes('"_"]')) assertMatch(out, /\[MESSAGE\]/);
    const parsed = source(name).matchAll(/^ +(?:boolean|string): \[(.*)\],/gm);
    for (const [, list] of parsed) {
      for (const option of list.match(/[a-z]+/g)!) {
        assertMatch(`${out}--help`, RegExp(`--${option}\\b`));
      }
    }
  });

  Deno.test(`${name} says in one line what is wrong with its options`, async () => {
    const wrong = [["--prot", "--help"]];
    if (!source(name).includes('"_"]')) wrong.push(["50001", "50001"]);
    if (script.kind !== "demo") {
      wrong.push(["--port=70000", "port"], ["--port=abc", "port"]);
      wrong.push(["--host=nulle.part.invalid", "Error"]);
    }
    for (const [option, word] of wrong) {
      const { code, out, err } = await run(name, [option]);
      assertEquals([code, out], [1, ""], option);
      assertLine(err, word);
    }
  });

  if (script.kind !== "demo") {
    Deno.test(`${name} is on this machine alone, and on the course's port, unless it is told`, async () => {
      const flags = script.flags.map((flag) =>
        flag === "--allow-net" ? `${flag}=0.0.0.0:0` : flag
      );
      const options = { flags: ["--no-prompt", ...flags] };
      const { code, err } = await run(name, [], options);
      assertEquals(code, 1);
      // Deno says what is forbidden.
      assertLine(err, `"127.0.0.1:${PORTS[name] ?? 50000}"`);
    });
  }

  for (const flag of script.flags) {
    Deno.test(`${name} without ${flag} says so in one line`, async () => {
      await using folder = await copy();
      const rest = script.flags.filter((other) => other !== flag);
      const { code, out, err } = await run(name, port[script.kind], {
        flags: ["--no-prompt", ...rest],
        cwd: folder.path,
      });
      // Deno itself ends a program that shares a port without its flag, with 70.
      const shares = name === "multithread_server" && flag === "--unstable-net";
      assertEquals([code, out], [shares ? 70 : 1, ""]);
      assertLine(err, flag);
    });
  }

  Deno.test(`${name}, copied out with encoding.ts, runs by its header's command`, async () => {
    await using folder = await copy();
    const options = { cwd: folder.path };
    if (script.kind === "server") {
      await using server = await serve(name, script.args, options);
      assertMatch(server.out, script.first);
      const root = `(dossier ${Deno.realPathSync(folder.path)})`;
      if (name === "web_server") assert(server.out.includes(root), server.out);
      server.kill("SIGTERM");
      const { code, err } = await server.end();
      assertEquals([code, err], [0, ""]);
      return;
    }
    const partner = script.kind === "client" ? script.partner : undefined;
    await using server = partner
      ? await serve(partner, scripts[partner].args)
      : undefined;
    const input = script.kind === "client"
      ? script.tcp?.typed.join("")
      : undefined;
    const end = await run(name, server?.address, { ...options, input });
    assertEquals([end.code, end.err], [0, ""]);
    assertMatch(end.out, script.first);
  });
}

for (const { name, first } of all("demo")) {
  Deno.test(`${name} leaves SIGINT to the system, so that a shell sees it`, async () => {
    // It stays after its last line, or might have ended before the signal comes.
    const stay = `const { log } = console;
      console.log = (line) => {
        log(line);
        setTimeout(() => {}, 1e6);
      };`;
    await using demo = start(name, [], preload(name, stay));
    await demo.says(first);
    demo.kill("SIGINT");
    await demo.end();
    assertEquals([demo.signal, demo.err], ["SIGINT", ""]);
  });
}
