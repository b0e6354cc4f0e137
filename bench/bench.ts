/**
 * The same work on this project and on its peers, side by side, on this machine.
 *
 * Rates swing with whatever else a machine does; the CPU time that a server spends on
 * a message holds still, so that is what is compared, as a multiple of what a loop in
 * C spends that does nothing but the protocol. The peers answer lines, and no more: no
 * FIN, no limits, no refusals. What this project's server does beyond, it pays for.
 *
 * Run it with `deno task bench`. (All permissions: Deno lets nobody with fewer read
 * /proc, where the CPU time of other processes is told.)
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { save } from "./guide.ts";
import { interruption } from "./measure.ts";
import { compile, findTools } from "./peers.ts";
import { MEASUREMENTS, type Report, type Row } from "./rounds.ts";
import { show } from "./table.ts";

const ALL = Object.keys(MEASUREMENTS).join(",");
const HELP = `Usage: deno task bench [--quick] [--only ${ALL}] [--save]
--quick: under a minute, to see that all works; its figures are rough
--save: what the guide shows, its charts and tables, from this run
Bun, if it is not on this machine, is fetched from npm.`;

async function measure(
  quick: boolean,
  names: string[],
  folder: string,
): Promise<Report> {
  console.error("Looking for compilers, languages and servers");
  const load = await compile("load.c", folder);
  const tools = await findTools(true);
  const size = quick
    ? { rounds: 1, seconds: 0.2, clients: 1000 }
    : { rounds: 5, seconds: 1, clients: 10_000 };
  const rows: Row[] = [];
  for (const name of names) {
    rows.push(...await MEASUREMENTS[name]({ tools, folder, load, ...size }));
  }
  const processors = await Deno.readTextFile("/proc/cpuinfo");
  const model = processors.match(/^model name\s*: (.*)$/m);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${model?.[1] ?? Deno.build.arch}, ` +
      `${navigator.hardwareConcurrency} cores, Linux ${Deno.osRelease()}`,
    versions: tools.versions,
    ...size,
    rows,
  };
}

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["help", "quick", "save"],
    string: ["only"],
    default: { only: ALL },
    unknown: (argument) => {
      throw new Error(`${argument}: unknown argument (see --help)`);
    },
  });
  if (args.help) return console.log(HELP);
  if (args.quick && args.save) throw new Error("--save: not of rough figures");
  const names = args.only.split(",");
  const unknown = names.find((name) => !(name in MEASUREMENTS));
  if (unknown !== undefined) {
    throw new Error(`--only ${unknown}: not of ${ALL}`);
  }
  if (Deno.build.os !== "linux") throw new Error("it reads Linux's /proc");
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const clean = () => {
    interruption.abort();
    Deno.removeSync(folder, { recursive: true });
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      clean();
      Deno.exit(130);
    });
  }
  try {
    const report = await measure(args.quick, names, folder);
    show(report);
    if (args.save) await save(report);
  } finally {
    clean();
  }
}

if (import.meta.main) {
  await main().catch((error) => {
    console.error(`The benchmark ended early: ${error.message}`);
    Deno.exit(1);
  });
  Deno.exit(0);
}
