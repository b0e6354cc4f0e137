/** std/http, the stand-in for `@std/http/file-server`, in-process and as a server. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  serveDir,
  type ServeDirOptions,
  serveFile,
} from "@std/http/file-server";
import { bytes, PATIENCE } from "./harness.ts";

const ROOT = await Deno.makeTempDir({ prefix: "std-http-" });
Deno.test.afterAll(() => Deno.remove(ROOT, { recursive: true }));

const POSIX = Deno.build.os !== "windows";
const LINUX = Deno.build.os === "linux";

/** Text of ten bytes, written at a time with half a second in it. */
const TEN = `${ROOT}/ten.txt`;
const WRITTEN = new Date("2024-02-29T12:00:00.500Z");
const LAST_MODIFIED = "Thu, 29 Feb 2024 12:00:00 GMT";

for (
  const folder of ["sub/deep", "index", "odd/index.html", ".hidden", "ten"]
) {
  await Deno.mkdir(`${ROOT}/${folder}`, { recursive: true });
}
for (
  const [name, text] of Object.entries({
    "ten.txt": "0123456789",
    "empty.txt": "",
    "sub/two.txt": "two",
    "index/index.html": "<p>index</p>",
    "page.html": "<p>page</p>",
    "ten.html": "<p>hidden by ten/</p>",
    ".dot": "dot",
    ".hidden/file": "hidden",
    "sub/.dot": "dot",
    "missing.html.html": "<p>html twice</p>",
    "static.txt": "static",
    "bytes.unknown": "?",
  })
) await Deno.writeTextFile(`${ROOT}/${name}`, text);
await Deno.utime(TEN, WRITTEN, WRITTEN);

interface Answer {
  status: number;
  text: string;
  headers: Headers;
}

/** Asks serveDir for a path, or a whole URL, and reads the answer. */
async function ask(
  path: string,
  init: RequestInit = {},
  options: ServeDirOptions = {},
): Promise<Answer> {
  const request = new Request(new URL(path, "http://localhost"), init);
  const response = await serveDir(request, {
    fsRoot: ROOT,
    quiet: true,
    ...options,
  });
  const { status, headers } = response;
  assertEquals(response.statusText === "", status === 301);
  return { status, headers, text: await response.text() };
}

const list = (path: string, options: ServeDirOptions = {}) =>
  ask(path, {}, { showDirListing: true, ...options });

