/**
 * Code, commands and terminals as HTML.
 *
 * @module
 */
import { createHighlighterCore, type ThemeRegistrationRaw } from "shiki/core";
import { createJavaScriptRegexEngine } from "shiki/engine/javascript";
import python from "shiki/langs/python.mjs";
import shell from "shiki/langs/shellscript.mjs";
import typescript from "shiki/langs/typescript.mjs";

/**
 * Both themes: the letter that marks a token in the page, its colour in the light
 * theme and in the dark one, the scopes that have it. What is not here (names,
 * punctuation, operators) keeps the colour of the text, and needs no element.
 */
const TOKENS: [string, string, string, string[]][] = [
  ["", "#2a2723", "#d8d5ce", [
    "meta.template.expression",
    "punctuation.definition.template-expression",
    "keyword.operator",
    "storage.type.function.arrow",
    "meta.function-call entity.name.function",
  ]],
  ["c", "#6f6a60", "#98938a", ["comment"]],
  ["k", "#0b6269", "#74c8c6", [
    "keyword",
    "storage",
    "keyword.operator.new",
    "keyword.operator.expression",
    "keyword.operator.logical.python",
  ]],
  ["s", "#86510c", "#dcb473", ["string", "constant.character.escape"]],
  ["n", "#75439a", "#c3a6e6", ["constant.numeric", "constant.language"]],
  ["f", "#224f93", "#94bbec", ["entity.name.function", "entity.name.type"]],
];

const theme = (name: "light" | "dark"): ThemeRegistrationRaw => ({
  name,
  type: name,
  settings: TOKENS.map(([letter, light, dark, scope]) => ({
    scope: letter ? scope : ["source", ...scope],
    settings: { foreground: name === "light" ? light : dark },
  })),
});

/** The style of highlighted code, for both themes. */
export const CODE_STYLE =
  TOKENS.map(([letter, light, dark]) =>
    `${letter ? `c-[${letter}]` : "pre"}{color:light-dark(${light},${dark})}`
  ).join("\n") + "\n";

const highlighter = await createHighlighterCore({
  langs: [typescript, python, shell],
  themes: [theme("light")], // The dark one has the same scopes, hence the same tokens.
  engine: createJavaScriptRegexEngine(),
});
const LETTERS = new Map(
  TOKENS.map(([letter, light]) => [light.toUpperCase(), letter]),
);

/** Text as HTML. */
export const escape = (text: string) =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

/**
 * Code as HTML, coloured, line by line. Tokens are `<c- k>`: an unknown element with
 * a hyphen in its name is valid and means nothing, and is half as long as a span.
 *
 * @param lang `ts`, `python` or `sh`; all else is plain text.
 */
export function highlight(code: string, lang: string): string[] {
  code = code.trimEnd();
  if (!["ts", "python", "sh"].includes(lang)) return escape(code).split("\n");
  // No time limit for a line: on a busy machine, the rest of it would lose its colours.
  const options = { lang, tokenizeTimeLimit: 0 };
  return highlighter.codeToTokensBase(code, options).map((line) => {
    const runs: { letter: string; text: string }[] = [];
    for (const { content, color } of line) {
      const last = runs.at(-1);
      const letter = content.trim()
        ? LETTERS.get(color?.toUpperCase() ?? "") ?? ""
        : last?.letter ?? ""; // White space has no colour: it joins its neighbour.
      if (last?.letter === letter) last.text += content;
      else runs.push({ letter, text: content });
    }
    return runs.map(({ letter, text }) =>
      letter ? `<c- ${letter}>${escape(text)}</c->` : escape(text)
    ).join("");
  });
}

/**
 * A command, in which each of Deno's flags leads to what explains it.
 *
 * @param explain The address of a flag's explanation.
 */
export function command(
  text: string,
  explain: (flag: string) => string,
): string {
  return escape(text).replace(
    /--(?:allow|deny|unstable)-[\w-]+/g,
    (flag) => `<a href="${explain(flag)}">${flag}</a>`,
  );
}

/**
 * A transcript as a terminal: lines that begin with `$ ` are commands. The prompt
 * is the style sheet's, so that nobody copies it.
 *
 * @param explain The address of a flag's explanation.
 * @param translate Says in English what a line says in French; nothing, if it is
 * not French. Without this, the page is in French itself.
 */
export function terminal(
  text: string,
  explain: (flag: string) => string,
  translate?: (line: string) => string,
): string {
  const joined = text.trimEnd().replace(/\\\n/g, "\\\v").split("\n");
  const lines = joined.map((line) => {
    if (line.startsWith("$ ")) {
      const typed = line.slice(2).replaceAll("\v", "\n");
      return `<span class="command">${command(typed, explain)}</span>\n`;
    }
    const meaning = translate?.(line);
    if (!meaning) return escape(line) + "\n";
    return `<span lang="fr">${escape(line)}</span>` +
      `<small>${escape(meaning)}</small>`;
  });
  return `<pre><code>${lines.join("")}</code></pre>`;
}

/**
 * Reads a table of phrases (guide/en/phrases.md), of which each row has a line of a
 * transcript and its translation, or nothing where a line is not French. `…` stands
 * for what differs; a translation with fewer of them takes the last ones.
 *
 * @returns What translates a line, and throws if no row matches.
 */
export function phrases(table: string): (line: string) => string {
  const rows = [...table.matchAll(/^\|(.+?)\|(.*)\|$/gm)].map((row) => {
    const [, french, english] = row.map((it) => it.replaceAll("`", "").trim());
    const escaped = french.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    const pattern = RegExp(`^${escaped.replaceAll("…", "(.+?)")}$`);
    return { pattern, english };
  });
  return (line) => {
    for (const { pattern, english } of rows) {
      const found = line.trim().match(pattern);
      if (!found) continue;
      const kept = found.slice(1).slice(-english.split("…").length + 1);
      return english.replace(/…/g, () => kept.shift() ?? "");
    }
    throw new Error(`phrases.md has no translation of "${line.trim()}"`);
  };
}
