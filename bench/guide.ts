/**
 * The figures and the chart of the guide's page "How many clients?": those of the last
 * run that was saved.
 *
 * @module
 */
import { chart, type Language, LANGUAGES } from "./chart.ts";
import { output } from "./measure.ts";
import { ROOT } from "./peers.ts";
import type { Report } from "./rounds.ts";

/** Where the last run that was saved is kept. */
export const RESULTS = `${ROOT}bench/results.json`;

/** The page of a language. */
export const page = (language: Language) =>
  `${ROOT}guide/${language}/12-clients.md`;

/** The chart of a language. */
export const picture = (language: Language) =>
  `${ROOT}guide/bench.${language}.svg`;

/**
 * What the columns of each table show, in the order of the page, after the first
 * one, which names the server: a measurement, and one of its numbers.
 */
const TABLES: [what: string, key: string][][] = [
  [
    ["lock-step", "times"],
    ["crowd", "times"],
    ["pipelined", "times"],
    ["greedy", "slowest_ms"],
    ["memory", "kib"],
  ],
  [
    ["crowd", "least"],
    ["crowd", "median"],
    ["crowd", "most"],
    ["crowd", "slowest_ms"],
    ["crowd", "times"],
  ],
];

/** A number as the guide writes it, with its unit. */
function figure(value: number, key: string, language: Language): string {
  const write = (digits: number) =>
    value.toLocaleString(language, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).replace(/\u202f/g, "\u00a0");
  if (key === "times") return `× ${write(value < 10 ? 2 : 1)}`;
  if (key === "kib") return `${write(1)} ${language === "fr" ? "Kio" : "KiB"}`;
  if (key === "slowest_ms") return `${write(0)} ms`;
  return write(0);
}

/** A page's text with the figures of a report in its tables. */
export function fill(text: string, report: Report, language: Language): string {
  const tables = TABLES.values();
  return text.replace(/^(?:\|.*\n)+/gm, (table) => {
    const columns = tables.next().value!;
    const [header, dashes, ...rows] = table.trimEnd().split("\n");
    const filled = rows.map((row) => {
      const name = row.split("|")[1].trim();
      const server = name.replace(/[`*]/g, "");
      const cells = columns.map(([what, key]) => {
        const value = report.rows.find((row) =>
          row.what === what && row.server === server
        )?.numbers[key];
        return value === undefined ? "–" : figure(value, key, language);
      });
      return `| ${[name, ...cells].join(" | ")} |`;
    });
    return [header, dashes, ...filled, ""].join("\n");
  });
}

/** Keeps a report, and puts its figures and its chart into the guide. */
export async function save(report: Report): Promise<void> {
  const rows = JSON.stringify(report).replaceAll('{"what"', '\n{"what"');
  await Deno.writeTextFile(RESULTS, rows + "\n");
  for (const language of LANGUAGES) {
    const file = page(language);
    const text = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, fill(text, report, language));
    await output([Deno.execPath(), "fmt", "--quiet", file]);
    await Deno.writeTextFile(picture(language), chart(report, language));
  }
}
