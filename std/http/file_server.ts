/**
 * `@std/http/file-server` for machines that reach npm but not JSR: the same
 * functions, with the same answers, on parts of `npm:deno-std` (whose own
 * `http/file_server.js` does not load). See "Dependencies" in README.md.
 *
 * As published: `If-Range` is not looked at, and `HEAD` has no conditions.
 *
 * @module
 */
import { listing } from "./listing.ts";
import {
  ByteSliceStream,
  contentType,
  eTag,
  extname,
  ifNoneMatch,
  join,
  normalize,
  STATUS_TEXT,
} from "./parts.ts";

/** Options of {@linkcode serveFile}. */
export interface ServeFileOptions {
  /** The hash in the ETag. @default {"SHA-256"} */
  etagAlgorithm?: AlgorithmIdentifier;
  /** What `Deno.stat` says of the file, where that is known already. */
  fileInfo?: Deno.FileInfo;
}

/** Options of {@linkcode serveDir}. */
export interface ServeDirOptions {
  /** The folder that is served. @default {"."} */
  fsRoot?: string;
  /** What URLs have after their first slash, and the folder has not. */
  urlRoot?: string;
  /** Lists a folder that has no index. @default {false} */
  showDirListing?: boolean;
  /** Serves and lists names that begin with a dot. @default {false} */
  showDotfiles?: boolean;
  /** Answers a folder with its `index.html`. @default {true} */
  showIndex?: boolean;
  /** Lets scripts of other sites read the answers. @default {false} */
  enableCors?: boolean;
  /** Logs neither requests nor errors. @default {false} */
  quiet?: boolean;
  /** The hash in the ETag. @default {"SHA-256"} */
  etagAlgorithm?: AlgorithmIdentifier;
  /** More headers, as `name: value`, for all answers but 301, 304 and 405. */
  headers?: string[];
  /** Finds `page.html` for `/page` where there is no `page`. @default {false} */
  cleanUrls?: boolean;
}

/**
 * Answers with a file: 200, or 206 with one range of it (RFC 9110, section 14),
 * 304 if the client has it (section 13), 404 (a folder as well), 405 or 416.
 *
 * The file is read as the client takes it, and closed when the body ends or is
 * cancelled.
 *
 * @param req The request, whose URL does not matter.
 * @param filePath The file.
 * @param options See {@linkcode ServeFileOptions}.
 * @throws What the file system says, if it is anything but "not found".
 */
export async function serveFile(
  req: Request,
  filePath: string,
  options: ServeFileOptions = {},
): Promise<Response> {
  await req.body?.cancel();
  if (!isAllowed(req)) return methodNotAllowed();
  const info = options.fileInfo ?? await statIfAny(filePath);
  if (!info || info.isDirectory) return plain(404);

  const { size, mtime } = info;
  const { etagAlgorithm: algorithm = "SHA-256" } = options;
  const tag = mtime ? await eTag(info, { algorithm }) : await deploymentTag();
  const headers = baseHeaders(contentType(extname(filePath)));
  if (mtime) headers.set("last-modified", mtime.toUTCString());
  if (tag) headers.set("etag", tag);
  if (req.method === "GET" && isNotModified(req, mtime, tag)) {
    return answer(304, null, headers);
  }
  // An empty file has no range, not even for who asks for "at most 1 MB" always.
  const range = req.method === "GET" && size > 0 ? parseRange(req, size) : null;
  if (!range) {
    headers.set("content-length", `${size}`);
    if (req.method === "HEAD") return answer(200, null, headers);
    return answer(200, (await Deno.open(filePath)).readable, headers);
  }
  const start = Math.max(range.start, 0);
  const end = Math.min(range.end, size - 1);
  if (start > end) {
    headers.set("content-range", `bytes */${size}`);
    return plain(416, headers);
  }
  headers.set("content-range", `bytes ${start}-${end}/${size}`);
  headers.set("content-length", `${end - start + 1}`);
  return answer(206, await openRange(filePath, start, end), headers);
}

/**
 * Answers with a file of a folder; for a folder, with its `index.html` or a list
 * of what is in it; or redirects (301) to the one right URL: a folder's ends in
 * a slash, a file's does not, and there are no empty or dot segments.
 *
 * Symbolic links are followed, out of the folder as well.
 *
 * @param req The request.
 * @param opts See {@linkcode ServeDirOptions}.
 * @returns An answer whatever happens: 500 if it was not foreseen, as a URL that
 * cannot be decoded.
 * @throws {TypeError} If `opts.headers` has no header.
 */
export async function serveDir(
  req: Request,
  opts: ServeDirOptions = {},
): Promise<Response> {
  if (!isAllowed(req)) return methodNotAllowed();
  let response: Response;
  try {
    response = await serveUrl(req, opts);
  } catch (error) {
    if (!opts.quiet) logError(error);
    response = plain(error instanceof Deno.errors.NotFound ? 404 : 500);
  }
  if (!opts.quiet) logRequest(req, response.status);
  // A redirection's headers cannot be changed, and a 304 repeats none of these.
  if (response.status >= 300 && response.status < 400) return response;
  try {
    addHeaders(response.headers, opts);
  } catch (error) {
    await response.body?.cancel(); // Or the file would stay open.
    throw error;
  }
  return response;
}