/** The links of a listing's table, as a browser follows and shows them. */
function links(page: string): { href: string; name: string }[] {
  const plain = (text: string) =>
    text.replace(
      /&(lt|gt|quot|#39|amp);/g,
      (_, name) =>
        ({ lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" })[name as "lt"],
    );
  return [...page.matchAll(/<td>\s*<a href="([^"]*)">([^<]*)<\/a>\s*<\/td>/g)]
    .map(([, href, name]) => ({ href: plain(href), name: plain(name) }));
}

const TAG = (await ask("/ten.txt")).headers.get("etag")!;

Deno.test("serveDir answers a file with its bytes and all that caches need", async () => {
  const { status, text, headers } = await ask("/ten.txt?any=query#hash");
  assertEquals([status, text], [200, "0123456789"]);
  assertMatch(TAG, /^W\/"a-[\w+/]{27}"$/);
  assertEquals(Object.fromEntries(headers), {
    "accept-ranges": "bytes",
    "content-length": "10",
    "content-type": "text/plain; charset=UTF-8",
    "etag": TAG,
    "last-modified": LAST_MODIFIED,
    "server": "deno",
  });
});

Deno.test("serveDir derives the media type from the name's end", async () => {
  for (
    const [path, type] of [
      ["/page.html", "text/html; charset=UTF-8"],
      ["/sub/two.txt", "text/plain; charset=UTF-8"],
      ["/bytes.unknown", null],
    ] as const
  ) assertEquals((await ask(path)).headers.get("content-type"), type, path);
});

const NOT_SATISFIABLE = "Range Not Satisfiable";
const ALL = "0123456789";
for (
  const [range, status, text, contentRange] of [
    ["bytes=0-0", 206, "0", "bytes 0-0/10"],
    ["bytes=2-5", 206, "2345", "bytes 2-5/10"],
    ["bytes=9-9", 206, "9", "bytes 9-9/10"],
    ["bytes=0-9", 206, ALL, "bytes 0-9/10"],
    ["bytes=5-", 206, "56789", "bytes 5-9/10"],
    ["bytes=0-", 206, ALL, "bytes 0-9/10"],
    ["bytes=-5", 206, "56789", "bytes 5-9/10"],
    ["bytes=-10", 206, ALL, "bytes 0-9/10"],
    ["bytes=-99", 206, ALL, "bytes 0-9/10"],
    ["bytes=8-99", 206, "89", "bytes 8-9/10"],
    ["bytes=8-99999999999999999999999", 206, "89", "bytes 8-9/10"],
    ["bytes=-0", 416, NOT_SATISFIABLE, "bytes */10"],
    ["bytes=10-", 416, NOT_SATISFIABLE, "bytes */10"],
    ["bytes=10-10", 416, NOT_SATISFIABLE, "bytes */10"],
    ["bytes=99999999999999999999999-", 416, NOT_SATISFIABLE, "bytes */10"],
    ["bytes=5-2", 416, NOT_SATISFIABLE, "bytes */10"],
    // Several ranges, another unit and mistakes are no range.
    ["bytes=0-1,4-5", 200, ALL, null],
    ["bytes=0-1, -1", 200, ALL, null],
    ["items=0-1", 200, ALL, null],
    ["bytes=-", 200, ALL, null],
    ["bytes=", 200, ALL, null],
    ["bytes=1", 200, ALL, null],
    ["bytes=a-b", 200, ALL, null],
    ["bytes=--1", 200, ALL, null],
    ["bytes=0x1-2", 200, ALL, null],
    ["0-1", 200, ALL, null],
  ] as const
) {
  Deno.test(`serveDir answers ${status} to the range ${range}`, async () => {
    const answer = await ask("/ten.txt", { headers: { range } });
    assertEquals([answer.status, answer.text], [status, text]);
    assertEquals(answer.headers.get("content-range"), contentRange);
    assertEquals(answer.headers.get("etag"), TAG);
    const length = answer.headers.get("content-length");
    assertEquals(length, status === 416 ? null : `${text.length}`);
  });
}

Deno.test("serveDir has no ranges of an empty file", async () => {
  for (const range of ["bytes=0-0", "bytes=0-", "bytes=-1", "bytes=5-2"]) {
    const answer = await ask("/empty.txt", { headers: { range } });
    assertEquals([answer.status, answer.text], [200, ""]);
    assertEquals(answer.headers.get("content-length"), "0");
  }
});

Deno.test("serveDir does not look at If-Range", async () => {
  for (const validator of ['"other"', LAST_MODIFIED, TAG]) {
    const headers = { range: "bytes=0-1", "if-range": validator };
    assertEquals((await ask("/ten.txt", { headers })).status, 206);
  }
});

const STRONG = TAG.replace("W/", "");
const later = new Date(+WRITTEN + 86_400_000).toUTCString();
const earlier = new Date(+WRITTEN - 1500).toUTCString();
for (
  const [what, headers, status] of [
    ["the tag", { "if-none-match": TAG }, 304],
    ["the tag without W/", { "if-none-match": STRONG }, 304],
    ["a list with the tag", { "if-none-match": `"a", ${TAG},"b"` }, 304],
    ["any tag", { "if-none-match": "*" }, 304],
    ["another tag", { "if-none-match": 'W/"a-other"' }, 200],
    ["a list of others", { "if-none-match": '"a", W/"b"' }, 200],
    ["the date", { "if-modified-since": LAST_MODIFIED }, 304],
    ["a later date", { "if-modified-since": later }, 304],
    ["an earlier date", { "if-modified-since": earlier }, 200],
    ["no date", { "if-modified-since": "yesterday" }, 200],
    [
      "no tag and the date",
      { "if-none-match": "", "if-modified-since": LAST_MODIFIED },
      200,
    ],
    [
      "another tag and the date",
      { "if-none-match": '"a"', "if-modified-since": LAST_MODIFIED },
      200,
    ],
    [
      "the tag and an earlier date",
      { "if-none-match": TAG, "if-modified-since": earlier },
      304,
    ],
    ["the tag and a range", { "if-none-match": TAG, range: "bytes=0-0" }, 304],
    ["the tag and no such range", {
      "if-none-match": TAG,
      range: "bytes=99-",
    }, 304],
    ["another tag and a range", {
      "if-none-match": '"a"',
      range: "bytes=0-0",
    }, 206],
  ] as [string, Record<string, string>, number][]
) {
  Deno.test(`serveDir answers ${status} to who has ${what}`, async () => {
    const answer = await ask("/ten.txt", { headers });
    assertEquals(answer.status, status);
    assertEquals(answer.headers.get("etag"), TAG);
    assertEquals(answer.headers.get("last-modified"), LAST_MODIFIED);
    if (status === 304) assertEquals(answer.text, "");
  });
}

Deno.test("serveDir answers HEAD like GET, without the body", async () => {
  const options = { showDirListing: true };
  for (const path of ["/ten.txt", "/empty.txt", "/index/", "/sub/", "/sub"]) {
    const get = await ask(path, {}, options);
    const head = await ask(path, { method: "HEAD" }, options);
    assertEquals([head.status, head.text], [get.status, ""], path);
    if (get.status === 200) {
      get.headers.set("content-length", `${get.text.length}`);
    }
    assertEquals([...head.headers], [...get.headers]);
  }
  const headers = { range: "bytes=0-1", "if-none-match": TAG };
  const head = await ask("/ten.txt", { method: "HEAD", headers });
  assertEquals([head.status, head.headers.get("content-length")], [200, "10"]);
});

Deno.test("serveDir and serveFile answer 405 with Allow to other methods", async () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
    const init = { method, body: method === "POST" ? "body" : undefined };
    const request = new Request("http://localhost/ten.txt", init);
    for (
      const response of [
        await serveDir(new Request(request.url, init), { enableCors: true }),
        await serveFile(request, TEN),
      ]
    ) {
      assertEquals(response.status, 405);
      assertEquals(response.statusText, "Method Not Allowed");
      assertEquals(response.headers.get("allow"), "GET, HEAD");
      assertEquals(await response.text(), "Method Not Allowed");
    }
  }
});

Deno.test("serveFile lets go of a body that it does not read", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const body = new ReadableStream({ cancel: () => resolve() });
  const request = new Request("http://localhost/", { method: "PUT", body });
  assertEquals((await serveFile(request, TEN)).status, 405);
  await promise;
});

