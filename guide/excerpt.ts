/**
 * Parts of a script, by their names.
 *
 * @module
 */

/** What stands before a declaration's name. */
const KEYWORDS = "export|async|function\\*?|class|const|type|interface";

/**
 * Where a function, class, constant or type stands, its comment included. The source
 * has to be as `deno fmt` leaves it: what it indents belongs to what it does not.
 *
 * @returns The lines from the first up to, not including, the second; nothing, if
 * there is no such name.
 */
export function locate(lines: string[], name: string) {
  const escaped = name.replace(/\W/g, "\\$&");
  const start = RegExp(`^(?:(?:${KEYWORDS}) )+${escaped}(?![\\w$])`);
  const first = lines.findIndex((line) => start.test(line));
  if (first < 0) return;
  let top = first;
  while (/^( \*|\/[*\/])/.test(lines[top - 1] ?? "")) top--;
  const opens = /[[({]$/.test(lines[first]);
  const end = opens ? /^[\])}].*[;}]$|^}$/ : /[;}]$/;
  const last = lines.findIndex((line, i) => i >= first && end.test(line));
  return [top, last + 1] as const;
}
