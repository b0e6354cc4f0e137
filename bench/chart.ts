/**
 * The chart of the guide: CPU time per message as a multiple of the unit's, on one
 * logarithmic scale, in the colours of its pages (page.css), light and dark.
 *
 * @module
 */
import { type Language, LANGUAGES } from "./guide.ts";
import { OURS, ROOT } from "./peers.ts";
import type { Report } from "./rounds.ts";

const TEXT = {
  en: {
    "lock-step": "one message at a time, 64 clients",
    crowd: "one message at a time, 1,000 clients",
    pipelined: "500 messages at a time, 16 clients",
  },
  fr: {
    "lock-step": "un message à la fois, 64 clients",
    crowd: "un message à la fois, 1 000 clients",
    pipelined: "500 messages à la fois, 16 clients",
  },
};

/** The mark of each measurement: its outline, around 0,0. */
const MARKS = {
  "lock-step": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
  crowd: "M0 -6L6 5H-6z",
  pipelined: "M-4.5 -4.5H4.5V4.5H-4.5z",
};

// In units of the picture: read on a telephone of 360, a text of 15 is one of 12.
const WIDTH = 460, ROW = 20, FROM = 164, TO = 440;

const STYLE = `
text { font: 15px system-ui, sans-serif; fill: #23201c; }
.ours { font-weight: 600; }
.number { fill: #67625a; text-anchor: middle; }
.line { stroke: #e2ddd3; }
.lock-step { fill: #0b6269; }
.crowd { fill: #b4532a; }
.pipelined { fill: #67625a; }
@media (prefers-color-scheme: dark) {
  text { fill: #dedbd4; }
  .line { stroke: #33373c; }
  .lock-step { fill: #74c8c6; }
  .crowd { fill: #e59a74; }
  .number, .pipelined { fill: #a09b92; }
}
`;

/** Draws the chart of a report. */
export function chart({ rows }: Report, language: Language): string {
  const text = TEXT[language];
  const kinds = ["lock-step", "crowd", "pipelined"] as const;
  const times = (what: string, server: string) =>
    rows.find((row) => row.what === what && row.server === server)
      ?.numbers.times;
  // The peers: those that were put under every load.
  const servers = rows.filter((row) => row.what === "pipelined")
    .map(({ server }) => server)
    .toSorted((a, b) =>
      (times("lock-step", a) ?? 0) - (times("lock-step", b) ?? 0)
    );
  const all = servers.flatMap((server) =>
    kinds.map((what) => times(what, server) ?? 1)
  );
  const least = Math.log(Math.min(1, ...all));
  const most = Math.log(Math.max(10, ...all));
  const place = (times: number) =>
    (FROM + (TO - FROM) * (Math.log(times) - least) / (most - least)).toFixed(
      1,
    );
  const mark = (what: keyof typeof MARKS, x: number | string, y: number) =>
    `<path class="${what}" d="${
      MARKS[what]
    }" transform="translate(${x} ${y})"/>`;
  const parts: string[] = [];
  let y = ROW;
  for (const what of kinds) {
    parts.push(mark(what, 8, y - 5));
    parts.push(`<text x="22" y="${y}">${text[what]}</text>`);
    y += ROW;
  }
  const top = y - 8;
  for (const server of servers) {
    y += ROW;
    const style = server === OURS ? ` class="ours"` : "";
    parts.push(`<text${style} y="${y}">${server}</text>`);
    parts.push(`<path class="line" d="M${FROM} ${y - 5}H${TO}"/>`);
    for (const what of kinds) {
      const value = times(what, server);
      if (value === undefined) continue;
      parts.push(mark(what, place(value), y - 5));
    }
  }
  const grid = [1, 2, 5, 10, 20, 50, 100].filter((times) =>
    Math.log(times) <= most
  ).map((times) =>
    `<path class="line" d="M${place(times)} ${top}V${y + 6}"/>` +
    `<text class="number" x="${place(times)}" y="${y + 24}">${times}</text>`
  );
  const size = `width="${1.1 * WIDTH}" height="${1.1 * (y + 32)}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${
      y + 32
    }" ` +
    `${size}>`,
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