Deno.test("serveFile answers 404 for nothing and for a folder", async () => {
  for (const path of [`${ROOT}/nothing`, `${ROOT}/sub`, `${ROOT}/index/`]) {
    const response = await serveFile(new Request("http://localhost/"), path);
    assertEquals([response.status, await response.text()], [404, "Not Found"]);
  }
});

Deno.test("serveFile throws what it cannot answer", async () => {
  await assertRejects(
    () => serveFile(new Request("http://localhost/"), `${TEN}/below`),
    Deno.errors.NotADirectory,
  );
});

Deno.test("serveFile takes the caller's word for the file", async () => {
  const fileInfo = { ...await Deno.stat(TEN), size: 4 };
  const headers = { range: "bytes=-2" };
  const request = new Request("http://localhost/", { headers });
  const response = await serveFile(request, TEN, { fileInfo });
  assertEquals(await response.text(), "23");
  assertEquals(response.headers.get("content-range"), "bytes 2-3/4");
});

Deno.test("serveFile tags files without a date by their deployment", async () => {
  const fileInfo = { ...await Deno.stat(TEN), mtime: null };
  const tag = async (headers = {}) => {
    const request = new Request("http://localhost/", { headers });
    const response = await serveFile(request, TEN, { fileInfo });
    await response.body?.cancel();
    assertEquals(response.headers.get("last-modified"), null);
    return [response.status, response.headers.get("etag")];
  };
  assertEquals(await tag({ "if-modified-since": later }), [200, null]);
  Deno.env.set("DENO_DEPLOYMENT_ID", "third");
  try {
    const [, found] = await tag();
    assertMatch(`${found}`, /^W\/"5-[\w+/]{27}"$/);
    assertEquals(await tag({ "if-none-match": found }), [304, found]);
  } finally {
    Deno.env.delete("DENO_DEPLOYMENT_ID");
  }
});

