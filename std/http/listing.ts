/**
 * The page that shows what is in a folder.
 *
 * @module
 */
import {
  escape,
  formatBytes,
  join,
  relative,
  SEPARATOR_PATTERN,
} from "./parts.ts";

type Entry = Omit<Deno.DirEntry, "isSymlink">;

const UP: Entry = { name: "..", isDirectory: true, isFile: false };

/** How {@linkcode listing} draws a folder. */
interface ListingOptions {
  /** The folder that is served as a whole, which has no way up. */
  root: string;
  /** Whether names that begin with a dot are shown. */
  showDotfiles: boolean;
  /** Told why an entry is shown without its mode and size. */
  onError: (error: unknown) => void;
}

/**
 * Draws a folder as an HTML page, whose links are relative.
 *
 * @param folder The folder's path, at or below the root.
 */
export async function listing(
  folder: string,
  { root, showDotfiles, onError }: ListingOptions,
): Promise<string> {
  const names = relative(root, folder).split(SEPARATOR_PATTERN).filter(Boolean);
  const entries = names.length > 0 ? [UP] : [];
  for await (const entry of Deno.readDir(folder)) {
    if (showDotfiles || !entry.name.startsWith(".")) entries.push(entry);
  }
  entries.sort((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
  const rows = entries.map((entry) => row(folder, entry, onError));
  return page(names, await Promise.all(rows));
}

const shown = ({ name, isDirectory }: Entry) => isDirectory ? `${name}/` : name;

const sortKey = (entry: Entry) =>
  `${shown(entry).toLowerCase()}\0${entry.name}`;

async function row(
  folder: string,
  entry: Entry,
  onError: ListingOptions["onError"],
): Promise<string> {
  let mode = "(unknown mode)", size = "";
  try {
    const info = await Deno.stat(join(folder, entry.name));
    if (info.mode !== null) mode = modeText(entry, info.mode);
    if (entry.isFile) size = formatBytes(info.size);
  } catch (error) {
    onError(error); // A link to nowhere, a file that has just gone.
  }
  const slash = entry.isDirectory ? "/" : "";
  // Without "./" a name with a colon would be taken for a scheme.
  const url = entry === UP
    ? entry.name
    : `./${encodeURIComponent(entry.name)}${slash}`;
  return `<tr><td class="mode">${mode}</td><td class="size">${size}</td>` +
    `<td>${link(url, shown(entry))}</td></tr>`;
}

/** The permissions as `ls -l` has them, with a space after each part. */
function modeText({ isDirectory }: Entry, mode: number): string {
  const groups = [6, 3, 0].map((shift) =>
    "rwx".replace(/./g, (right, at) => mode >> shift & 4 >> at ? right : "-")
  );
  return [isDirectory ? "d" : "-", ...groups, ""].join(" ");
}

const link = (url: string, text: string) =>
  `<a href="${escape(url)}">${escape(text)}</a>`;

function page(names: string[], rows: string[]): string {
  const path = ["home", ...names].map((name, index) =>
    link("../".repeat(names.length - index) || ".", name)
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width">
<title>Deno File Server</title>
<style>
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
td, th { padding: 0.2rem 1.5rem 0.2rem 0; text-align: left; }
.mode, .size { white-space: nowrap; }
.mode { font-family: monospace; }
.size { text-align: right; }
</style>
</head>
<body>
<h1>Index of ${path.join("/")}/</h1>
<table>
<tr><th>Mode</th><th>Size</th><th>Name</th></tr>
${rows.join("\n")}
</table>
</body>
</html>
`;
}
