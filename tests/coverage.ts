/**
 * Shows which lines of scripts/ the quick tests run, in the programs that they start
 * too. For developers: `deno task coverage`.
 */
import { ROOT } from "./harness.ts";

const folder = await Deno.makeTempDir({ prefix: "coverage-" });

/** Runs Deno, whose output is shown, and returns its exit code. */
async function deno(...args: string[]): Promise<number> {
  // Code whose lines are counted takes its time.
  const env = { DENO_COVERAGE_DIR: folder, PATIENCE: "300000" };
  const options = { args, env, cwd: ROOT, stdin: "null" } as const;
  return (await new Deno.Command(Deno.execPath(), options).spawn().status).code;
}

const failed = await deno("task", "test");
// A program that was killed may have left half a file.
for (const { name } of Deno.readDirSync(folder)) {
  try {
    JSON.parse(Deno.readTextFileSync(`${folder}/${name}`));
  } catch {
    Deno.removeSync(`${folder}/${name}`);
  }
}
const scripts = new URL("../scripts/", import.meta.url);
const code = await deno("coverage", `--include=^${scripts}`, folder);
await Deno.remove(folder, { recursive: true });
Deno.exitCode = failed || code;
