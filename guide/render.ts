/**
 * The course's Markdown as the HTML of a page's main part.
 *
 * @module
 */
import GithubSlugger from "github-slugger";
import MarkdownIt, { type Token } from "markdown-it";
import {
  command,
  escape,
  explanations,
  highlight,
  numbered,
  terminal,
} from "./code.ts";
import { draw } from "./diagram.ts";
import { type Language, OTHER, TEXTS } from "./texts.ts";
import { typeset, typesetToken } from "./typography.ts";

/** A heading, with the id that a code host gives it as well. */
export interface Heading {
  level: number;
  id: string;
  /** As HTML. */
  text: string;
  /** The id of the same heading in the other language. */
  other: string;
}

/** What a page is made of. */
export interface Rendered {
  title: string;
  description: string;
  headings: Heading[];
  /** What stands in `<main>`. */
  html: string;
}

/** What {@linkcode render} needs besides the text. */
export interface Surroundings {
  lang: Language;
  /** The file's name, for messages. */
  file: string;
  /** The text in the other language. */
  other: string;
  /** The scripts' sources, by name. */
  scripts: Map<string, string>;
  /** The names of the pictures that stand beside the text. */
  pictures: string[];
}

const markdown = new MarkdownIt({ html: true });
const SCRIPT = /^\.\.\/scripts\/(\w+\.ts)$/;

const html = (blocks: Token[]) =>
  markdown.renderer.render(blocks, markdown.options, {});
const inlineHtml = (children: Token[]) =>
  markdown.renderer.renderInline(children, markdown.options, {});

/** What a person reads of a block. */
const plain = (block: Token) =>
  block.children!.map(({ type, content }) =>
    type === "softbreak" ? " " : type === "html_inline" ? "" : content
  ).join("");

/** Where a link leads. */
const target = (token: Token) => token.attrGet("href")?.toString();

/** What stands in a paragraph that is only one link, or one emphasis. */
function only(kind: "link" | "strong" | "em", tokens: Token[], i: number) {
  if (tokens[i]?.type !== "paragraph_open") return;
  const parts = tokens[i + 1].children!.filter(({ type, content }) =>
    type !== "text" || content
  );
  const end = parts.findIndex(({ type }) => type === `${kind}_close`);
  const whole = parts[0]?.type === `${kind}_open` && end === parts.length - 1;
  return whole ? parts : undefined;
}

/** A transcript with its title, if there is one; how many tokens they are. */
function transcript(tokens: Token[], i: number) {
  const title = only("strong", tokens, i), length = title ? 4 : 1;
  const fence = tokens[i + length - 1];
  if (fence?.type !== "fence" || fence.info !== "console") return;
  return { title: title && inlineHtml(title), text: fence.content, length };
}

/** All headings of a text. */
function outline(tokens: Token[]) {
  const slugger = new GithubSlugger();
  return tokens.flatMap(({ type, tag }, i) => {
    if (type !== "heading_open") return [];
    const words = plain(tokens[i + 1]);
    return [{ level: Number(tag[1]), id: slugger.slug(words), words }];
  });
}

/** The headings of both languages, each with its counterpart. */
function pair(tokens: Token[], { other, file, lang }: Surroundings): Heading[] {
  const ours = outline(tokens), theirs = outline(markdown.parse(other, {}));
  const odd = [...ours.keys(), theirs.length - 1].find((i) =>
    ours[i]?.level !== theirs[i]?.level
  );
  if (odd !== undefined) {
    throw new Error(
      `${file}: heading ${odd + 1} is ${JSON.stringify(ours[odd]?.words)}, ` +
        `in ${OTHER[lang]}.md ${
          JSON.stringify(theirs[odd]?.words)
        }: both have ` +
        "to have the same levels",
    );
  }
  if (ours.findLastIndex(({ level }) => level === 1) !== 0) {
    throw new Error(`${file}: the first heading has to be the only one with #`);
  }
  return ours.map(({ level, id, words }, i) => {
    const text = escape(typeset(words, lang));
    return { level, id, text, other: theirs[i].id };
  });
}

/** A region that may scroll sideways, and so has to be in reach of the keyboard. */
const scroller = (tag: string, kind: string, name: string) =>
  `<${tag} class="${kind}" tabindex="0" role="group" aria-label="${name}">`;

const listing = (code: string, name: string, kind: string) =>
  scroller("pre", kind, name) + `<code>${code}</code></pre>\n`;

/**
 * Renders one language's text.
 *
 * @throws {Error} Where a link leads nowhere, a diagram has no caption, a flag no
 * explanation, a heading no counterpart: one line, with the place in the file.
 */