/** The answer of {@linkcode serveDir}, without the headers that options add. */
async function serveUrl(
  req: Request,
  opts: ServeDirOptions,
): Promise<Response> {
  const { fsRoot = ".", urlRoot, showDotfiles = false, etagAlgorithm } = opts;
  const url = new URL(req.url);
  const decoded = decodeURIComponent(url.pathname);
  // No separator in a URL, but one on Windows.
  if (decoded.includes("\\")) return plain(404);
  let path = normalize(decoded);
  if (urlRoot && !path.startsWith(`/${urlRoot}`)) return plain(404);
  if (path !== decoded) return redirect(url, path);
  if (urlRoot) path = path.replace(urlRoot, "");
  // The slash after urlRoot is not asked for: `/static../secret` would leave.
  if (path.split("/").includes("..")) return plain(404);
  if (!showDotfiles && path.includes("/.")) return plain(404);
  // The system finds no file by a path that ends in a slash.
  path = join(fsRoot, path.replace(/\/$/, ""));

  if (opts.cleanUrls && !path.endsWith(".html")) {
    if (!await statIfAny(path)) path += ".html";
  }
  const fileInfo = await Deno.stat(path);
  const hasSlash = url.pathname.endsWith("/");
  if (fileInfo.isFile && hasSlash) {
    return redirect(url, url.pathname.slice(0, -1));
  }
  if (!fileInfo.isDirectory) {
    return serveFile(req, path, { etagAlgorithm, fileInfo });
  }
  // Relative links in a folder's page would start from the folder above.
  if (!hasSlash) return redirect(url, `${url.pathname}/`);
  return serveFolder(req, path, opts);
}

async function serveFolder(
  req: Request,
  path: string,
  opts: ServeDirOptions,
): Promise<Response> {
  const { fsRoot = ".", showDotfiles = false, etagAlgorithm } = opts;
  if (opts.showIndex ?? true) {
    const index = join(path, "index.html");
    const fileInfo = await statIfAny(index, Deno.lstat);
    if (fileInfo?.isFile) {
      return serveFile(req, index, { etagAlgorithm, fileInfo });
    }
  }
  if (!opts.showDirListing) return plain(404);
  const onError = (error: unknown) => opts.quiet || logError(error);
  const page = await listing(path, { root: fsRoot, showDotfiles, onError });
  const headers = baseHeaders("text/html; charset=UTF-8");
  if (req.method === "GET") return answer(200, page, headers);
  headers.set("content-length", `${new TextEncoder().encode(page).length}`);
  return answer(200, null, headers);
}

async function statIfAny(
  path: string,
  stat = Deno.stat,
): Promise<Deno.FileInfo | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A tag for files without `mtime`: on Deno Deploy, all are as old as this. */
function deploymentTag(): Promise<string | undefined> | undefined {
  const variable = "DENO_DEPLOYMENT_ID";
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  const id = state === "granted" && Deno.env.get(variable);
  return id ? eTag(id, { weak: true }) : undefined;
}

/** RFC 9110, section 13.2.2: a list of tags goes before a date, in seconds. */
function isNotModified(req: Request, mtime: Date | null, tag?: string) {
  const tags = req.headers.get("if-none-match");
  if (tags !== null) return !ifNoneMatch(tags, tag);
  const since = req.headers.get("if-modified-since");
  return mtime && since && mtime.getTime() < Date.parse(since) + 1000;
}

/**
 * The bytes that `Range` asks for (RFC 9110, section 14.1.2), which may lie beyond
 * the file, or `null` for all of them: without the header, and for several ranges,
 * another unit or a mistake (section 14.2 lets a server ignore these).
 */
function parseRange(req: Request, size: number) {
  const header = req.headers.get("range");
  const [, start, end] = header?.match(/bytes=(\d*)-(\d*)$/) ?? [];
  if (!start && !end) return null;
  if (!start) return { start: size - Number(end), end: size - 1 };
  return { start: Number(start), end: end ? Number(end) : size - 1 };
}

async function openRange(path: string, start: number, end: number) {
  const file = await Deno.open(path);
  try {
    await file.seek(start, Deno.SeekMode.Start);
  } catch (error) {
    file.close();
    throw error;
  }
  return file.readable.pipeThrough(new ByteSliceStream(0, end - start));
}

function addHeaders(headers: Headers, opts: ServeDirOptions): void {
  if (opts.enableCors) {
    const allowed = "Origin, X-Requested-With, Content-Type, Accept, Range";
    headers.append("access-control-allow-origin", "*");
    headers.append("access-control-allow-headers", allowed);
  }
  for (const header of opts.headers ?? []) {
    const [name, ...value] = header.split(":");
    headers.append(name, value.join(":"));
  }
}

function baseHeaders(type: string | undefined): Headers {
  const headers = new Headers({ server: "deno", "accept-ranges": "bytes" });
  if (type) headers.set("content-type", type);
  return headers;
}

function answer(status: number, body: BodyInit | null, headers?: HeadersInit) {
  const statusText = STATUS_TEXT[status];
  return new Response(body, { status, statusText, headers });
}

const plain = (status: number, headers?: HeadersInit) =>
  answer(status, STATUS_TEXT[status], headers);

const isAllowed = (req: Request) => ["GET", "HEAD"].includes(req.method);
// RFC 9110, section 15.5.6, wants `Allow`.
const methodNotAllowed = () => plain(405, { allow: "GET, HEAD" });

function redirect(url: URL, pathname: string): Response {
  url.pathname = pathname;
  return Response.redirect(url, 301);
}

// `debug`, so that a debugger can hide the requests.
function logRequest(req: Request, status: number): void {
  const [date, time] = new Date().toISOString().split(/[T.]/);
  const { pathname, search } = new URL(req.url);
  const what = `[${req.method}] ${pathname}${search} ${status}`;
  console.debug(`[${date} ${time}] ${what}`);
}

function logError(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  console.error(`%c${message}`, "color: red");
}
