/** What holds for the collection as a whole. */
import { assertEquals } from "@std/assert";
import { Program, ROOT } from "./harness.ts";

// With JSR's own packages in the place of std/, each of these is an error as well.
Deno.test("std types what it re-exports, so that a misspelt name is an error", async () => {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".typo-" });
  const code = `
    import { parseArgs } from "@std/cli/parse-args";
    // @ts-expect-error a colour that there is not
    import { gren } from "@std/fmt/colors";
    // @ts-expect-error an assertion that there is not
    import { asert } from "@std/assert";
    // @ts-expect-error an option that there is not
    parseArgs([], { strnig: ["host"] });
    const { host, ...rest } = parseArgs([], { string: ["host"] });
    // @ts-expect-error a result that there is not
    rest.hots.length;
    host?.length;
    gren(asert);`;
  try {
    await Deno.writeTextFile(`${folder}/typo.ts`, code);
    const args = ["check", `${folder}/typo.ts`];
    await using check = new Program(Deno.execPath(), args);
    const { code: exit, err } = await check.end();
    assertEquals(exit, 0, err);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tests/README.md names tests that there are", async () => {
  const text = await Deno.readTextFile(ROOT + "tests/README.md");
  const files = ["tests", "tests/faults", "tests/long"].flatMap((folder) =>
    [...Deno.readDirSync(ROOT + folder)].map(({ name }) => name)
  );
  const named = new Set(text.match(/\b[a-z]\w*_test\b/g));
  const missing = [...named].filter((name) => !files.includes(`${name}.ts`));
  assertEquals(missing, []);
  for (const [, path] of text.matchAll(/\]\(([^)]+)\)/g)) {
    await Deno.stat(`${ROOT}tests/${path}`);
  }
});
