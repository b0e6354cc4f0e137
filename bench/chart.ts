/**
 * The chart of the guide: CPU time per message as a multiple of the unit's, on one
 * logarithmic scale, in the colours of its pages (page.css), light and dark.
 *
 * @module
 */
import { OURS } from "./peers.ts";
import type { Report } from "./rounds.ts";

/** The languages of the guide. */
export const LANGUAGES = ["en", "fr"] as const;
export type Language = typeof LANGUAGES[number];

/** The measurements that it shows, in words. */
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

/** The mark of each measurement is drawn around 0,0. */
const HEAD = `<style>
text { font: 15px system-ui, sans-serif; fill: #23201c; }
.ours { font-weight: 600; }
.number { fill: #67625a; text-anchor: middle; }
.line { stroke: #e2ddd3; }
#lock-step { fill: #0b6269; }
#crowd { fill: #b4532a; }
#pipelined { fill: #67625a; }
@media (prefers-color-scheme: dark) {
  text { fill: #dedbd4; }
  .line { stroke: #33373c; }
  #lock-step { fill: #74c8c6; }
  #crowd { fill: #e59a74; }
  .number, #pipelined { fill: #a09b92; }
}
</style>
<defs>
<circle id="lock-step" r="5"/>
<path id="crowd" d="M0 -6L6 5H-6z"/>
<path id="pipelined" d="M-4.5 -4.5H4.5V4.5H-4.5z"/>
</defs>`;

// In units of the picture: read on a telephone of 360, a text of 15 is one of 12.
const WIDTH = 460, ROW = 20, FROM = 164, TO = 440;

/** Draws the chart of a report. */
export function chart({ rows }: Report, language: Language): string {
  const legend = Object.entries(TEXT[language]);
  const shown = rows.filter(({ what, numbers }) =>
    what in TEXT[language] && numbers.times !== undefined
  );
  const most = Math.max(...shown.map(({ numbers }) => numbers.times));
  const place = (times: number) =>
    Math.round(FROM + (TO - FROM) * Math.log(times) / Math.log(most));
  const parts: string[] = [];
  let y = 0;
  for (const [what, text] of legend) {
    y += ROW;
    parts.push(`<use href="#${what}" x="8" y="${y - 5}"/>`);
    parts.push(`<text x="22" y="${y}">${text}</text>`);
  }
  const top = y + 12;
  y += ROW;
  // The servers that were put under every load, the cheapest first.
  const servers = [...Map.groupBy(shown, ({ server }) => server)]
    .filter(([, rows]) => rows.length === legend.length)
    .toSorted(([, [a]], [, [b]]) => a.numbers.times - b.numbers.times);
  for (const [server, rows] of servers) {
    y += ROW;
    const style = OURS.includes(server) ? "ours" : "peer";
    parts.push(`<text class="${style}" y="${y}">${server}</text>`);
    parts.push(`<path class="line" d="M${FROM} ${y - 5}H${TO}"/>`);
    for (const { what, numbers } of rows) {
      const x = place(numbers.times);
      parts.push(`<use href="#${what}" x="${x}" y="${y - 5}"/>`);
    }
  }
  const grid = [1, 2, 5, 10, 20, 50, 100].filter((times) => times <= most);
  const lines = grid.map((times) => {
    const x = place(times);
    return `<path class="line" d="M${x} ${top}V${y + 6}"/>` +
      `<text class="number" x="${x}" y="${y + 24}">${times}</text>`;
  });
  const open = `<svg xmlns="http://www.w3.org/2000/svg" ` +
    `width="506" viewBox="0 0 ${WIDTH} ${y + 32}">`;
  return [open, HEAD, ...lines, ...parts, "</svg>\n"].join("\n");
}
