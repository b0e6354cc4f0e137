/**
 * One page of the course, from Markdown to the HTML of its main part.
 *
 * @module
 */
import GithubSlugger from "github-slugger";
import MarkdownIt, { type Token } from "markdown-it";
import { command, escape, highlight, terminal } from "./code.ts";
import { draw } from "./diagram.ts";
import { locate } from "./excerpt.ts";
import { type Language, TEXTS } from "./texts.ts";
import { typeset, typesetToken } from "./typography.ts";

/** A heading, with the id that a code host gives it as well. */
export interface Heading {
  level: number;
  id: string;
  /** As HTML. */
  text: string;
  /** What stands below it, for the search. */
  words: string;
}

/** A text that has been read. */
export interface Page {
  lang: Language;
  /** The file's name without `.md`, such as `06-simple`. */
  name: string;
  /** The number of the course's section that it ports, or nothing. */
  section: string;
  headings: Heading[];
  /** The scripts that it shows, and what of them, by the place of their link. */
  shows: Map<number, { script: string; names: string[] }>;
  tokens: Token[];
}

/** All that pages refer to. */
export interface Course {
  pages: Record<Language, Map<string, Page>>;
  /** Sources by file name. */
  scripts: Map<string, string>;
  /** The same in Python. */
  python: Map<string, string>;
  /** Pictures by file name. */
  pictures: Map<string, string>;
  /** Translates a line of a transcript. */
  translate: (line: string) => string;
}

