/**
 * Sequence diagrams as SVG, from Mermaid's language, in the page's own colours
 * (page.css). All are upright and as wide as a phone.
 *
 * @module
 */
import { escape } from "./code.ts";

const WIDTH = 360, LINE = 18, LETTER = 7.4; // The last is about a letter's width.

/** Text in rows that are not wider than so many units. */
function wrap(text: string, width: number): string[] {
  const rows = [""];
  for (const word of text.split(" ")) {
    const longer = `${rows.at(-1)} ${word}`.trim();
    if (longer.length * LETTER <= width) rows[rows.length - 1] = longer;
    else rows.push(word);
  }
  return rows.filter((row) => row);
}

/** Rows of text around `x`, the first one's middle at `y`. */
const label = (rows: string[], x: number, y: number) =>
  rows.map((row, i) =>
    `<text x="${x}" y="${y + i * LINE}">${escape(row)}</text>`
  ).join("");

const box = (x: number, y: number, w: number, h: number, kind = "") =>
  `<rect${kind && ` class="${kind}"`} x="${x - w / 2}" y="${y}" width="${w}" ` +
  `height="${h}" rx="3"/>`;

function unknown(line: string): never {
  throw new Error(`no diagram has the line "${line}"`);
}

/**
 * Draws a `sequenceDiagram`: participants, messages (`->>`, `-->>`, and `-x` for one
 * that is lost) and notes.
 *
 * @param id Unique in the page.
 * @param name What a screen reader says before the diagram's own words.
 * @throws {Error} If a line is none of these.
 */
export function draw(source: string, id: string, name: string): string {
  const [kind, ...rest] = source.trim().split("\n").map((line) => line.trim());
  if (kind !== "sequenceDiagram") unknown(kind);
  const { height, content, words } = sequence(rest);
  const marker = (what: string, at: number, path: string) =>
    `<marker id="${id}-${what}" class="${what}" viewBox="0 0 10 10" refX="${at}" ` +
    `refY="5" markerWidth="9" markerHeight="9" orient="auto">` +
    `<path d="${path}"/></marker>`;
  const label = escape(`${name} ${words.join("; ")}`);
  return `<svg role="img" aria-label="${label}" ` +
    `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"><defs>` +
    marker("head", 10, "M0 1 10 5 0 9z") +
    marker("lost", 5, "M1 1 9 9M9 1 1 9") +
    `</defs>${content.replaceAll("url(#", `url(#${id}-`)}</svg>`;
}

function sequence(source: string[]) {
  const names = new Map<string, string>(), words: string[] = [];
  for (const line of source) {
    const [, id, text] = line.match(/^participant (\w+)(?: as (.+))?$/) ?? [];
    if (id) names.set(id, text ?? id);
  }
  const step = WIDTH / names.size;
  const lane = (id: string) => {
    const at = [...names.keys()].indexOf(id);
    return at < 0 ? unknown(id) : (at + 0.5) * step;
  };
  const titles = [...names.values()].map((text) => wrap(text, step - 20));
  const head = Math.max(...titles.map((rows) => rows.length)) * LINE + 12;
  let y = head + 10, content = "";
  for (const line of source) {
    const [, from, how, to, text] =
      line.match(/^(\w+)(--?>>|--?x)(\w+): (.+)$/) ?? [];
    const [, over, last, note] =
      line.match(/^Note over (\w+)(?:, ?(\w+))?: (.+)$/) ?? [];
    if (from) {
      const [a, b] = [lane(from), lane(to)], lost = how.endsWith("x");
      const rows = wrap(text, Math.abs(b - a) - 6);
      content += label(rows, (a + b) / 2, y + 10);
      y += rows.length * LINE + 8;
      const end = lost ? (a + b) / 2 : b + Math.sign(a - b) * 2;
      const dotted = how.startsWith("--") ? "dotted" : "";
      content += `<path class="message ${dotted}" d="M${a} ${y}H${end}" ` +
        `marker-end="url(#${lost ? "lost" : "head"})"/>`;
      words.push(`${names.get(from)} → ${names.get(to)}: ${text}`);
      y += 10;
    } else if (over) {
      const [a, b] = [lane(over), lane(last ?? over)];
      const room = Math.min(step - 8, 170) + Math.abs(b - a);
      const rows = wrap(note, room - 14), h = rows.length * LINE + 8;
      content += box((a + b) / 2, y, room, h, "remark") +
        label(rows, (a + b) / 2, y + 13);
      words.push(`${names.get(over)}: ${note}`);
      y += h + 8;
    } else if (!/^participant /.test(line)) unknown(line);
  }
  const lanes = [...names.keys()].map((id, i) => {
    const x = lane(id);
    return `<path class="lane" d="M${x} ${head}V${y}"/>` +
      box(x, 1, step - 12, head - 2) +
      label(titles[i], x, (head - (titles[i].length - 1) * LINE) / 2);
  });
  return { height: y + 2, content: lanes.join("") + content, words };
}