for (
  const [path, location] of [
    ["/sub", "/sub/"],
    ["/sub?a=/b", "/sub/?a=/b"],
    ["/index", "/index/"],
    ["/ten.txt/", "/ten.txt"],
    ["/ten.txt/?a", "/ten.txt?a"],
    ["/ten.txt//", "/ten.txt/"],
    ["//sub///deep//", "/sub/deep/"],
    ["/%2F..%2F..%2F..", "/"],
    ["/sub%2F..%2Ften.txt", "/ten.txt"],
    ["//evil.example", "/evil.example"],
  ]
) {
  Deno.test(`serveDir redirects ${path} to ${location} of the same host`, async () => {
    const { status, headers } = await ask(`http://host:8${path}`);
    assertEquals(status, 301);
    assertEquals(headers.get("location"), `http://host:8${location}`);
  });
}

Deno.test("serveDir never leaves its folder by way of the URL", async () => {
  const fsRoot = `${ROOT}/sub`;
  for (
    const path of [
      "/../ten.txt",
      "/%2e%2e/ten.txt",
      "/..%5Cten.txt",
      "/deep/..%5C..%5Cten.txt",
      "/%252e%252e/ten.txt",
      "/deep/%2e%2e/%2e%2e/ten.txt",
    ]
  ) {
    const { status } = await ask(path, {}, { fsRoot, showDotfiles: true });
    assertEquals(status, 404, path);
  }
  // "static" is followed by anything, dots too.
  const options = { fsRoot, urlRoot: "static", showDotfiles: true };
  for (const path of ["/static../ten.txt", "/static..", "/static../sub/"]) {
    assertEquals((await ask(path, {}, options)).status, 404, path);
  }
});

for (
  const [what, path] of [
    ["half an escape", "/%"],
    ["an escape that is none", "/100%zz"],
    ["bytes that are not UTF-8", "/%ff"],
    ["a NUL", "/ten%00.txt"],
    ["a file below a file", "/ten.txt/below"],
    ["a name too long", `/${"n".repeat(300)}`],
  ]
) {
  Deno.test(`serveDir answers 500 to ${what}`, async () => {
    const { status, text } = await ask(path);
    assertEquals([status, text], [500, "Internal Server Error"]);
  });
}