const markdown = new MarkdownIt({ html: true });
const SCRIPT = /^\.\.\/\.\.\/scripts\/(\w+\.ts)(?:#(.+))?$/;

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

/** Reads a text. */
export function parse(lang: Language, name: string, text: string): Page {
  const tokens = markdown.parse(text, {}), slugger = new GithubSlugger();
  const headings: Heading[] = [], shows: Page["shows"] = new Map();
  let section = "";
  for (const [i, { type, tag }] of tokens.entries()) {
    const link = only("link", tokens, i)?.[0];
    const [, script, names] = (link && target(link)?.match(SCRIPT)) ?? [];
    if (script) shows.set(i, { script, names: names?.split(",") ?? [] });
    const isText = type === "inline" && tokens[i - 1].type !== "heading_open";
    if (isText && headings[0]) headings.at(-1)!.words += `${plain(tokens[i])} `;
    if (type !== "heading_open") continue;
    const id = slugger.slug(plain(tokens[i + 1]));
    if (tag === "h1") {
      const last = tokens[i + 1].children!.at(-1)!;
      [last.content, section = ""] = last.content.split(" · § ");
    }
    const words = escape(typeset(plain(tokens[i + 1]), lang));
    headings.push({ level: Number(tag[1]), id, text: words, words: "" });
  }
  if (headings.findLastIndex(({ level }) => level === 1) !== 0) {
    throw new Error(`${lang}/${name}.md: the first heading is the one with #`);
  }
  return { lang, name, section, headings, shows, tokens };
}

/** A region that may scroll sideways, and so has to be in reach of the keyboard. */
const scroller = (tag: string, kind: string, name: string) =>
  `<${tag} class="${kind}" tabindex="0" role="group" aria-label="${name}">`;

/**
 * Renders a page that {@linkcode parse} has read; only once, since it changes it.
 *
 * @param whole For the page that has all of them: ids begin with the page's name,
 * headings are one level lower, and scripts are not shown whole.
 * @throws {Error} Where something is wrong: one line, with the place in the file.
 */
export function render(
  page: Page,
  course: Course,
  whole: boolean,
): string {
  const { lang, name, tokens, headings, shows } = page;
  const { pages, scripts, python, pictures } = course, words = TEXTS[lang];
  const prefix = whole ? `${name}--` : "";
  const translate = lang === "en" ? course.translate : undefined;

  /** Where a link of the Markdown leads in the site. */
  const follow = (href: string): string => {
    if (/^(https?|mailto):/.test(href)) return href;
    const [, script] = href.match(SCRIPT) ?? [];
    if (scripts.has(script)) {
      const home = [page, ...pages[lang].values()].find(({ shows }) =>
        shows.values().some((show) => show.script === script)
      );
      return home ? `${home.name}.html#${script}` : `../scripts/${script}`;
    }
    const file = href.match(/^\.\.\/(python\/(\w+\.py))$/);
    if (file && python.has(file[2])) return `../${file[1]}`;
    const [, other, to = name, id = ""] =
      href.match(/^(?:(?:\.\.\/(fr|en)\/)?([\w-]+)\.md)?(?:#(.+))?$/) ?? [];
    const there = pages[other as Language ?? lang].get(to);
    const known = there?.headings.map(({ id }) => id) ?? [];
    const leads = id ? known.includes(decodeURIComponent(id)) : there;
    if (!href || !leads || (to === name && !id)) {
      throw new Error(`the link to ${href} leads nowhere in the site`);
    }
    if (whole && !other) return `#${to}${id ? `--${id}` : ""}`;
    const path = other ? `../${other}/${to}.html` : `${to}.html`;
    return (to === name && !other ? "" : path) + (id ? `#${id}` : "");
  };

  /** Where a flag is explained: below the first heading that names it. */
  const explain = (flag: string): string => {
    for (const { name, headings } of pages[lang].values()) {
      const heading = headings.find((it) =>
        (it.text + it.words).includes(flag)
      );
      if (heading) return follow(`${name}.md#${heading.id}`);
    }
    throw new Error(`no text explains ${flag}`);
  };

  /** What is inside a paragraph, a heading, a cell of a table. */
  const setInline = (block: Token): void => {
    for (const token of block.children ?? []) {
      const href = target(token);
      if (href !== undefined) token.attrSet("href", follow(href));
      if (token.type === "image") {
        const src = String(token.attrGet("src"));
        const [, picture] = src.match(/^\.\.\/([\w.]+)$/) ?? [];
        if (!pictures.has(picture)) throw new Error(`there is no ${src}`);
      }
      if (token.type === "code_inline" && /^(deno|npx) /.test(token.content)) {
        token.type = "html_inline";
        token.content = `<code>${command(token.content, explain)}</code>`;
      }
    }
    typesetToken(block, lang);
  };

  const listing = (code: string, what: string, kind = "code") =>
    scroller("pre", kind, words.codeOf(what)) + `<code>${code}</code></pre>\n`;

  /** The notes of a list in which each item begins with a piece of the code. */
  const notesAt = (i: number) => {
    const notes: { quote: string; html: string; token: Token }[] = [];
    if (tokens[i]?.type !== "bullet_list_open") return { notes, length: 0 };
    let end = i + 1;
    for (; tokens[end].level > tokens[i].level; end++) {
      const [code, text] = tokens[end].children ?? [];
      if (tokens[end].type !== "inline") continue;
      const isNote = code?.type === "code_inline" &&
        /^\s?:/.test(text?.content ?? "");
      if (!isNote && !notes.length) return { notes, length: 0 };
      if (!isNote) throw new Error("a note begins with `code`:");
      const content = inlineHtml(tokens[end].children!);
      notes.push({ quote: code.content, html: content, token: tokens[end] });
    }
    return { notes, length: end + 1 - i };
  };

  /** Functions of a script, with notes, then the whole script, folded. */
  const script = (i: number, file: string, names: string[]): number => {
    const source = scripts.get(file)!.trimEnd().split("\n");
    const code = highlight(scripts.get(file)!, "ts");
    const { notes, length } = names.length ? notesAt(i + 3) : notesAt(-1);
    const [plainLines, lines]: string[][] = [[], []];
    for (const name of names) {
      const range = locate(source, name);
      if (!range) throw new Error(`${file} has no ${name}`);
      if (lines.length) { for (const all of [plainLines, lines]) all.push(""); }
      plainLines.push(...source.slice(...range));
      lines.push(...code.slice(...range));
    }
    let at = 0;
    for (const { quote, html, token } of notes) {
      const found = plainLines.findIndex((line, i) =>
        i >= at && line.includes(quote)
      );
      at = atPlace(token, () => {
        if (found >= 0) return found;
        throw new Error(`no line after the last note's has "${quote}"`);
      });
      // It stands at the begin of the next line: page.css moves it up by one.
      lines[at + 1] = `<span class="note">${html}</span>${lines[at + 1] ?? ""}`;
    }
    if (names.length) {
      const at = `scripts/${file}`;
      const shown = listing(lines.join("\n"), `${at} ${names.join(", ")}`);
      put(
        `<figure class="script"><figcaption><code>${at}</code></figcaption>` +
          `${shown}</figure>\n`,
      );
    }
    // The whole file stands where the text asks for it, or below its first part.
    const all = [...shows.values()].filter(({ script }) => script === file);
    const here = all.find(({ names }) => !names.length) ?? all[0];
    if (!whole && shows.get(i) === here) put(fold(file, code));
    return 3 + length;
  };

  /** A script whole, and the same in Python: one beside the other in tabs. */
  const fold = (file: string, code: string[]): string => {
    const other = file.replace(".ts", ".py");
    const figure = (path: string, lines: string[]) =>
      `<figure class="script"><figcaption><code>${path}</code> ` +
      `<a href="../${path}" download>${words.download}</a></figcaption>\n` +
      `${listing(lines.join("\n"), path)}</figure>\n`;
    const tab = (label: string, checked = "") =>
      `<label><input type="radio" name="tab-${file}"${checked}>${label}</label>`;
    const twin = python.get(other);
    return `<details class="file" id="${file}"><summary>` +
      `${words.wholeFile(file, code.length)}${
        twin ? words.twin : ""
      }</summary>\n` +
      (twin
        ? `<p class="tabs" role="radiogroup" aria-label="${words.tabs}">` +
          `${tab("Deno", " checked")} ${tab("Python")}</p>\n`
        : "") +
      figure(`scripts/${file}`, code) +
      (twin ? figure(`python/${other}`, highlight(twin, "python")) : "") +
      "</details>\n";
  };

  /** A diagram, or a picture made of characters, with the caption below it. */
  const figure = (i: number): number => {
    const caption = only("em", tokens, i + 1), { info, content } = tokens[i];
    if (!caption) throw new Error("a diagram needs a caption, *in emphasis*");
    const id = `${prefix}figure-${++countFigures}`;
    const drawing = info === "mermaid"
      ? draw(typeset(content, lang), id, words.diagram)
      : listing(escape(content.trimEnd()), id, "picture");
    const text = inlineHtml(caption.slice(1, -1));
    put(
      `<figure class="diagram" id="${id}">${drawing}` +
        `<figcaption>${text}</figcaption></figure>\n`,
    );
    return 4;
  };

  /** A transcript, or several in a row, side by side, each with its title. */
  const transcripts = (i: number): number => {
    const all: string[] = [];
    let length = 0;
    for (;;) {
      const title = only("strong", tokens, i + length);
      const fence = tokens[i + length + (title ? 3 : 0)];
      if (fence?.info !== "console" || (length && !title)) break;
      const caption = title
        ? `<figcaption>${inlineHtml(title.slice(1, -1))}</figcaption>`
        : "";
      const show = () => terminal(fence.content, explain, translate);
      const shell = atPlace(fence, show);
      all.push(`<figure class="terminal">${caption}${shell}</figure>\n`);
      length += title ? 4 : 1;
      if (!title) break;
    }
    if (all.length > 1) put(`<div class="pair">${all.join("")}</div>\n`);
    else if (all.length) put(all[0]);
    return length;
  };

  let main = "";
  const pending: Token[] = []; // Plain Markdown, which is rendered together.
  const put = (text: string) => main += html(pending.splice(0)) + text;
  let countHeadings = 0, countFigures = 0;
  const columns: string[] = [];
  let column = 0;

  // Each step takes one block, which may be several tokens, and returns how many.
  const step = (i: number): number => {
    const token = tokens[i], { type, info, content } = token;
    const show = shows.get(i);
    if (show) return script(i, show.script, show.names);
    const taken = transcripts(i);
    if (taken) return taken;
    const isText = info === "text" && only("em", tokens, i + 1);
    if (info === "mermaid" || isText) return figure(i);
    if (type === "fence") {
      put(listing(highlight(content, info).join("\n"), info || "text"));
      return 1;
    }
    if (type === "heading_open") {
      const { level, id, text } = headings[countHeadings++];
      const anchor = level === 1 && whole ? name : prefix + id;
      const tag = `h${level + (whole ? 1 : 0)}`;
      const label = escape(words.permalink(text));
      put(
        `<${tag} id="${anchor}">${inlineHtml(tokens[i + 1].children!)}` +
          `<a class="permalink" href="#${anchor}" aria-label="${label}"></a>` +
          `</${tag}>\n`,
      );
      return 3;
    }
    if (type === "table_open") {
      columns.length = 0;
      const title = headings[countHeadings - 1].text;
      put(scroller("div", "table", escape(words.table(title))));
    }
    if (type === "tr_open") column = 0;
    if (type === "th_open") columns.push(plain(tokens[i + 1]));
    if (type === "td_open") token.attrSet("data-label", columns[column++]);
    pending.push(token);
    if (type === "table_close") put("</div>\n");
    return 1;
  };

  const atPlace = <T>(token: Token, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      const { message } = error as Error;
      if (message.startsWith(`${lang}/`)) throw error; // It has its place.
      const line = (token.map?.[0] ?? 0) + 1;
      throw new Error(`${lang}/${name}.md:${line}: ${message}`);
    }
  };
  for (const token of tokens) atPlace(token, () => setInline(token));
  for (let i = 0; i < tokens.length;) i += atPlace(tokens[i], () => step(i));
  put("");
  return main;
}
