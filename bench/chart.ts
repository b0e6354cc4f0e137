/**
 * The chart of the guide: CPU time per message as a multiple of the unit's, on one
 * logarithmic scale, in the colours of its pages (page.css), light and dark.
 *
 * @module
 */
import { figure, type Language, LANGUAGES } from "./guide.ts";
import { OURS, ROOT } from "./peers.ts";
import type { Report } from "./rounds.ts";

const TEXT = {
  en: {
    title: "CPU time per message, in multiples of the loop in C",
    "lock-step": "One message at a time, 64 clients",
    pipelined: "500 messages at a time, 16 clients",
  },
  fr: {
    title: "Temps de processeur par message, en multiples de la boucle en C",
    "lock-step": "Un message à la fois, 64 clients",
    pipelined: "500 messages à la fois, 16 clients",
  },
};

// In units of the picture: read on a telephone of 360, a text of 14 is one of 11.
const WIDTH = 460, ROW = 24, FROM = 168, TO = 410;

const STYLE = `
text { font: 14px system-ui, sans-serif; fill: #23201c; }
.group { font-weight: 600; }
.grid { stroke: #e2ddd3; }
.number { fill: #67625a; text-anchor: middle; }
rect { fill: #b5aea3; }
.ours { fill: #0b6269; }
@media (prefers-color-scheme: dark) {
  text { fill: #dedbd4; }
  .grid { stroke: #33373c; }
  .number { fill: #a09b92; }
  rect { fill: #6d6a66; }
  .ours { fill: #74c8c6; }
}
`;

/** Draws the chart of a report. */
export function chart({ rows }: Report, language: Language): string {
  const text = TEXT[language];
  const shown = rows.filter(({ what, numbers }) =>
    (what === "lock-step" || what === "pipelined") && numbers.times > 0
  );
  const most = Math.max(10, ...shown.map(({ numbers }) => numbers.times));
  const place = (times: number) =>
    FROM + (TO - FROM) * Math.log(Math.max(1, times)) / Math.log(most);
  const parts: string[] = [];
  const words: string[] = [];
  let y = 0;
  for (const what of ["lock-step", "pipelined"] as const) {
    y += ROW;
    parts.push(`<text class="group" x="0" y="${y}">${text[what]}</text>`);
    words.push(`${text[what]}:`);
    y += 8;
    const bars = shown.filter((row) => row.what === what)
      .toSorted((a, b) => a.numbers.times - b.numbers.times);
    for (const { server, numbers: { times } } of bars) {
      const end = Math.max(FROM + 2, place(times)); // The unit's can be seen too.
      const style = server === OURS ? ` class="ours"` : "";
      parts.push(
        `<text x="0" y="${y + 17}">${server}</text>`,
        `<rect${style} x="${FROM}" y="${y + 4}" width="${
          (end - FROM).toFixed(1)
        }" height="${ROW - 8}"/>`,
        `<text x="${(end + 6).toFixed(1)}" y="${y + 17}">${
          figure(times, "times", language)
        }</text>`,
      );
      words.push(`${server} ${figure(times, "times", language)};`);
      y += ROW;
    }
  }
  const grid = [1, 2, 5, 10, 20, 50, 100].filter((times) => times <= most)
    .map((times) => {
      const x = place(times).toFixed(1);
      return `<path class="grid" d="M${x} ${ROW + 8}V${y}"/>` +
        `<text class="number" x="${x}" y="${y + 18}">${times}</text>`;
    });
  const height = y + ROW;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" ` +
    `width="${1.4 * WIDTH}" height="${1.4 * height}" role="img" ` +
    `lang="${language}" aria-labelledby="title words">`,
    `<title id="title">${text.title}</title>`,
    `<desc id="words">${words.join(" ")}</desc>`,
    `<style>${STYLE}</style>`,
    ...grid,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

/** Writes the chart in each language. */
export async function saveCharts(report: Report): Promise<void> {
  for (const language of LANGUAGES) {
    const file = `${ROOT}guide/bench.${language}.svg`;
    await Deno.writeTextFile(file, chart(report, language));
  }
}
