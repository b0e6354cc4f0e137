/**
 * The chart of the guide: CPU per message relative to the limit, as an SVG that
 * follows light and dark by itself.
 *
 * Made from what `--json` printed, with the labels in one of the guide's languages:
 * `deno run bench/chart.ts --lang fr <bench.json >guide/bench.fr.svg`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { OURS } from "./peers.ts";
import type { Report } from "./report.ts";
import type { Result } from "./rounds.ts";

/** The languages of the guide. */
export type Language = "en" | "fr";

const TEXT = {
  en: {
    title: "CPU per message: less is better",
    unit: (limit: string) => `in multiples of the loop in ${limit}`,
    absolute: "in µs",
    "lock-step": "One message at a time, 64 clients",
    pipelined: "500 messages at a time, 16 clients",
    cores: "cores",
    names: {} as Record<string, string>,
  },
  fr: {
    title: "CPU par message : moins, c'est mieux",
    unit: (limit: string) => `en multiples de la boucle en ${limit}`,
    absolute: "en µs",
    "lock-step": "Un message à la fois, 64 clients",
    pipelined: "500 messages à la fois, 16 clients",
    cores: "cœurs",
    names: {
      "Deno, bare loop": "Deno, boucle nue",
      "Deno, by lines": "Deno, par lignes",
      "Deno, by streams": "Deno, par flux",
      "Python threads": "Python, threads",
    } as Record<string, string>,
  },
};

/** What is drawn: one group of bars for each. */
const GROUPS = [["lock-step", "64 clients"], [
  "pipelined",
  "16 clients",
]] as const;

// All in units of the picture, which is 400 wide: read on a telephone of 360, a text
// of 13 is still one of 12.
const WIDTH = 400, LEFT = 12, BARS = 152, LONGEST = 176, ROW = 24;

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.group { font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.ground { fill: #ffffff; }
.peer { fill: #8c959f; }
.ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .small { fill: #9198a1; }
  .ground { fill: #0d1117; }
  .peer { fill: #656c76; }
  .ours { fill: #4493f8; }
}
`;

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
};

/** Text for XML: at most so many characters, which is what there is room for. */
function words(text: string, most: number): string {
  const fits = text.length <= most ? text : text.slice(0, most - 1) + "…";
  return fits.replace(/[&<>]/g, (sign) => ENTITIES[sign]);
}

/** Draws the chart of a report. */
export function chart(report: Report, language: Language): string {
  const text = TEXT[language], { machine, versions, results } = report;
  const parts: string[] = [], told: string[] = [];
  let y = 0;
  const write = (what: string, step: number, style: string, most: number) => {
    y += step;
    const content = words(what, most);
    parts.push(`<text class="${style}" x="${LEFT}" y="${y}">${content}</text>`);
  };
  const digits = (value: number) =>
    value.toLocaleString(
      language,
      value < 9.95
        ? { minimumFractionDigits: 1, maximumFractionDigits: 1 }
        : { maximumFractionDigits: 0 },
    );
  const relative = results.some(({ ratio }) => "cpu_us" in ratio);
  const value = ({ ratio, median }: Result) =>
    relative ? ratio.cpu_us : median.cpu_us;
  write(text.title, 26, "title", 40);
  const unit = relative ? text.unit(report.limit!) : text.absolute;
  write(unit, 18, "small", 64);
  for (const [measurement, name] of GROUPS) {
    const rows = results.filter((one) =>
      one.measurement === measurement && one.case === name && value(one) > 0
    ).toSorted((a, b) => value(a) - value(b));
    if (rows.length === 0) continue;
    write(text[measurement], 32, "group", 48);
    told.push(`${text[measurement]}.`);
    const most = Math.max(...rows.map(value));
    const drawn: string[] = [];
    y += 6;
    for (const row of rows) {
      // A bar of one unit can still be seen beside one a hundred times as long.
      const long = Math.max(2, LONGEST * value(row) / most).toFixed(1);
      const style = row.server === OURS ? "ours" : "peer";
      const number = relative ? `× ${digits(value(row))}` : digits(value(row));
      const name = text.names[row.server] ?? row.server;
      parts.push(
        `<rect class="${style}" x="${BARS}" y="${y + 4}" width="${long}" ` +
          `height="${ROW - 8}" rx="2"/>`,
        `<text x="${LEFT}" y="${y + 17}">${words(name, 19)}</text>`,
        `<text x="${(BARS + 6 + Number(long)).toFixed(1)}" y="${y + 17}">` +
          `${words(number, 8)}</text>`,
      );
      drawn.push(`${name} ${number}`);
      y += ROW;
    }
    told.push(`${drawn.join(", ")}.`);
  }
  const names: Record<string, string> = {
    ...{ deno: "Deno", python3: "Python", node: "Node" },
  };
  const run = Object.entries(names).filter(([tool]) => versions[tool])
    .map(([tool, name]) => `${name} ${versions[tool]}`).join(", ");
  write(`${machine.model}, ${machine.cores} ${text.cores}`, 22, "small", 64);
  write(`${run} (${report.date.slice(0, 10)})`, 16, "small", 64);
  const height = y + 14;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `width="${2 * WIDTH}" height="${
      2 * height
    }" role="img" lang="${language}" ` +
    `aria-labelledby="title desc">`,
    `<title id="title">${words(`${text.title}, ${unit}`, 200)}</title>`,
    `<desc id="desc">${words(told.join(" "), 2000)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}" rx="6"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

if (import.meta.main) {
  const { lang } = parseArgs(Deno.args, { string: ["lang"] });
  const report = await new Response(Deno.stdin.readable).json();
  console.log(chart(report, lang === "fr" ? "fr" : "en").trimEnd());
}