const ODD = [
  "a space",
  "hash#1",
  "question?mark",
  "100%",
  "%41",
  "%2e%2e",
  'double"quote',
  "single'quote",
  "<b>bold",
  "a&amp;b",
  "😀",
  "é",
  "new\nline",
  "scheme:name",
  "semi;colon",
  "plus+plus",
  "~tilde",
].filter((name) => POSIX || !/[<>:"?\n]/.test(name));

Deno.test("serveDir lists odd names so that each can be followed", async () => {
  await Deno.mkdir(`${ROOT}/names`);
  for (const name of ODD) {
    await Deno.writeTextFile(`${ROOT}/names/${name}`, `in ${name}`);
  }
  const { text } = await list("/names/");
  const found = links(text).filter(({ name }) => name !== "../");
  assertEquals(found.map(({ name }) => name).sort(), [...ODD].sort());
  for (const { href, name } of found) {
    const file = await ask(`/names/${href}`);
    assertEquals([file.status, file.text], [200, `in ${name}`]);
    const below = await ask(`/names/${href}/`);
    assertEquals(
      below.headers.get("location"),
      `${new URL(`http://localhost/names/${href}`)}`,
    );
  }
  assert(!/<b>bold|single'quote/.test(text), "no name is markup");
});

Deno.test("serveDir lists an odd folder below its escaped name", async () => {
  const name = POSIX ? '<i> & "b"' : "a & b";
  await Deno.mkdir(`${ROOT}/${name}/c`, { recursive: true });
  const { text } = await list(`/${encodeURIComponent(name)}/c/`);
  const heading = text.match(/<h1>([^]*)<\/h1>/)![1];
  const shown = name.replaceAll("&", "&amp;").replaceAll('"', "&quot;")
    .replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  assertEquals(
    heading,
    'Index of <a href="../../">home</a>/' +
      `<a href="../">${shown}</a>/<a href=".">c</a>/`,
  );
});

Deno.test("serveDir lists modes, sizes and names, folders with a slash, by name", async () => {
  const { status, text, headers } = await list("/sub/");
  assertEquals(status, 200);
  assertEquals(headers.get("content-type"), "text/html; charset=UTF-8");
  assertEquals(links(text), [
    { href: "..", name: "../" },
    { href: "./deep/", name: "deep/" },
    { href: "./two.txt", name: "two.txt" },
  ]);
  const cells = [...text.matchAll(/<td class="(mode|size)">(.*?)<\/td>/g)];
  const sizes = cells.filter(([, kind]) => kind === "size");
  assertEquals(sizes.map(([, , size]) => size), ["", "", "3 B"]);
  if (POSIX) {
    assertMatch(cells.at(-2)![2], /^- (rw-|r--) (r..|---) (r..|---) $/);
    assertMatch(cells.at(-4)![2], /^d rwx (r.x|---) (r.x|---) $/);
  }
});

Deno.test("serveDir lists capital letters among the small ones", async () => {
  await Deno.mkdir(`${ROOT}/letters`);
  for (const name of ["b", "C", "a", "D"]) {
    await Deno.writeTextFile(`${ROOT}/letters/${name}`, "");
  }
  const { text } = await list("/letters/");
  const names = links(text).map(({ name }) => name);
  assertEquals(names, ["../", "a", "b", "C", "D"]);
});

Deno.test("serveDir lists its own folder without a way up", async () => {
  for (const path of ["/", "/..", "/sub/../"]) {
    const { text } = await list(path);
    assertStringIncludes(text, '<a href="./sub/">sub/</a>');
    assert(!text.includes("../"));
  }
  const { text } = await list("/", { fsRoot: `${ROOT}/sub` });
  assert(!text.includes("../"));
});

Deno.test({
  name: "serveDir follows links, out of its folder too, but not to an index",
  ignore: !POSIX,
  fn: async () => {
    const fsRoot = `${ROOT}/links`;
    await Deno.mkdir(fsRoot);
    await Deno.symlink("../ten.txt", `${fsRoot}/out.txt`);
    await Deno.symlink("../sub", `${fsRoot}/folder`);
    await Deno.symlink("../page.html", `${fsRoot}/index.html`);
    const get = async (path: string) => (await ask(path, {}, { fsRoot })).text;
    assertEquals(await get("/out.txt"), ALL);
    assertEquals(await get("/folder/two.txt"), "two");
    assertEquals(await get("/index.html"), "<p>page</p>");
    assertEquals(await get("/"), "Not Found");
  },
});

Deno.test({
  name: "serveDir lists a link to nowhere, and says why it knows no more",
  ignore: !POSIX,
  fn: async () => {
    await Deno.mkdir(`${ROOT}/broken`);
    await Deno.symlink("nowhere", `${ROOT}/broken/link`);
    for (const quiet of [false, true]) {
      const { errors } = await logged(async () => {
        const { text } = await list("/broken/", { quiet });
        assertStringIncludes(text, "(unknown mode)");
        assertEquals(links(text).at(-1), { href: "./link", name: "link" });
      });
      assertEquals(errors.length, quiet ? 0 : 1);
      if (!quiet) assertMatch(errors[0][0], /^%c.*broken.link/);
    }
  },
});

Deno.test({
  name: "serveDir has no file with a backslash in its name",
  ignore: !POSIX,
  fn: async () => {
    await Deno.writeTextFile(`${ROOT}/sub/back\\slash`, "");
    assertEquals((await ask("/sub/back%5Cslash")).status, 404);
  },
});

Deno.test("serveDir answers a folder with its index, unless told not to", async () => {
  for (const options of [{}, { showIndex: true }, { showDirListing: true }]) {
    const { status, text, headers } = await ask("/index/", {}, options);
    assertEquals([status, text], [200, "<p>index</p>"]);
    assertEquals(headers.get("content-type"), "text/html; charset=UTF-8");
  }
  assertEquals((await ask("/index/", {}, { showIndex: false })).status, 404);
  const { text } = await list("/index/", { showIndex: false });
  assertEquals(links(text).map(({ name }) => name), ["../", "index.html"]);
  // A folder of that name is no index.
  assertEquals((await ask("/odd/")).status, 404);
  assertStringIncludes((await list("/odd/")).text, "index.html/");
});

Deno.test("serveDir lists no folder unless told to", async () => {
  const { status, text } = await ask("/sub/");
  assertEquals([status, text], [404, "Not Found"]);
});

Deno.test("serveDir hides what is below a dotfile's name, unless told not to", async () => {
  const showDotfiles = true;
  for (
    const path of [
      "/.dot",
      "/sub/.dot",
      "/.hidden/file",
      "/.hidden",
      "/.hidden/",
    ]
  ) {
    assertEquals((await list(path)).status, 404, path);
    const { status } = await list(path, { showDotfiles });
    assertEquals(status, path === "/.hidden" ? 301 : 200, path);
  }
  const names = async (options = {}) =>
    links((await list("/", options)).text).map(({ name }) => name);
  assertEquals((await names()).filter((name) => /^\./.test(name)), []);
  const all = await names({ showDotfiles });
  assertEquals(all.slice(0, 2), [".dot", ".hidden/"]);
});

for (
  const [urlRoot, path, status, text] of [
    ["files", "/files/ten.txt", 200, ALL],
    ["files", "/files", 301, ""],
    ["files", "/ten.txt", 404, "Not Found"],
    ["files", "/", 404, "Not Found"],
    ["files", "/files/files/ten.txt", 404, "Not Found"],
    ["a/b", "/a/b/sub/two.txt", 200, "two"],
    ["sub", "/sub/../ten.txt", 404, "Not Found"],
    ["", "/ten.txt", 200, ALL],
  ] as const
) {
  Deno.test(`serveDir below "${urlRoot}" answers ${status} to ${path}`, async () => {
    const answer = await ask(path, {}, { urlRoot });
    assertEquals([answer.status, answer.text], [status, text]);
  });
}

Deno.test("serveDir serves the current folder by default, and relative ones", async () => {
  const cwd = Deno.cwd();
  Deno.chdir(ROOT);
  try {
    const request = new Request("http://localhost/two.txt");
    const there = await serveDir(request, { fsRoot: "sub", quiet: true });
    assertEquals(await there.text(), "two");
    const url = "http://localhost/sub/";
    const options = { showDirListing: true, quiet: true };
    const page = await (await serveDir(new Request(url), options)).text();
    assertEquals(links(page).map(({ name }) => name)[0], "../");
  } finally {
    Deno.chdir(cwd);
  }
});

for (
  const [path, status, text] of [
    ["/page", 200, "<p>page</p>"],
    ["/page.html", 200, "<p>page</p>"],
    ["/page/", 301, ""],
    ["/ten.txt", 200, ALL],
    ["/ten", 301, ""],
    ["/ten/", 404, "Not Found"],
    ["/nothing", 404, "Not Found"],
    ["/missing.html", 404, "Not Found"],
  ] as const
) {
  Deno.test(`serveDir with clean URLs answers ${status} to ${path}`, async () => {
    const answer = await ask(path, {}, { cleanUrls: true });
    assertEquals([answer.status, answer.text], [status, text]);
  });
}

Deno.test("serveDir needs the whole name without clean URLs", async () => {
  assertEquals((await ask("/page")).status, 404);
});

Deno.test("serveDir adds the caller's headers, but not to 301, 304 and 405", async () => {
  const options = {
    headers: ["X-A: one: two", "x-b:"],
    enableCors: true,
    showDirListing: true,
  };
  const conditional = { headers: { "if-none-match": TAG } };
  for (
    const [path, init, adds] of [
      ["/ten.txt", {}, true],
      ["/ten.txt", { headers: { range: "bytes=99-" } }, true],
      ["/", {}, true],
      ["/nothing", {}, true],
      ["/%", {}, true],
      ["/sub", {}, false],
      ["/ten.txt", conditional, false],
      ["/ten.txt", { method: "POST" }, false],
    ] as [string, RequestInit, boolean][]
  ) {
    const { headers } = await ask(path, init, options);
    assertEquals(headers.get("x-a"), adds ? "one: two" : null, path);
    assertEquals(headers.get("x-b"), adds ? "" : null);
    const origin = headers.get("access-control-allow-origin");
    assertEquals(origin, adds ? "*" : null);
  }
});

Deno.test("serveDir lets scripts of other sites in only if told to", async () => {
  const shared = (await ask("/ten.txt", {}, { enableCors: true })).headers;
  assertMatch(shared.get("access-control-allow-headers")!, /\bRange\b/);
  const { headers } = await ask("/ten.txt");
  assertEquals([...headers.keys()].filter((name) => /^access/.test(name)), []);
});

Deno.test("serveDir tags with the hash it is told", async () => {
  const tag = async (etagAlgorithm: string) =>
    (await ask("/ten.txt", {}, { etagAlgorithm })).headers.get("etag");
  assertEquals(await tag("SHA-256"), TAG);
  assertMatch((await tag("SHA-1"))!, /^W\/"a-[\w+/]{27}"$/);
  assert(await tag("SHA-1") !== TAG);
  const unknown = await ask("/ten.txt", {}, { etagAlgorithm: "MD5" });
  assertEquals(unknown.status, 500);
});

/** What is logged meanwhile. */
async function logged(
  act: () => Promise<unknown>,
): Promise<{ requests: string[]; errors: string[][] }> {
  const { debug, error } = console;
  const requests: string[] = [], errors: string[][] = [];
  console.debug = (line) => void requests.push(line);
  console.error = (...words) => void errors.push(words);
  try {
    await act();
  } finally {
    Object.assign(console, { debug, error });
  }
  return { requests, errors };
}

Deno.test("serveDir logs one line a request, and what went wrong", async () => {
  const { requests, errors } = await logged(async () => {
    await ask("/ten.txt?a=b", {}, { quiet: false });
    await ask("/nothing", { method: "HEAD" }, { quiet: false });
    await ask("/%", {}, { quiet: false });
  });
  const lines = requests.map((line) =>
    line.match(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] (.*)$/)?.[1]
  );
  assertEquals(lines, [
    "[GET] /ten.txt?a=b 200",
    "[HEAD] /nothing 404",
    "[GET] /% 500",
  ]);
  assertEquals(errors.length, 2);
  for (const words of errors) assertEquals(words.slice(1), ["color: red"]);
  assertMatch(errors[0][0], /^%c.*nothing/);
});

Deno.test("serveDir logs nothing when it is to be quiet", async () => {
  const { requests, errors } = await logged(async () => {
    for (const path of ["/ten.txt", "/nothing", "/%", "/sub"]) await ask(path);
  });
  assertEquals([requests, errors], [[], []]);
});

Deno.test("serveDir and serveFile take no misspelt option", async () => {
  const request = new Request("http://localhost/nothing");
  // @ts-expect-error: refused by the types is what is tested; it is fsRoot
  await (await serveDir(request, { fsroot: ROOT, quiet: true })).text();
  // @ts-expect-error: refused by the types is what is tested; it is fileInfo
  await (await serveFile(request, "nothing", { fileinfo: null })).text();
});

/** The descriptors that this process has of files below ROOT. */
function descriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name)
    .filter((name) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(ROOT);
      } catch {
        return false; // The one that has just read this folder.
      }
    });
}

