/**
 * What stands around a page's text.
 *
 * @module
 */
import type { Heading, Rendered } from "./render.ts";
import { type Language, LANGUAGES, OTHER, TEXTS } from "./texts.ts";

/** Nothing from elsewhere, and no code or style that is not in a file of the site. */
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; " +
  "img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'";

const head = (
  lang: Language,
  { title, description }: Rendered,
  script = "page.js",
) =>
  `<!DOCTYPE html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<meta name="description" content="${description}">
<link rel="stylesheet" href="page.css">
<link rel="icon" href="icon.svg">
<script src="${script}" defer></script>
`;

/** The whole page of one language. */
export function page(lang: Language, rendered: Rendered): string {
  const { title, headings, html } = rendered;
  const other = OTHER[lang], words = TEXTS[lang];
  return `${head(lang, rendered)}` +
    `<link rel="alternate" hreflang="${other}" href="${other}.html">
</head>
<body data-copy="${words.copy}" data-copied="${words.copied}" data-failed="${words.failed}">
<a class="skip" href="#text">${words.skip}</a>
<header>
<a class="title" href="#${headings[0].id}">${title}</a>
<a class="language" href="${other}.html" lang="${other}" hreflang="${other}">${
      TEXTS[other].name
    }</a>
<nav aria-label="${words.contents}">
<details><summary>${words.contents}</summary>
${contents(headings)}</details>
</nav>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> ${words.keys}</p>
</header>
<main id="text">
${html}</main>
<footer><p>${words.footer}</p></footer>
</body>
</html>
`;
}

/** Sections, and in each its subsections. */
function contents(headings: Heading[]): string {
  const link = ({ id, text, other }: Heading) =>
    `<a href="#${id}" data-other="${other}">${text}</a>`;
  const listed = headings.filter(({ level }) => level === 2 || level === 3);
  const items = listed.map((heading, i) => {
    if (heading.level === 3) return `<li>${link(heading)}</li>\n`;
    const opens = listed[i + 1]?.level === 3;
    return `<li>${link(heading)}${opens ? "<ol>\n" : "</li>\n"}`;
  });
  // A list of subsections ends before the next section, and at the very end.
  for (const [i, { level }] of listed.entries()) {
    if (level === 3 && listed[i + 1]?.level !== 3) items[i] += "</ol></li>\n";
  }
  return `<ol>\n${items.join("")}</ol>\n`;
}

/** The first page: it leads to the reader's language, or lets them choose. */
export function choice(pages: Map<Language, Rendered>): string {
  const [first] = LANGUAGES;
  const links = [...pages].map(([lang, { title, description }]) =>
    `<li lang="${lang}"><a href="${lang}.html" hreflang="${lang}">${title}</a>` +
    `<p>${description}</p></li>\n`
  );
  return `${head(first, pages.get(first)!, "choose.js")}</head>
<body class="choice">
<main>
<h1>${LANGUAGES.map((lang) => TEXTS[lang].name).join(" · ")}</h1>
<ul>
${links.join("")}</ul>
</main>
</body>
</html>
`;
}
