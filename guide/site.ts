/**
 * The site's files from the course's texts; nothing is read or written here.
 *
 * @module
 */
import { phrases } from "./code.ts";
import { choice, everything, index, page } from "./page.ts";
import { type Course, type Page, parse, render } from "./render.ts";
import { type Language, LANGUAGES } from "./texts.ts";

/** All that the pages are made of. */
export interface Sources {
  /** The Markdown of each language by file name, such as `06-simple.md`. */
  texts: Record<Language, Map<string, string>>;
  /** The table of what transcripts mean (guide/en/phrases.md). */
  phrases: string;
  /** Scripts by file name. */
  scripts: Map<string, string>;
  /** Programs in Python by file name. */
  python: Map<string, string>;
  /** Pictures by file name. */
  pictures: Map<string, string>;
}

/** Both languages have the same files, with headings of the same levels. */
function pair({ en, fr }: Course["pages"]): void {
  for (const [ours, theirs] of [[en, fr], [fr, en]]) {
    for (const { lang, name, headings } of ours.values()) {
      const twin = theirs.get(name);
      const other = lang === "en" ? "fr" : "en";
      if (!twin) throw new Error(`${lang}/${name}.md: not in ${other}/`);
      const odd = headings.findIndex(({ level }, i) =>
        level !== twin.headings[i]?.level
      );
      if (odd < 0) continue;
      throw new Error(
        `${lang}/${name}.md: heading ${odd + 1}, "${headings[odd].text}", ` +
          `has not the level of "${twin.headings[odd]?.text ?? "nothing"}" ` +
          `in ${other}/${name}.md`,
      );
    }
  }
}

/**
 * Makes the site.
 *
 * @returns Its files, by their paths.
 * @throws {Error} Where a text is wrong: one line, with the place.
 */
export function makeSite(sources: Sources): Map<string, string> {
  const { texts, scripts, python, pictures } = sources;
  const translate = phrases(sources.phrases);
  const read = (): Course => {
    const pages = { en: new Map<string, Page>(), fr: new Map<string, Page>() };
    for (const lang of LANGUAGES) {
      for (const file of [...texts[lang].keys()].sort()) {
        const name = file.replace(/\.md$/, "");
        pages[lang].set(name, parse(lang, name, texts[lang].get(file)!));
      }
    }
    return { pages, scripts, python, pictures, translate };
  };
  const course = read(), again = read(); // Rendering changes what was read.
  pair(course.pages);
  const files = new Map([["index.html", choice(course)]]);
  for (const lang of LANGUAGES) {
    for (const one of course.pages[lang].values()) {
      const main = render(one, course, false);
      files.set(`${lang}/${one.name}.html`, page(course, one, main));
    }
    const mains = [...again.pages[lang].values()].map((one) =>
      render(one, again, true)
    );
    files.set(`${lang}/all.html`, everything(again, lang, mains));
    files.set(`${lang}/search.js`, index(course, lang));
  }
  for (const [name, text] of scripts) files.set(`scripts/${name}`, text);
  for (const [name, text] of python) files.set(`python/${name}`, text);
  for (const [name, text] of pictures) files.set(name, text);
  return files;
}