/** Waits until all are closed: a read that is under way keeps its file a little. */
async function allClosed(when: string): Promise<void> {
  const limit = Date.now() + PATIENCE;
  while (descriptors().length > 0) {
    assert(Date.now() < limit, `still open: ${when}`);
    await new Promise((resume) => setTimeout(resume, 5));
  }
}

/** A file of that many zeros, which takes no space. */
async function sparse(size: number): Promise<string> {
  const path = `${ROOT}/sparse`;
  await Deno.writeTextFile(path, "");
  await Deno.truncate(path, size);
  return path;
}

Deno.test({
  name: "serveFile closes the file however the answer ends",
  ignore: !LINUX,
  fn: async () => {
    const big = await sparse(2 ** 30);
    for (const range of ["", "bytes=5-", "bytes=-1000000", "bytes=0-0"]) {
      const headers = range ? { range } : undefined;
      const open = () =>
        serveFile(new Request("http://localhost/", { headers }), big);
      await (await open()).body!.cancel();
      await allClosed("cancelled at once");
      const reader = (await open()).body!.getReader();
      await reader.read();
      await reader.cancel();
      await allClosed("cancelled after a chunk");
    }
    for (const headers of [{}, { range: "bytes=3-4" }] as HeadersInit[]) {
      await ask("/ten.txt", { headers });
      await allClosed("read to its end");
    }
  },
});

