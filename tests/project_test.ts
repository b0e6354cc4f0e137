/** What holds for the collection as a whole: headers, permissions, copies. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  copyOut,
  header,
  Program,
  ROOT,
  run,
  SCRIPTS,
  serve,
  start,
} from "./harness.ts";

/** The scripts that design.md names, and what they may need. */
const FLAGS: Record<string, string[]> = {
  async_demo: [],
  client_class: ["--allow-net"],
  client_simple: ["--allow-net"],
  multithread_client: ["--allow-net"],
  multithread_server: ["--unstable-net", "--allow-net", "--allow-read"],
  p2p_client: ["--allow-net"],
  p2p_server: ["--allow-net"],
  server_simple: ["--allow-net"],
  threads_demo: ["--allow-read"],
  udp_client: ["--unstable-net", "--allow-net"],
  udp_server: ["--unstable-net", "--allow-net"],
  web_server: ["--allow-net", "--allow-read"],
};

const isServer = (script: string) =>
  script.endsWith("_server") ||
  script.startsWith("server_");
/** The server that a client talks to. */
const PARTNER: Record<string, string> = {
  client_simple: "server_simple",
  client_class: "server_simple",
  p2p_client: "p2p_server",
  multithread_client: "multithread_server",
  udp_client: "udp_server",
};

const deno = (args: string[], cwd = ROOT) =>
  new Program(Deno.execPath(), args, { cwd });

Deno.test("the collection has the scripts that it promises", () => {
  assertEquals(SCRIPTS, Object.keys(FLAGS));
});

for (const script of SCRIPTS) {
  const { flags, path } = header(script);
  const source = Deno.readTextFileSync(ROOT + path);

  Deno.test(`${script} carries its permissions in its header, and nowhere else`, () => {
    assertEquals(path, `scripts/${script}.ts`);
    assertEquals(flags, FLAGS[script]);
    const [shebang, open] = source.split("\n");
    const run = ["deno", "run", ...flags].join(" ");
    assertEquals(shebang, `#!/usr/bin/env -S ${run}`);
    assertEquals(open, "/**");
    assertEquals(source.match(/@run /g)!.length, 1);
    const { mode } = Deno.statSync(ROOT + path);
    assert(mode === null || mode & 0o111, "it can be run by its shebang");
  });

  Deno.test(`${script} imports @std in deno.json's words, and encoding.ts at most`, () => {
    const { imports } = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json"));
    for (const [, from] of source.matchAll(/^import .* from "(.*)";$/gm)) {
      const std = from.match(/^(jsr:(@std\/\w+)@[^/]+)\//);
      if (std) assertEquals(std[1], imports[std[2]]);
      else assert(/^node:|^\.\/encoding\.ts$/.test(from), from);
    }
  });

  Deno.test(`${script} --help says how to use it`, async () => {
    const { code, out, err } = await run(script, ["--help"], { flags: [] });
    assertEquals([code, err], [0, ""]);
    assertMatch(out, RegExp(`^Usage : ${script}\\.ts .*\\n$`));
  });

  for (const flag of flags.filter((flag) => flag.startsWith("--allow-"))) {
    Deno.test(`${script} without ${flag} says so in one line`, async () => {
      const rest = flags.filter((other) => other !== flag);
      const args = isServer(script) ? ["--port", "0"] : [];
      const { code, out, err } = await run(script, args, { flags: rest });
      assertEquals([code, out], [1, ""]);
      assertMatch(err, RegExp(`^.*${flag}.*\\n$`));
    });
  }
}

const HELPER = "scripts/encoding.ts";

for (const script of SCRIPTS) {
  Deno.test(`${script}, copied out, runs by its header's command`, async () => {
    await using folder = await copyOut(`scripts/${script}.ts`, HELPER);
    const cwd = folder.path;
    if (isServer(script)) {
      await using server = await serve(script, [], { cwd });
      server.kill("SIGTERM");
      assertEquals((await server.end()).code, 0);
      return;
    }
    const partner = PARTNER[script];
    await using server = partner ? await serve(partner) : undefined;
    const { code, err } = await run(script, server?.address, { cwd });
    assertEquals([code, err], [0, ""]);
  });
}

for (const script of ["udp_server", "udp_client"]) {
  Deno.test(`${script} without --unstable-net says so in one line`, async () => {
    await using folder = await copyOut(`scripts/${script}.ts`, HELPER);
    const options = { cwd: folder.path, flags: ["--allow-net"] };
    const { code, out, err } = await run(script, [], options);
    assertEquals([code, out], [1, ""]);
    assertMatch(err, /^.*--unstable-net.*\n$/);
  });
}

for (const script of ["client_simple", "client_class", "p2p_client"]) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test(`${script} stops with 0 on ${signal}, while it waits`, async () => {
      // It accepts nobody, and yet the kernel completes the connection.
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      await using client = start(script, ["--port", `${listener.addr.port}`], {
        stdin: "piped",
      });
      await client.says(/Connecté|ETABLIE/);
      client.kill(signal);
      assertEquals((await client.end()).code, 0);
    });
  }
}

Deno.test("p2p_client has the conversation and the terminal of p2p_server, to the letter", () => {
  const [server, client] = ["p2p_server", "p2p_client"].map((script) =>
    Deno.readTextFileSync(`${ROOT}scripts/${script}.ts`)
      .match(/^const isFin.*?(?=^\/\*\* Talks to)/ms)![0]
  );
  assertEquals(client, server);
});

for (const [script, ...args] of [["async_demo"], ["threads_demo", "--work"]]) {
  Deno.test(`${script} stops with 0 on SIGTERM, before it is done`, async () => {
    await using demo = start(script, args);
    await demo.says("\n");
    demo.kill("SIGTERM");
    assertEquals((await demo.end()).code, 0);
  });
}

Deno.test("the collection is formatted, and free of lint and type errors", async () => {
  for (const args of [["fmt", "--check"], ["lint"], ["check"]]) {
    await using check = deno(args);
    const { code, out, err } = await check.end();
    assertEquals(code, 0, out + err);
  }
});

// With JSR's own packages in the place of std/, each of these is an error as well.
Deno.test("a misspelt option of @std is a type error", async () => {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".typo-" });
  const wrong = {
    "an option": `parseArgs([], { strnig: ["host"] });`,
    "a result":
      `const { hots } = parseArgs([], { string: ["host"] }); hots?.length;`,
    "a colour": `import { gren } from "@std/fmt/colors"; gren("");`,
    "an assertion": `import { asert } from "@std/assert"; asert(1);`,
  };
  try {
    for (
      const [what, line] of Object.entries({ "": "parseArgs([]);", ...wrong })
    ) {
      const code =
        `import { parseArgs } from "@std/cli/parse-args";\n${line}\n`;
      await Deno.writeTextFile(`${folder}/a.ts`, code);
      await using check = deno(["check", `${folder}/a.ts`]);
      const { code: exit, err } = await check.end();
      assertEquals(exit === 0, what === "", `${what}: ${err}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
