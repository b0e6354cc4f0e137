/**
 * What a keyboard lacks: apostrophes, and the spaces of French.
 *
 * @module
 */
import type { Token } from "markdown-it";
import type { Language } from "./texts.ts";

const NARROW = "\u202F", WIDE = "\u00A0"; // Neither lets a line break.

/** Sets apostrophes and, in French, the spaces beside `: ; ! ? « »` and in `65 507 ms`. */
export function typeset(text: string, lang: Language): string {
  text = text.replace(/(?<=\p{L})'(?=[\p{L}«]|$)/gu, "’");
  if (lang !== "fr") return text;
  return text.replace(/« /g, `«${WIDE}`).replace(/ (?=[:»])/g, WIDE)
    .replace(/ (?=[;!?])|(?<=\d) (?=\d{3}|m?s\b|[KM]io|Mo\b)/g, NARROW);
}

/** The same for the text of HTML. */
export function typesetHtml(html: string, lang: Language): string {
  return html.replace(/(?<=^|>)[^<]+/g, (text) => typeset(text, lang));
}

/** The same for a token of Markdown: only for prose, never in code. */
export function typesetToken(token: Token, lang: Language): void {
  if (token.type === "html_block") {
    token.content = typesetHtml(token.content, lang);
  }
  const children = token.children ?? [];
  for (const [i, child] of children.entries()) {
    if (child.type === "text") child.content = typeset(child.content, lang);
    if (child.type !== "softbreak" || lang !== "fr") continue;
    // Where the source's line breaks, there is no space to replace.
    const before = children[i - 1]?.content ?? "";
    const after = children[i + 1]?.content ?? "";
    const wide = before.endsWith("«") || /^[:»]/.test(after);
    if (!wide && !/^[;!?]/.test(after)) continue;
    child.type = "text";
    child.content = wide ? WIDE : NARROW;
  }
}