Deno.test({
  name: "serveDir opens no file that it does not send",
  ignore: !LINUX,
  fn: async () => {
    for (
      const init of [
        { method: "HEAD" },
        { method: "POST" },
        { headers: { "if-none-match": TAG } },
        { headers: { range: "bytes=99-" } },
      ] as RequestInit[]
    ) {
      const request = new Request("http://localhost/ten.txt", init);
      await serveDir(request, { fsRoot: ROOT, quiet: true });
      assertEquals(descriptors(), []);
    }
  },
});

Deno.test("serveDir closes the file if a header of the caller is none", async () => {
  await assertRejects(
    () => ask("/ten.txt", {}, { headers: ["no name: value"] }),
    TypeError,
  );
});

Deno.test({
  name: "serveFile reads a file no faster than it is taken",
  ignore: !LINUX,
  fn: async () => {
    const big = await sparse(2 ** 30);
    for (const headers of [{}, { range: "bytes=5-" }] as HeadersInit[]) {
      const request = new Request("http://localhost/", { headers });
      const reader = (await serveFile(request, big)).body!.getReader();
      await reader.read();
      const [descriptor] = descriptors();
      const info = Deno.readTextFileSync(`/proc/self/fdinfo/${descriptor}`);
      const position = Number(info.match(/^pos:\s*(\d+)/)![1]);
      assert(position > 0 && position < 2 ** 20, `at ${position}`);
      await reader.cancel();
    }
  },
});

