/**
 * What stands around a page's text.
 *
 * @module
 */
import type { Course, Page } from "./render.ts";
import { type Language, LANGUAGES, OTHER, TEXTS } from "./texts.ts";

/** Nothing from elsewhere, and no code or style that is not in a file of the site. */
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; " +
  "img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; " +
  "form-action 'none'";

/** The name of the first page. */
const FIRST = "00-index";

function head(
  lang: Language,
  title: string,
  root: string,
  rest: string,
): string {
  return `<!DOCTYPE html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="stylesheet" href="${root}page.css">
<link rel="icon" href="${root}icon.svg">
${rest}</head>
`;
}

/** All that is around the text, which is `main`; `here` is the file's name. */
function frame(
  lang: Language,
  here: string,
  title: string,
  contents: string,
  main: string,
): string {
  const other = OTHER[lang], words = TEXTS[lang];
  const twin = `../${other}/${here}.html`;
  const data =
    (["search", "none", "resume", "copy", "copied", "failed"] as const)
      .map((key) => ` data-${key}="${words[key]}"`).join("");
  const full = here === FIRST ? title : `${title} · ${words.course}`;
  const rest = `<link rel="alternate" hreflang="${other}" href="${twin}">\n` +
    `<script src="../page.js" defer></script>\n`;
  return `${head(lang, full, "../", rest)}` +
    `<body data-page="${here}"${data}>
<a class="skip" href="#text">${words.skip}</a>
<header>
<a class="title" href="${FIRST}.html">${words.course}</a>
<a class="language" href="${twin}" lang="${other}" hreflang="${other}">${
      TEXTS[other].name
    }</a>
<nav class="contents" aria-label="${words.contents}">
<details><summary>${words.contents}</summary>
${contents}</details>
</nav>
</header>
<main id="text">
${main}</main>
</body>
</html>
`;
}

/** The sections, and the current one's parts. */
function contents(course: Course, lang: Language, here?: Page): string {
  const words = TEXTS[lang];
  const items = [...course.pages[lang].values()].map((page) => {
    const { name, section, headings } = page;
    const number = Number(name.slice(0, 2)) || "";
    const mark = section &&
      ` <small title="${words.section(section)}">§ ${section}</small>`;
    const href = here ? `${name}.html` : `#${name}`;
    const current = page === here ? ' aria-current="page"' : "";
    const link = `<a href="${href}"${current}><b>${number}</b> <span>${
      headings[0].text
    }${mark}</span></a>`;
    if (page !== here) return `<li>${link}</li>\n`;
    const theirs = course.pages[OTHER[lang]].get(name)!.headings;
    const parts = headings.map(({ level, id, text }, i) =>
      level === 2
        ? `<li><a href="#${id}" data-other="${theirs[i].id}">${text}</a></li>\n`
        : ""
    ).join("");
    return `<li>${link}${parts && `<ol>\n${parts}</ol>`}</li>\n`;
  });
  const all = here ? `<a class="all" href="all.html">${words.all}</a>\n` : "";
  return `<ol>\n${items.join("")}</ol>\n${all}`;
}

/** The page of one section; `main` is its text. */
export function page(course: Course, here: Page, main: string): string {
  const { lang, name, headings } = here;
  const all = [...course.pages[lang].values()], at = all.indexOf(here);
  const link = (rel: string, arrow: string[], to?: Page) =>
    to
      ? `<a rel="${rel}" href="${to.name}.html">${arrow[0]}${
        to.headings[0].text
      }${arrow[1]}</a>`
      : "<span></span>";
  const turn = `<p class="turn">${link("prev", ["← ", ""], all[at - 1])}` +
    `${link("next", ["", " →"], all[at + 1])}</p>\n`;
  return frame(
    lang,
    name,
    headings[0].text,
    contents(course, lang, here),
    main + turn,
  );
}

/** All sections on one page. */
export function everything(
  course: Course,
  lang: Language,
  mains: string[],
): string {
  const { course: title, all } = TEXTS[lang];
  const main = `<h1>${title}</h1>\n` +
    mains.map((main) => `<section>\n${main}</section>\n`).join("");
  return frame(lang, "all", all, contents(course, lang), main);
}

/** What the search looks through: a script, since a page may not read a file. */
export function index(course: Course, lang: Language): string {
  const entries = [...course.pages[lang].values()].flatMap((page) =>
    page.headings.map(({ id, level, text, words }) => [
      `${page.name}.html${level > 1 ? `#${id}` : ""}`,
      page.headings[0].text,
      level > 1 ? text : "",
      words.replace(/\s+/g, " ").trim(),
    ])
  );
  return `const searchIndex = ${JSON.stringify(entries)};\n`;
}

/** The site's own first page: it leads to the reader's language. */
export function choice(course: Course): string {
  const [first] = LANGUAGES;
  const links = LANGUAGES.map((lang) => {
    const start = course.pages[lang].values().next().value!;
    const { text } = start.headings[0];
    return `<li lang="${lang}"><a href="${lang}/${start.name}.html" ` +
      `hreflang="${lang}">${text}</a></li>\n`;
  });
  const title = LANGUAGES.map((lang) => TEXTS[lang].name).join(" · ");
  const rest = `<script src="choose.js" defer></script>\n`;
  return `${head(first, title, "", rest)}<body class="choice">
<main>
<h1>${title}</h1>
<ul>
${links.join("")}</ul>
</main>
</body>
</html>
`;
}
