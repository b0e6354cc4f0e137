/**
 * A report on a terminal: first where this project is behind, then all of it.
 *
 * @module
 */
import { BALANCER, BARE, OURS, UNIT } from "./peers.ts";
import type { Report, Row } from "./rounds.ts";

/** A column: its title, the number in it, and how many digits it has. */
type Column = [title: string, key: string, digits: number];

const TIMES: Column = ["× C", "times", 2];
const CPU: Column = ["CPU µs", "cpu_us", 3];
const ANSWERS: Column[] = [
  ["least", "least", 0],
  ["median", "median", 0],
  ["most answers", "most", 0],
];
const SLOWEST: Column = ["slowest ms", "slowest_ms", 1];
const MIDDLE: Column = ["median ms", "middle_ms", 3];
const LOCK_STEP = [TIMES, CPU, ...ANSWERS, MIDDLE, SLOWEST];
const FILE: Column[] = [["× serveDir", "times", 2], CPU];

/** What each measurement shows; of the first column, less is better. */
const VIEWS: Record<string, [title: string, columns: Column[]]> = {
  "lock-step": ["A message at a time, 64 clients", LOCK_STEP],
  crowd: ["A message at a time, 1,000 clients", LOCK_STEP],
  pipelined: ["500 messages at a time, 16 clients", [TIMES, CPU]],
  burst: ["Two lines in two writes, until both are answered", [
    MIDDLE,
    SLOWEST,
  ]],
  greedy: ["Ten polite clients beside a greedy one", [SLOWEST, MIDDLE]],
  memory: ["Memory of an idle client", [["KiB", "kib", 1]]],
  "start-up": ["Start-up", [["× empty file", "times", 2], ["ms", "ms", 1]]],
  threads: ["Prime numbers", [["two threads × one", "speed_up", 2]]],
  "1 KiB": ["Files of 1 KiB over HTTP", FILE],
  "100 KiB": ["Files of 100 KiB over HTTP", FILE],
  "10 MiB": ["Files of 10 MiB over HTTP", FILE],
};

/** Where this project needs more than another server, by more than 5 %. */
function behind(what: string, rows: Row[]): string[] {
  const [title, [[unit, key, digits]]] = VIEWS[what];
  const ours = rows.find(({ server }) =>
    server === OURS || server === "web_server"
  );
  if (ours?.numbers[key] === undefined) return [];
  const peers = rows.filter(({ server, numbers }) =>
    numbers[key] < 0.95 * ours.numbers[key] &&
    ![UNIT, BARE, BALANCER].includes(server) && !/--|=/.test(server)
  );
  if (peers.length === 0) return [];
  const told = [ours, ...peers].map(({ server, numbers }) =>
    `${server} ${numbers[key].toFixed(digits)}`
  );
  return [`  ${title}, ${unit}: ${told.join(", ")}`];
}

/** Prints a report. */
export function show(report: Report): void {
  const groups = Map.groupBy(report.rows, ({ what }) => what);
  console.log(report.machine);
  console.log(Object.entries(report.versions).flat().join(" "));
  console.log(`Not on this machine: ${report.absent.join(", ") || "nothing"}`);
  console.log(`Medians of ${report.rounds} rounds of ${report.seconds} s.`);
  console.log("Where this project is behind (beside C, which all are behind):");
  const lines = [...groups].flatMap(([what, rows]) => behind(what, rows));
  console.log(lines.join("\n") || "  nowhere");
  for (const [what, rows] of groups) {
    const [title, columns] = VIEWS[what];
    const table: Record<string, Record<string, number | string>> = {};
    for (const { server, numbers, error } of rows) {
      const cells: Record<string, number | string> = {};
      for (const [title, key, digits] of columns) {
        if (key in numbers) cells[title] = Number(numbers[key].toFixed(digits));
      }
      if (error !== undefined) cells.failed = error;
      table[server] = cells;
    }
    console.log(`\n${title}`);
    console.table(table);
  }
}