/** serveDir as a server, and what it answers to the target, as it is written. */
function listen() {
  const options = { port: 0, hostname: "127.0.0.1", onListen() {} };
  const server = Deno.serve(
    options,
    (request) => serveDir(request, { fsRoot: ROOT, quiet: true }),
  );
  const get = async (target: string, header = "Accept: */*") => {
    const conn = await Deno.connect({ port: server.addr.port });
    const head = [`GET ${target} HTTP/1.1`, "Host: h", "Connection: close"];
    const request = [...head, header, "", ""].join("\r\n");
    await conn.write(bytes(request));
    return conn;
  };
  return { get, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("serveDir answers requests on the wire, as they are written", async () => {
  await using server = listen();
  const get = async (target: string, header?: string) =>
    await new Response((await server.get(target, header)).readable).text();
  const whole = await get("/sub/../ten.txt");
  assertMatch(whole, /^HTTP\/1\.1 200 OK\r\n/);
  assertMatch(whole, /\r\ndate: .* GMT\r\n[^]*\r\n\r\n0123456789$/);
  const part = await get("/ten.txt", "Range: bytes=-3");
  assertMatch(part, /^HTTP\/1\.1 206 [^]*content-length: 3\r\n[^]*\n789$/);
  assertMatch(await get("/ten.txt", `If-None-Match: ${TAG}`), /^HTTP\S+ 304 /);
  assertMatch(await get("/sub"), /\r\nlocation: http:\/\/h\/sub\/\r\n/i);
  assertMatch(await get("/%"), /^HTTP\/1\.1 500 /);
});

Deno.test({
  name: "serveDir closes the file when a client breaks off",
  ignore: !LINUX,
  fn: async () => {
    await sparse(2 ** 30);
    await using server = listen();
    for (const range of ["Range: bytes=5-", "Range: all"]) {
      const conn = await server.get("/sparse", range);
      await conn.read(new Uint8Array(4096));
      assert(descriptors().length > 0, "it is being sent");
      conn.close();
      await allClosed("the client has left");
    }
  },
});
