/**
 * Makes the pictures of a run for README.md and the first page, from a real one:
 * `deno run --allow-all guide/run.picture.ts`.
 */
import type { Page } from "playwright-core";
import { launch } from "../tests/browser.ts";
import { startWeb } from "../tests/checkout.ts";
import { ROOT } from "../tests/harness.ts";

const TITLES = {
  en:
    "server_simple and client_simple, between them a network that is half a second late",
  fr:
    "server_simple et client_simple, entre eux un réseau qui a une demi-seconde de retard",
};

const STYLE = `
  svg { background: var(--ground); color: #23201c; font: 13px system-ui, sans-serif }
  svg { --ground: #f6f3ed; --muted: #67625a; --accent: #0b6269; --tint: #e4efee; --paper: #fdfcfa }
  @media (prefers-color-scheme: dark) {
    svg { color: #dedbd4 }
    svg { --ground: #1f2226; --muted: #a09b92; --accent: #74c8c6; --tint: #1d3335; --paper: #17191c }
  }
  text { fill: currentColor; dominant-baseline: central }
  .b { font-weight: 600; font-size: 16px }
  .code, .q { font-family: ui-monospace, monospace; font-weight: 600 }
  .q { font-weight: 400; font-size: 12px }
  .small, .q, .label { fill: var(--muted) }
  .label { text-anchor: middle; font-size: 12px }
  .label { stroke: var(--ground); stroke-width: 9px; paint-order: stroke }
  .lane { stroke: var(--muted) }
  .bytes, .end { fill: none; stroke: var(--accent); stroke-width: 1.5 }
  .end { stroke-dasharray: 3 4 }
  rect { fill: var(--paper); stroke: var(--muted) }
  .counted { fill: var(--tint); stroke: none }
  marker { fill: var(--accent) }
  circle { fill: currentColor }`;

/** The drawing that a page shows, as a picture that stands alone. */
function picture(page: Page, title: string): Promise<string> {
  return page.locator(".calls").evaluate((figure, [title, style]) => {
    const frame = figure.getBoundingClientRect();
    const place = (it: { getBoundingClientRect(): typeof frame }) => {
      const { x, y, width, height } = it.getBoundingClientRect();
      return { x: x - frame.x, y: y - frame.y, width, height };
    };
    const round = (number: number) => number.toFixed(1);
    const all = (selector: string) => [...figure.querySelectorAll(selector)];
    const boxes = all("li.by2, .counted code").map((it) => {
      const { x, y, width, height } = place(it);
      const kind = it.localName === "code" ? ` class="counted"` : ` rx="4"`;
      return `<rect${kind} x="${round(x)}" y="${round(y)}" ` +
        `width="${round(width)}" height="${round(height)}"/>`;
    });
    const escape = (text: string) =>
      text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
    const texts = all("b, small, code, q").flatMap((it) => {
      const range = figure.ownerDocument.createRange(); // The text, without its last space.
      range.setStart(it.firstChild, 0);
      range.setEnd(it.firstChild, it.firstChild.data.trimEnd().length);
      const { x, y, width, height } = place(range);
      if (width === 0) return []; // It is not shown.
      return `<text class="${it.localName}" x="${round(x)}" ` +
        `y="${round(y + height / 2)}" textLength="${round(width)}">` +
        `${escape(it.textContent.trim())}</text>`;
    });
    const svg = figure.querySelector("svg");
    const drawn = svg.innerHTML.replaceAll("<text", '<text class="label"');
    const top = round(place(svg).y);
    const [width, height] = [frame.width, frame.height].map(Math.ceil);
    return `<svg xmlns="http://www.w3.org/2000/svg" ` +
      `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `role="img" aria-label="${title}">\n<style>${style}\n</style>\n` +
      `<g transform="translate(0 ${top})">${drawn}</g>\n` +
      `${[...boxes, ...texts].join("\n")}\n</svg>\n`;
  }, [title, STYLE]);
}

if (import.meta.main) {
  await using web = await startWeb();
  const browser = await launch();
  const viewport = { width: 1440, height: 900 };
  const page = await browser.newPage({ viewport });
  await page.goto(web.address);
  await page.waitForURL("**/00-index.html");
  for (const lang of ["en", "fr"] as const) {
    await page.goto(web.address.replace(/#.*/, `${lang}/06-simple.html`));
    await page.locator("select").selectOption("late");
    await page.locator(".panel [name=run]:enabled").click();
    await page.locator(".calls li.by1", { hasText: "exit" }).waitFor();
    const text = await picture(page, TITLES[lang]);
    Deno.writeTextFileSync(`${ROOT}guide/run.${lang}.svg`, text);
  }
  await browser.close();
}
