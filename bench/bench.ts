/**
 * The same work on this project and on its peers, side by side, on this machine.
 *
 * Rates swing with whatever else a machine does; the CPU time that a server spends on
 * a message holds still, so that is what is compared. The limit, 1.0, is a loop in C
 * that does nothing but the protocol. The load is not the bottleneck as long as the
 * server is busy all the time, which is measured, and marked where it is not so.
 *
 * Run it with `deno task bench`. (All permissions: Deno lets nobody with fewer read
 * /proc, where the CPU time of other processes is told.)
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { setColorEnabled } from "@std/fmt/colors";
import { chart } from "./chart.ts";
import { endAll, output } from "./measure.ts";
import {
  BARE,
  bareLoop,
  findTools,
  generator,
  LIMIT,
  linePeers,
  OURS,
  script,
  type Tool,
} from "./peers.ts";
import { machine, type Report } from "./report.ts";
import { measureComputing, measureMemory, measureStartUp } from "./rest.ts";
import { addRatios, type Case, type Context, measureLoads } from "./rounds.ts";
import { render } from "./table.ts";
import { measureWeb } from "./web.ts";

const ALL = [
  ...["lock-step", "pipelined", "burst", "greedy", "memory", "start-up"],
  ...["threads", "web"],
];
const HELP = "Usage: deno task bench [--quick] [--json] [--rounds N]" +
  " [--seconds S (of one round)] [--clients N (idle ones)]" +
  " [--chart FILE.svg [--lang en|fr]] [--help] [--only LIST of " +
  `${ALL.join(",")}]`;

const CASES: Record<string, Case[]> = {
  "lock-step": [1, 64, 1000].map((clients) => ({
    name: `${clients} client${clients > 1 ? "s" : ""}`,
    load: { clients },
  })),
  pipelined: [{ name: "16 clients", load: { clients: 16, lines: 500 } }],
  burst: [
    {
      name: "the client's Nagle off",
      load: { clients: 1, lines: 2, split: 1, nodelay: 1 },
    },
    {
      name: "the client's Nagle on, as it is unless told",
      load: { clients: 1, lines: 2, split: 1 },
    },
  ],
  greedy: [
    { name: "10 polite clients", load: { clients: 10 } },
    { name: "10 polite, 1 greedy", load: { clients: 10, greedy: 1 } },
  ],
};

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

function options() {
  const { help, json, ...args } = parseArgs(Deno.args, {
    boolean: ["help", "json", "quick"],
    string: ["only", "rounds", "seconds", "clients", "chart", "lang"],
    default: { only: ALL.join(","), lang: "en" },
    unknown: (arg) => exit(2, `"${arg}": unknown argument. ${HELP}`),
  });
  if (help) {
    console.log(HELP);
    Deno.exit(0);
  }
  const number = (name: string, text: string, least: number, most: number) => {
    const form = name === "seconds" ? /^\d+(\.\d+)?$/ : /^\d+$/;
    if (form.test(text) && +text >= least && +text <= most) return +text;
    exit(2, `--${name} "${text}": write a number from ${least} to ${most}`);
  };
  const only = args.only.split(",");
  const unknown = only.find((name) => !ALL.includes(name));
  if (unknown !== undefined) {
    exit(2, `--only "${unknown}": write one or more of ${ALL.join(",")}`);
  }
  if (args.lang !== "en" && args.lang !== "fr") {
    exit(2, `--lang "${args.lang}": write en or fr`);
  }
  if (args.chart === "") exit(2, "--chart: write the name of a file");
  const { quick, chart, lang } = args;
  const rounds = args.rounds ?? (quick ? "1" : "5");
  const seconds = args.seconds ?? (quick ? "0.2" : "1");
  const clients = args.clients ?? (quick ? "1000" : "2000");
  return {
    ...{ json, chart, lang: lang as "en" | "fr", quick, only },
    rounds: number("rounds", rounds, 1, 1000),
    seconds: number("seconds", seconds, 0.05, 600),
    clients: number("clients", clients, 1, 50_000),
  };
}

/** Does all that is asked for. */
async function measure(
  asked: ReturnType<typeof options>,
  folder: string,
): Promise<Report> {
  const { quick, only, rounds, seconds } = asked;
  const progress = (text: string) => console.error(text);
  const tools: Tool[] = ["cc", "python3", "node"];
  if (only.includes("web")) tools.push("nginx", "serve");
  progress("Looking for compilers, languages and servers");
  const found = await findTools(tools, folder);
  const peers = await linePeers(found, folder);
  const load = await generator(found, folder);
  const { missing } = found;
  // Each client is a descriptor on both sides, which have some more.
  const most = Number(await output(["sh", "-c", "ulimit -Hn"])) - 64;
  const clients = most > 0 ? Math.min(asked.clients, most) : asked.clients;
  if (clients < asked.clients && only.includes("memory")) {
    missing.push(`${asked.clients} clients: ulimit -n allows ${clients}`);
  }
  const context: Context = {
    ...{ folder, rounds, seconds, clients, quick, progress },
    generator: load.command,
  };
  const { "Python threads": threads } = peers;
  const naive = "Python, two writes";
  const steps: Record<string, () => Promise<Report["results"]>> = {
    "lock-step": () => {
      // It answers reads, not lines: so it can only be asked one at a time.
      const all = { ...peers, [BARE]: bareLoop() };
      return measureLoads(context, "lock-step", all, CASES["lock-step"]);
    },
    memory: () => measureMemory(context, peers),
    "start-up": () => measureStartUp(context, found, peers),
    threads: async () => {
      const server = (count: number) =>
        script(OURS, "--port", "0", "--quiet", "--threads", `${count}`);
      const counts = navigator.hardwareConcurrency > 1 ? [1, 2] : [1];
      const servers = Object.fromEntries(
        counts.map((count) => [`--threads ${count}`, server(count)]),
      );
      return [
        ...await measureLoads(context, "threads", servers, [
          ...CASES["lock-step"].slice(1, 2).map(({ name, load }) => ({
            name: `lock-step, ${name}`,
            load,
          })),
          { ...CASES.pipelined[0], name: "pipelined, 16 clients" },
        ]),
        ...await measureComputing(context, found),
      ];
    },
    web: () => measureWeb(context, found),
    burst: () =>
      measureLoads(context, "burst", {
        ...peers,
        // How the 40 ms of Nagle's algorithm and the delayed ACK come about.
        ...threads && { [naive]: [...threads, "--naive"] },
      }, CASES.burst),
  };
  const results: Report["results"] = [];
  for (const name of ALL.filter((name) => only.includes(name))) {
    const plain = () => measureLoads(context, name, peers, CASES[name]);
    try {
      results.push(...await (steps[name] ?? plain)());
    } catch (error) {
      missing.push(`${name}: not measured (${(error as Error).message})`);
    }
  }
  const limit = LIMIT in peers ? LIMIT : null;
  addRatios(results, (one) => one.measurement === "web" ? "nginx" : LIMIT);
  return {
    date: new Date().toISOString(),
    machine: machine(),
    ...{ versions: found.versions, missing },
    options: { quick, only, rounds, seconds, clients },
    ...{ generator: load.name, limit, results },
  };
}

async function main(): Promise<void> {
  const asked = options();
  if (Deno.build.os === "windows") {
    exit(1, "The benchmark needs sh: on Windows, run it in WSL");
  }
  const folder = await Deno.makeTempDir({ prefix: "bench-" });
  const clean = () => {
    endAll();
    try {
      Deno.removeSync(folder, { recursive: true });
    } catch { /* What is being ended may still write there. */ }
  };
  const stop = () => {
    clean();
    Deno.exit(130);
  };
  Deno.addSignalListener("SIGINT", stop);
  Deno.addSignalListener("SIGTERM", stop);
  try {
    const report = await measure(asked, folder);
    setColorEnabled(Deno.stdout.isTerminal() && !Deno.noColor);
    // First what took minutes to find out: a file may not be ours to write.
    console.log(asked.json ? JSON.stringify(report, null, 2) : render(report));
    if (asked.chart) {
      await Deno.writeTextFile(asked.chart, chart(report, asked.lang));
    }
    clean();
  } catch (error) {
    clean();
    exit(1, `The benchmark ended early: ${(error as Error).message}`);
  }
  Deno.exit(0);
}

if (import.meta.main) await main();
