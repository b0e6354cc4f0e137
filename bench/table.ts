/**
 * A report on a terminal: first where this project is behind, then all of it.
 *
 * @module
 */
import { BALANCER, OURS, UNIT, VARIANTS } from "./peers.ts";
import type { Report, Row } from "./rounds.ts";

const LOAD = ["times", "cpu_us", "mean_ms", "slowest_ms"];
const FAIRNESS = ["least", "median", "most"];
const FILE = ["times", "cpu_us"];

/** What each measurement shows; of the first number, less is better. */
const VIEWS: Record<string, [title: string, numbers: string[]]> = {
  "lock-step": ["A message at a time, 64 clients", [...LOAD, ...FAIRNESS]],
  crowd: ["A message at a time, 1,000 clients", [...LOAD, ...FAIRNESS]],
  pipelined: ["500 messages at a time, 16 clients", LOAD],
  burst: ["Two lines in two writes", ["mean_ms", "slowest_ms"]],
  greedy: ["Ten clients beside a greedy one", ["slowest_ms", "mean_ms"]],
  memory: ["Memory of an idle client", ["kib"]],
  "start-up": ["Start-up", ["times", "ms"]],
  threads: ["Prime numbers, two threads beside one", ["speed_up"]],
  "1 KiB": ["Files of 1 KiB over HTTP", FILE],
  "100 KiB": ["Files of 100 KiB over HTTP", FILE],
  "10 MiB": ["Files of 10 MiB over HTTP", FILE],
};

/** Where this project needs more than another server, by more than 5 %. */
function behind(what: string, rows: Row[]): string[] {
  const [title, [key]] = VIEWS[what];
  const ours = rows.find(({ server }) => OURS.includes(server));
  if (ours === undefined) return [];
  const others = rows.filter(({ server, numbers }) =>
    numbers[key] < 0.95 * ours.numbers[key] &&
    server !== UNIT && server !== BALANCER && !(server in VARIANTS)
  );
  if (others.length === 0) return [];
  const told = [ours, ...others].map(({ server, numbers }) =>
    `${server} ${numbers[key]}`
  );
  return [`  ${title}, ${key}: ${told.join(", ")}`];
}

/** Prints a report. */
export function show({ rows, ...report }: Report): void {
  const groups = Map.groupBy(rows, ({ what }) => what);
  console.log(report.machine);
  console.log(Object.entries(report.versions).flat().join(" "));
  console.log(`Medians of ${report.rounds} rounds of ${report.seconds} s;`);
  console.log("times: a multiple of what the first server in the table needs.");
  console.log("Where this project is behind (beside C, which all are behind):");
  const lines = [...groups].flatMap(([what, rows]) => behind(what, rows));
  console.log(lines.join("\n") || "  nowhere");
  for (const [what, rows] of groups) {
    const [title, columns] = VIEWS[what];
    console.log(`\n${title}`);
    const pairs = rows.map(({ server, numbers }) => [server, numbers]);
    console.table(Object.fromEntries(pairs), columns);
  }
  for (const { what, server, error } of rows) {
    if (error !== undefined) {
      console.log(`Failed: ${what}, ${server}: ${error}`);
    }
  }
}
