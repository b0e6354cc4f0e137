/** What holds for the collection as a whole. */
import { assertEquals } from "@std/assert";
import { Program, ROOT } from "./harness.ts";

// With JSR's own packages in the place of std/, each of these is an error as well.
Deno.test("std types what it re-exports, so that a misspelt name is an error", async () => {
  const folder = await Deno.makeTempDir({ dir: ROOT, prefix: ".typo-" });
  // Each directive below is an assertion: the check fails if its line has no error.
  const code = `
    import { parseArgs } from "@std/cli/parse-args";
    // @ts-expect-error std/fmt must refuse a colour that it does not export
    import { gren } from "@std/fmt/colors";
    // @ts-expect-error std/assert must refuse an assertion that it does not export
    import { asert } from "@std/assert";
    // @ts-expect-error std/cli must refuse an option that parseArgs does not know
    parseArgs([], { strnig: ["host"] });
    const { host, ...rest } = parseArgs([], { string: ["host"] });
    // @ts-expect-error std/cli must refuse a result that no option was asked for
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
