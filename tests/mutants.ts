/**
 * Takes each protection of the scripts away, in turn, and runs the tests that should
 * notice. A mutant that no test notices survives: then either a test is missing, or
 * the protection is not needed. For developers; `deno task mutants [WORD]` tries all,
 * or those whose name has the word in it.
 *
 * Each mutant is made in a copy of the project: the working tree is left alone.
 */
import { bold, dim, green, red } from "@std/fmt/colors";
import { Program } from "./harness.ts";
import { mutants } from "./mutants_list.ts";

/** Ends what the tests have started, and had no time to end (on Linux). */
function sweep(): void {
  if (Deno.build.os !== "linux") return;
  for (const { name } of Deno.readDirSync("/proc")) {
    try {
      const cwd = Deno.readLinkSync(`/proc/${name}/cwd`);
      if (cwd.startsWith(folder)) Deno.kill(Number(name), "SIGKILL");
    } catch { /* No process, or it has gone. */ }
  }
}

/** What `deno test` takes to run the tests of a script, in steps: the cheap ones first. */
function stepsOf(script: string): string[][] {
  const kinds = ["chat", "keyboards", "servers", "clients", "every_script"]
    .map((kind) => `tests/${kind}_test.ts`);
  // All scripts stand on encoding.ts: the simplest two will do.
  const filter = script === "encoding"
    ? "/(server|client)_simple/"
    : `/\\b${script}\\b/`;
  const others = [kinds, ["tests/faults"], ["tests/long/limits_test.ts"]];
  return [
    [`tests/${script}_test.ts`],
    ...others.map((files) => ["--filter", filter, ...files]),
  ];
}

/** What the tests of a step say that fail; nothing if all pass. */
async function failure(step: string[]): Promise<string> {
  const flags = ["--allow-all", "--no-check", "--parallel", "--fail-fast"];
  const sanitizers = ["--sanitize-ops", "--sanitize-resources"];
  await using tests = new Program(
    Deno.execPath(),
    ["test", "--quiet", ...flags, ...sanitizers, ...step],
    { cwd: folder, shell: 'DENO_JOBS=6 PATIENCE=20000 exec "$@"' },
  );
  // A mutant may hang for ever: that is noticed too.
  const { code, out } = await tests.end(300_000)
    .catch(() => ({ code: 1, out: `${tests.out}hangs` }));
  sweep();
  return code === 0 ? "" : out;
}

const word = Deno.args[0] ?? "";
const chosen = mutants.filter(({ script, name }) =>
  `${script}: ${name}`.includes(word)
);
if (chosen.length === 0) throw new Error(`No mutant has "${word}" in its name`);
const folder = await Deno.makeTempDir({ prefix: "mutant-" });
const passed = new Set<string>(); // The steps that pass as the scripts are.
let survivors = 0;
try {
  const parts = ["scripts", "std", "tests", "deno.json", "deno.lock"];
  await using copying = new Program("cp", ["-r", ...parts, folder]);
  await copying.end();
  for (const { script, name, from, to } of chosen) {
    const path = `${folder}/scripts/${script}.ts`;
    const text = await Deno.readTextFile(path);
    if (text.split(from).length !== 2) {
      throw new Error(`${script}: ${name}: its text is not there just once`);
    }
    let problem = "";
    for (const step of stepsOf(script)) {
      const before = passed.has(`${step}`) ? "" : await failure(step);
      if (before) throw new Error(`${script} fails as it is:\n${before}`);
      passed.add(`${step}`);
      await Deno.writeTextFile(path, text.replace(from, () => to));
      problem = await failure(step);
      await Deno.writeTextFile(path, text);
      if (problem) break;
    }
    if (!problem) survivors++;
    const verdict = problem ? green("noticed") : red("SURVIVED");
    console.log(`${verdict} ${bold(script)}: ${name}`);
    const [, test] = problem.match(/=> (.*) \.\.\. FAILED/) ?? [];
    if (test) console.log(dim(`        by: ${test}`));
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
console.log(`${chosen.length} mutants, ${survivors} survived`);
Deno.exitCode = survivors > 0 ? 1 : 0;
