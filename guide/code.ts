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
import { FLAGS, type Language, TEXTS } from "./texts.ts";
import { typesetHtml } from "./typography.ts";

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

// Quotes need no escape between tags, and there are thousands in the scripts.
const escapeCode = (text: string) =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

/**
 * Code as HTML, coloured. Tokens are `<c- k>`: an unknown element with a hyphen in
 * its name is valid and means nothing, and is half as long as a span with a class.
 *
 * @param lang `ts`, `python` or `sh`; all else is plain text.
 */
export function highlight(code: string, lang: string): string {
  if (!["ts", "python", "sh"].includes(lang)) return escapeCode(code);
  const runs: { letter: string; text: string }[] = [];
  for (const line of highlighter.codeToTokensBase(code, { lang })) {
    for (const { content, color } of [...line, { content: "\n", color: "" }]) {
      const last = runs.at(-1);
      const letter = content.trim()
        ? LETTERS.get(color?.toUpperCase() ?? "") ?? ""
        : last?.letter ?? ""; // White space has no colour: it joins its neighbour.
      if (last?.letter === letter) last.text += content;
      else runs.push({ letter, text: content });
    }
  }
  runs.at(-1)!.text = runs.at(-1)!.text.replace(/\n$/, "");
  return runs.map(({ letter, text }) => {
    if (!letter) return escapeCode(text);
    const [, token, rest] = text.match(/^(.*?)(\s*)$/s)!;
    return `<c- ${letter}>${escapeCode(token)}</c->${rest}`;
  }).join("");
}

/** Code with an empty `<i>` before each line, which the style sheet numbers. */
export function numbered(html: string): string {
  return "<i></i>" + html.replace(/\n(?=.)/gs, "\n<i></i>");
}

/**
 * A command, in which each of Deno's flags is a button that shows what it is for.
 *
 * @param used Takes the flags that the page has to explain.
 */
export function command(text: string, used: Set<string>): string {
  return escapeCode(text).replace(
    /--(?:allow|deny|unstable)-[\w-]+/g,
    (flag) => {
      if (!FLAGS[flag]) throw new Error(`${flag} has no explanation in FLAGS`);
      used.add(flag);
      return `<button type="button" popovertarget="${
        flagId(flag)
      }">${flag}</button>`;
    },
  );
}

const flagId = (flag: string) => `flag${flag.slice(1)}`;

/** The panels that the flags' buttons show; they need no JavaScript. */
export function explanations(used: Set<string>, lang: Language): string {
  return [...used].sort().map((flag) =>
    `<div popover id="${flagId(flag)}"><code>${flag}</code> ` +
    `<button type="button" popovertarget="${flagId(flag)}" ` +
    `popovertargetaction="hide">${TEXTS[lang].close}</button>` +
    `<p>${typesetHtml(FLAGS[flag][lang], lang)}</p></div>\n`
  ).join("");
}

/**
 * A transcript as a terminal: lines that begin with `$ ` are commands. The prompt
 * is the style sheet's, so that nobody copies it.
 */
export function terminal(
  text: string,
  used: Set<string>,
  title?: string,
): string {
  const lines = text.trimEnd().replace(/\\\n/g, "\\\v").split("\n").map((
    line,
  ) =>
    line.startsWith("$ ")
      ? `<span class="command">${
        command(line.slice(2).replaceAll("\v", "\n"), used)
      }</span>`
      : escapeCode(line)
  );
  const caption = title ? `<figcaption>${title}</figcaption>` : "";
  return `<figure class="terminal">${caption}<pre><code>${
    lines.join("\n")
  }</code></pre></figure>\n`;
}