export function render(text: string, where: Surroundings): Rendered {
  const { lang, file, scripts, pictures } = where, words = TEXTS[lang];
  const tokens = markdown.parse(text, {});
  const headings = pair(tokens, where);
  const sections = headings.filter(({ level }) => level <= 2);
  const flags = new Set<string>();
  /** The scripts that stand in the page, by the place of their link. */
  const shown = new Map<number, string>();
  for (const i of tokens.keys()) {
    const link = only("link", tokens, i)?.[0];
    const name = link && target(link)?.match(SCRIPT)?.[1];
    if (name && scripts.has(name)) shown.set(i, name);
  }

  /** Where a link of the Markdown leads in the site. */
  const follow = (href: string): string => {
    if (/^(https?|mailto):/.test(href)) return href;
    const script = href.match(SCRIPT)?.[1];
    if (script && [...shown.values()].includes(script)) return `#${script}`;
    if (script && scripts.has(script)) return `scripts/${script}`;
    const [, page, id] = href.match(/^(?:(fr|en)\.md)?(?:#(.+))?$/) ?? [];
    const known = headings.map((heading) =>
      !page || page === lang ? heading.id : heading.other
    );
    if (!(page || id) || (id && !known.includes(decodeURIComponent(id)))) {
      throw new Error(`the link to ${href} leads nowhere in the site`);
    }
    return (page ? `${page}.html` : "") + (id ? `#${id}` : "");
  };

  /** What is inside a paragraph, a heading, a cell of a table. */
  const setInline = (block: Token): void => {
    for (const token of block.children ?? []) {
      const href = target(token);
      if (href !== undefined) token.attrSet("href", follow(href));
      if (token.type === "image") {
        const src = String(token.attrGet("src"));
        if (!pictures.includes(src)) throw new Error(`there is no ${src}`);
        token.attrSet("loading", "lazy");
      }
      if (token.type === "code_inline" && /^(deno|npx) /.test(token.content)) {
        token.type = "html_inline";
        token.content = `<code>${command(token.content, flags)}</code>`;
      }
      // No line ends after the hyphens of --port.
      if (token.type === "code_inline" && /^-\S{1,20}$/.test(token.content)) {
        token.attrSet("class", "whole");
      }
    }
    typesetToken(block, lang);
  };

  const script = (name: string): string => {
    const source = scripts.get(name)!;
    const run = source.match(/^ \* @run (.*)$/m)?.[1];
    const code = numbered(highlight(source, "ts"));
    return `<figure class="script" id="${name}"><figcaption>` +
      `<code><span>scripts/</span><b>${name}</b></code> ` +
      `<a href="scripts/${name}" download>${words.download}</a></figcaption>\n` +
      (run ? terminal(`$ ${run}`, flags) : "") +
      listing(code, words.codeOf(name), "code lines") + "</figure>\n";
  };

  const diagram = (i: number, id: string): string => {
    const caption = only("em", tokens, i + 1);
    if (!caption) throw new Error("a diagram needs a caption, *in emphasis*");
    const name = words.diagram(escape(plain(tokens[i + 2])));
    return `<figure class="diagram">${scroller("div", "drawing", name)}` +
      `${draw(tokens[i].content, id)}</div>\n` +
      `<figcaption id="${id}">${inlineHtml(caption.slice(1, -1))}` +
      "</figcaption></figure>\n";
  };

  /** The end of a section: its neighbours, and itself in the other language. */
  const turn = (at: number): string => {
    const other = OTHER[lang];
    const link = (rel: string, section?: Heading) =>
      section
        ? `<a rel="${rel}" href="#${section.id}">${section.text}</a>`
        : "";
    return `<p class="turn">${link("prev", sections[at - 1])}` +
      `<a class="other" href="${other}.html#${sections[at].other}" ` +
      `lang="${other}" hreflang="${other}">${TEXTS[other].read}</a>` +
      `${link("next", sections[at + 1])}</p>\n`;
  };

  let main = "";
  const pending: Token[] = []; // Plain Markdown, which is rendered together.
  const put = (text: string) => main += html(pending.splice(0)) + text;

  // Each step takes one block, which may be several tokens, and returns how many.
  let heading = headings[0], countHeadings = 0, countFigures = 0;
  const step = (i: number): number => {
    const token = tokens[i], { type, info, content } = token;
    if (shown.has(i)) {
      const name = shown.get(i)!;
      if (main.includes(`id="${name}"`)) throw new Error(`${name} again`);
      put(script(name));
      return 3;
    }
    const first = transcript(tokens, i);
    if (first) {
      // Terminals in a row, each with its title, stand side by side.
      const row = [first];
      let length = first.length;
      for (let next; first.title && (next = transcript(tokens, i + length));) {
        if (!next.title) break;
        row.push(next);
        length += next.length;
      }
      const all = row.map(({ text, title }) => terminal(text, flags, title));
      put(
        all.length > 1 ? `<div class="pair">${all.join("")}</div>\n` : all[0],
      );
      return length;
    }
    if (type === "fence" && info === "mermaid") {
      put(diagram(i, `figure-${++countFigures}`));
      return 4;
    }
    if (type === "fence") {
      const code = highlight(content.trimEnd(), info);
      put(listing(code, words.codeOf(info || "text"), "code"));
      return 1;
    }
    if (type === "heading_open") {
      heading = headings[countHeadings++];
      token.attrSet("id", heading.id);
      const at = sections.indexOf(heading);
      if (at > 1) put(turn(at - 1)); // What stands under the title needs none.
      if (at > 0) put("</section>\n<section>\n");
    }
    if (type === "table_open") {
      put(scroller("div", "table", words.table(heading.text)));
    }
    pending.push(token);
    if (type === "table_close") put("</div>\n");
    return 1;
  };

  const atPlace = <T>(token: Token, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const line = (token.map?.[0] ?? 0) + 1;
      throw new Error(`${file}:${line}: ${(error as Error).message}`);
    }
  };
  for (const token of tokens) atPlace(token, () => setInline(token));
  for (let i = 0; i < tokens.length;) i += atPlace(tokens[i], () => step(i));
  put(turn(sections.length - 1) + explanations(flags, lang));
  const lead = tokens.findIndex(({ type }) => type === "paragraph_open");
  return {
    title: headings[0].text,
    description: escape(plain(tokens[lead + 1])),
    headings,
    html: `<section>\n${main}</section>\n`,
  };
}
