/**
 * Mermaid diagrams as SVG, in the page's own colours.
 *
 * @module
 */
import { renderMermaidSVG } from "beautiful-mermaid";

/** How much larger than the library draws them diagrams stand in the page. */
const SCALE = 1.2;
/** Diagrams that are wider scroll on a phone; others shrink a little, and fit. */
const FITS = 340;

/**
 * Draws a diagram. Its colours are custom properties, which page.css sets.
 *
 * @param id Unique in the page: of the element that names the SVG.
 */
export function draw(source: string, id: string): string {
  const svg = renderMermaidSVG(source, { transparent: true })
    // Would load a font from elsewhere; and a page's policy forbids styles in it.
    .replace(/<style>.*?<\/style>\s*/gs, "")
    .replace(/ (?:style|data-[\w-]+)="[^"]*"/g, "")
    .replace(/ (?:rx="0"|ry="0"|font-weight="400")/g, "")
    .replace(/="([^"#]*)"/g, (_, value) => `="${short(value)}"`)
    // All diagrams have the same marker ids, which must be unique in the page.
    .replace(/id="|url\(#/g, (start) => `${start}${id}-`)
    .replace(/\n\s*/g, "");
  const [left, top, right, bottom] = bounds(svg);
  const width = right - left;
  return svg.replace(
    /<svg[^>]*>/,
    `<svg role="img" aria-labelledby="${id}" ` +
      (width > FITS ? `class="wide" ` : "") +
      `viewBox="${short(`${left} ${top} ${width} ${bottom - top}`)}" ` +
      `width="${Math.round(width * SCALE)}">`,
  );
}

/** Coordinates to a tenth, which nobody sees, and which halves their size. */
function short(value: string): string {
  if (!/^[\d\s.,MLHVCQAZe-]+$/i.test(value)) return value;
  return value.replace(
    /\d+\.\d+/g,
    (n) => `${Math.round(Number(n) * 10) / 10}`,
  );
}

/** What is drawn, without the margins, which differ between kinds of diagrams. */
function bounds(svg: string): [number, number, number, number] {
  const xs: number[] = [], ys: number[] = [];
  const shapes = svg.replace(/<defs>.*?<\/defs>/g, "")
    .matchAll(/<(rect|line|poly\w+|circle|ellipse|text) ([^>]*)>([^<]*)/g);
  for (const [, shape, attributes, text] of shapes) {
    const of = (name: string) =>
      Number(attributes.match(RegExp(`(?:^| )${name}="([^"]*)"`))?.[1] ?? 0);
    const around = (x: number, y: number, w: number, h: number) => {
      xs.push(x - w, x + w);
      ys.push(y - h, y + h);
    };
    if (shape === "rect") {
      const w = of("width") / 2, h = of("height") / 2;
      around(of("x") + w, of("y") + h, w, h);
    } else if (shape === "text") {
      // About half an em for a letter; most are centred, or inside a box.
      const size = of("font-size");
      if (attributes.includes("middle")) {
        around(of("x"), of("y"), text.length * size / 4, size / 2);
      }
    } else if (shape === "line") {
      xs.push(of("x1"), of("x2"));
      ys.push(of("y1"), of("y2"));
    } else if (shape.startsWith("poly")) {
      const points = attributes.match(/points="([^"]*)"/)![1].match(
        /[\d.-]+/g,
      )!;
      points.forEach((n, i) => (i % 2 ? ys : xs).push(Number(n)));
    } else {
      const r = of("r");
      around(of("cx"), of("cy"), r || of("rx"), r || of("ry"));
    }
  }
  const margin = 2; // Half of a thick line.
  return [
    Math.min(...xs) - margin,
    Math.min(...ys) - margin,
    Math.max(...xs) + margin,
    Math.max(...ys) + margin,
  ];
}
