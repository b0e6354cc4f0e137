/**
 * The results as tables on a terminal.
 *
 * @module
 */
import { bold, cyan, dim, yellow } from "@std/fmt/colors";
import type { Report } from "./report.ts";
import type { Result } from "./rounds.ts";

/** A column: its title, the number in it, and how many digits it has. */
type Column = [title: string, name: string, digits: number];

const CPU: Column = ["CPU µs", "cpu_us", 2];
const RATE: Column = ["per s", "rate_per_s", 0];
const BUSY: Column = ["busy", "busy", 2];
const LOAD: Column = ["load's", "generator_busy", 2];
const TIMES: Column[] = [["p50 µs", "p50_us", 0], ["p99 µs", "p99_us", 0]];
const WORST: Column = ["max µs", "max_us", 0];

/** What each measurement shows; the first column is drawn as bars. */
const VIEWS: Record<string, { title: string; columns: Column[] }> = {
  "lock-step": {
    title: "Lock-step: a message, its answer, the next. CPU per message",
    columns: [CPU, RATE, ...TIMES, BUSY, LOAD],
  },
  pipelined: {
    title: "Pipelined: blocks of 500 messages. CPU per message",
    columns: [["CPU µs", "cpu_us", 3], RATE, ...TIMES, BUSY, LOAD],
  },
  burst: {
    title: "Burst: two lines, two writes, until both answers are there",
    columns: [...TIMES, WORST],
  },
  greedy: {
    title:
      "Greed: how long 10 polite clients wait, alone or beside a greedy one",
    columns: [...TIMES, WORST, RATE],
  },
  memory: {
    title: "Memory: growth for each idle client",
    columns: [["KiB", "kib_per_client", 2], ["before", "before_kib", 0]],
  },
  "start-up": { title: "Start-up", columns: [["ms", "ms", 0]] },
  threads: {
    title: "Threads that serve (the generator needs cores as well)",
    columns: [RATE, ["CPU µs", "cpu_us", 3], BUSY, LOAD],
  },
  computing: {
    title: "Threads that compute",
    columns: [["ms", "ms", 0], ["speed-up", "speed_up", 2]],
  },
  web: {
    title: "Web server: files over HTTP. CPU per request",
    columns: [["CPU µs", "cpu_us", 0], RATE, ["MB/s", "mb_per_s", 0], ...TIMES]
      .concat([BUSY, LOAD]) as Column[],
  },
};

const BAR = 16, EIGHTHS = " ▏▎▍▌▋▊▉";

/** A bar as long as that share of the longest. */
function bar(share: number): string {
  const eighths = Math.max(1, Math.round(share * BAR * 8));
  const whole = "█".repeat(Math.floor(eighths / 8));
  return (whole + (eighths % 8 ? EIGHTHS[eighths % 8] : "")).padEnd(BAR);
}

const figure = (value: number | undefined, digits: number) =>
  value === undefined || !Number.isFinite(value)
    ? "–"
    : value.toLocaleString("en", {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });

/** The lines of one case: its titles, and one line for each server. */
function table(results: Result[], columns: Column[]): string[] {
  const [, first] = columns[0];
  const values = results.map(({ median }) => median[first])
    .filter((value) => Number.isFinite(value));
  const longest = Math.max(...values);
  const cells = (result: Result) => {
    const texts = columns.map(([, key, digits]) =>
      figure(result.median[key], digits)
    );
    if (first === "cpu_us") texts.splice(1, 0, figure(result.ratio.cpu_us, 2));
    return texts;
  };
  const titles = columns.map(([title]) => title);
  if (first === "cpu_us") titles.splice(1, 0, "× limit");
  const rows = [titles, ...results.map(cells)];
  const widths = titles.map((_, i) =>
    2 + Math.max(6, ...rows.map((row) => row[i].length))
  );
  const align = (row: string[]) =>
    row.map((cell, i) => cell.padStart(widths[i])).join("");
  const name = Math.max(20, ...results.map(({ server }) => server.length));
  const lines = [dim(" ".repeat(name + BAR + 3) + align(titles))];
  results.forEach((result, i) => {
    const { server, median, limited, error } = result;
    const start = `  ${server.padEnd(name)} `;
    if (first in median) {
      const share = median[first] / longest;
      const drawn = cyan(bar(Number.isFinite(share) ? share : 0));
      // What is about waiting is no rate that anything could limit.
      const mark = limited && columns.includes(BUSY) ? yellow(" *") : "";
      lines.push(start + drawn + align(rows[i + 1]) + mark);
    }
    if (error !== undefined) lines.push(start + yellow(`failed: ${error}`));
  });
  return lines;
}

/** The whole report as text. */
export function render(report: Report): string {
  const { machine, options, generator, results } = report, lines: string[] = [];
  const versions = Object.entries(report.versions);
  lines.push(
    `${machine.model}, ${machine.cores} cores, ${machine.kernel}`,
    versions.map(([name, version]) => `${name} ${version}`).join(", "),
    `Load: ${generator}; medians of ${options.rounds} rounds of ` +
      `${options.seconds} s, interleaved.`,
  );
  for (const missing of report.missing) {
    lines.push(yellow(`Missing: ${missing}`));
  }
  for (const [measurement, { title, columns }] of Object.entries(VIEWS)) {
    const mine = results.filter((one) => one.measurement === measurement);
    if (mine.length === 0) continue;
    lines.push("", bold(title));
    for (const [name, same] of Map.groupBy(mine, (one) => one.case)) {
      lines.push(` ${name}`, ...table(same, columns));
    }
  }
  lines.push("");
  if (results.some(({ median }) => "busy" in median)) {
    lines.push(
      "busy: the server's CPU seconds per second; load's: the generator's.",
    );
  }
  const rates = ["lock-step", "pipelined", "threads", "web"];
  if (results.some((one) => one.limited && rates.includes(one.measurement))) {
    lines.push(
      "* In some round the server was busy for less than 90 % of its time: the",
      "  generator, or the machine, was the limit, and the rate is a lower bound; the",
      "  CPU per message stands. (With one client in lock-step each waits for the",
      "  other: the rate is a round trip.)",
    );
  }
  if (results.some((one) => one.measurement === "web")) {
    lines.push(
      "Web: 1.00 is nginx, one process. All write a line of log for each request.",
      "http.server answers HTTP/1.0, a connection and a thread for each request; told",
      "to speak HTTP/1.1, it writes headers and body apart, and the second waits for",
      "the client to acknowledge the first (Nagle's algorithm, 40 ms).",
    );
  }
  return lines.join("\n");
}
