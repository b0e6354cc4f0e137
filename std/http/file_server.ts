/**
 * `@std/http/file-server` for machines that reach npm but not JSR: the published
 * code, from `npm:deno-std`, with types. See "Copy a script" in README.md.
 *
 * That package holds the published `http/file_server.js`, but of its imports six are
 * left out and a seventh has another name. So this file reads it as text, makes each
 * import lead to a module that exists, and loads the result. When a plain
 * `import … from "npm:deno-std/http/file_server.js"` works, delete all but the types.
 *
 * @module
 */
import source from "npm:deno-std@1.4.0/http/file_server.js" with {
  type: "text",
};

/** A URL that holds a module's code, and can be imported. */
const module = (code: string) =>
  `data:text/javascript,${encodeURIComponent(code)}`;

const HEADERS = [
  ...["Accept-Ranges", "Access-Control-Allow-Headers"],
  ...["Access-Control-Allow-Origin", "Content-Length", "Content-Range"],
  ...["Content-Type", "ETag", "If-Modified-Since", "If-None-Match"],
  ...["Last-Modified", "Range"],
].map((name) => [name.replaceAll("-", ""), name]);

/** What stands for the modules that are not on npm, reduced to what is used. */
const MISSING: Record<string, string> = {
  "/fs/exists.js": module(
    `export const exists = (path) => Deno.stat(path).then(() => true, () => false);`,
  ),
  "/http/unstable_header.js": module(
    `export const HEADER = ${JSON.stringify(Object.fromEntries(HEADERS))};`,
  ),
  "/http/unstable_method.js": module(
    `export const METHOD = { Get: "GET", Head: "HEAD" };`,
  ),
  "/html/unstable_html.js": module(
    `export const html = (raw, ...values) => String.raw({ raw }, ...values);`,
  ),
  "/media-types/content_type.js":
    "npm:deno-std@1.4.0/media_types/content_type.js",
  // Only its command line, which nobody gets here, asks for these two.
  "/http/deno.json": "data:application/json,{}",
  "/net/unstable_get_network_address.js": module(
    `export const getNetworkAddress = () => undefined;`,
  ),
};

const code = source.replace(
  /^(import .* from) "(\..*?)"/gm,
  (_, start: string, relative: string) => {
    const path = new URL(relative, "file:///http/").pathname;
    return `${start} "${MISSING[path] ?? "npm:deno-std@1.4.0" + path}"`;
  },
);

/** Interface for serveFile options. */
export interface ServeFileOptions {
  /** The algorithm to use for generating the ETag. @default {"SHA-256"} */
  etagAlgorithm?: AlgorithmIdentifier;
  /** What `Deno.stat` returned for the file, where that is known already. */
  fileInfo?: Deno.FileInfo;
}

/** Interface for serveDir options. */
export interface ServeDirOptions {
  /** Serves the files under this folder. @default {"."} */
  fsRoot?: string;
  /** Stripped from the beginning of the requested path. */
  urlRoot?: string;
  /** Lists the folders that have no index. @default {false} */
  showDirListing?: boolean;
  /** Serves dotfiles. @default {false} */
  showDotfiles?: boolean;
  /** Serves `index.html` as the index of its folder. @default {true} */
  showIndex?: boolean;
  /** Sends "Access-Control-Allow-Origin". @default {false} */
  enableCors?: boolean;
  /** Prints neither requests nor errors. @default {false} */
  quiet?: boolean;
  /** The algorithm to use for generating the ETag. @default {"SHA-256"} */
  etagAlgorithm?: AlgorithmIdentifier;
  /** Headers, as `name: value`, for all answers but redirections. */
  headers?: string[];
}

const published = await import(module(code));

/** Answers with one file. */
export const serveFile: (
  req: Request,
  filePath: string,
  options?: ServeFileOptions,
) => Promise<Response> = published.serveFile;

/** Answers with the files of a folder. */
export const serveDir: (
  req: Request,
  opts?: ServeDirOptions,
) => Promise<Response> = published.serveDir;
