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

/** What the tests of a script say that fail; nothing if all pass. */
async function failure(script: string): Promise<string> {
  const own = [`tests/${script}_test.ts`];
  const kinds = ["chat", "keyboards", "servers", "clients", "every_script"]
    .map((kind) => `tests/${kind}_test.ts`);
  // All scripts stand on encoding.ts: the simplest two will do.
  const filter = script === "encoding"
    ? "/(server|client)_simple/"
    : `/\\b${script}\\b/`;
  // The cheap ones first: most mutants end there.
  const rest = [["tests/faults"], ["tests/long/limits_test.ts"]];
  for (const files of [own, kinds, ...rest]) {
    const filters = files === own ? [] : ["--filter", filter];
    const flags = ["--allow-all", "--no-check", "--parallel", "--fail-fast"];
    const sanitizers = ["--sanitize-ops", "--sanitize-resources"];
    await using tests = new Program(
      Deno.execPath(),
      ["test", "--quiet", ...flags, ...sanitizers, ...filters, ...files],
      { cwd: folder, shell: 'DENO_JOBS=6 PATIENCE=20000 exec "$@"' },
    );
    // A mutant may hang for ever: that is noticed too.
    const { code, out } = await tests.end(300_000)
      .catch(() => ({ code: 1, out: `${tests.out}hangs` }));
    sweep();
    if (code !== 0) return out;
  }
  return "";
}

const word = Deno.args[0] ?? "";
const chosen = mutants.filter(({ script, name }) =>
  `${script}: ${name}`.includes(word)
);
if (chosen.length === 0) throw new Error(`No mutant has "${word}" in its name`);
const folder = await Deno.makeTempDir({ prefix: "mutant-" });
let survivors = 0;
try {
  const parts = ["scripts", "std", "tests", "deno.json", "deno.lock"];
  await using copying = new Program("cp", ["-r", ...parts, folder]);
  await copying.end();
  for (const script of new Set(chosen.map(({ script }) => script))) {
    const problem = await failure(script);
    if (problem) throw new Error(`${script} fails as it is:\n${problem}`);
  }
  for (const { script, name, from, to } of chosen) {
    const path = `${folder}/scripts/${script}.ts`;
    const text = await Deno.readTextFile(path);
    if (text.split(from).length !== 2) {
      throw new Error(`${script}: ${name}: its text is not there just once`);
    }
    await Deno.writeTextFile(path, text.replace(from, () => to));
    const problem = await failure(script);
    await Deno.writeTextFile(path, text);
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
