/**
 * The figures in the tables of the guide's page "How many clients?": those of the
 * last run that was saved.
 *
 * @module
 */
import { output } from "./measure.ts";
import { ROOT } from "./peers.ts";
import type { Report } from "./rounds.ts";

/** Where the last run that was saved is kept. */
export const RESULTS = `${ROOT}bench/results.json`;

/** The languages of the guide. */
export const LANGUAGES = ["en", "fr"] as const;
export type Language = typeof LANGUAGES[number];

/** The page of a language. */
export const page = (language: Language) =>
  `${ROOT}guide/${language}/12-clients.md`;

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
export function figure(
  value: number | undefined,
  key: string,
  language: Language,
): string {
  if (value === undefined) return "–";
  const write = (digits: number) =>
    value.toLocaleString(language, {
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).replace(/\u202f/g, "\u00a0");
  if (key === "times" || key === "speed_up") {
    const digits = [9.995, 99.95].filter((limit) => value < limit).length;
    return `× ${write(digits)}`;
  }
  if (key === "kib") return `${write(1)} ${language === "fr" ? "Kio" : "KiB"}`;
  if (key === "slowest_ms") return `${write(0)} ms`;
  return write(0);
}

/** A page's text with the figures of a report in its tables. */
export function fill(text: string, report: Report, language: Language): string {
  let place = -1;
  return text.replace(/^(?:\|.*\n)+/gm, (table) => {
    place++;
    const [header, dashes, ...rows] = table.trimEnd().split("\n");
    const filled = rows.map((row) => {
      const name = row.split("|")[1].trim();
      const server = name.replace(/[`*]/g, "");
      const cells = TABLES[place].map(([what, key]) => {
        const found = report.rows.find((row) =>
          row.what === what && row.server === server
        );
        return figure(found?.numbers[key], key, language);
      });
      return `| ${[name, ...cells].join(" | ")} |`;
    });
    return [header, dashes, ...filled, ""].join("\n");
  });
}

/** Keeps a report, and puts its figures into the guide's pages. */
export async function saveFigures(report: Report): Promise<void> {
  const rows = JSON.stringify(report).replaceAll('{"what"', '\n{"what"');
  await Deno.writeTextFile(RESULTS, rows + "\n");
  for (const language of LANGUAGES) {
    const file = page(language);
    const text = await Deno.readTextFile(file);
    await Deno.writeTextFile(file, fill(text, report, language));
    await output([Deno.execPath(), "fmt", "--quiet", file]);
  }
}
