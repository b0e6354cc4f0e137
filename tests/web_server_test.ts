import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { handle, serve as serveFolder } from "../scripts/web_server.ts";
import { write } from "../scripts/encoding.ts";
import {
  bytes,
  copyOut,
  limit,
  PATIENCE,
  Program,
  python,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";

const SERVER = "web_server";
const LINUX = Deno.build.os === "linux";
/** What is in every file, and in the names in every folder, that no client may see. */
const SECRET = "TRES-SECRET";
const PAGE = "bonjour\n";
const DATE = new Date("Wed, 21 Oct 2015 07:28:00 GMT");

type Server = Program & { address: string[] };

const portOf = (server: Server) => Number(server.address[1]);

/** A test that needs what only Linux has: `/proc`, or sparse files. */
function testOnLinux(name: string, fn: () => Promise<void>) {
  const why = LINUX ? "" : " (ignored: this system is not Linux)";
  Deno.test({ name: name + why, ignore: !LINUX, fn });
}

/** Waits until `condition` holds, for what no program announces. */
async function eventually(
  condition: () => boolean | Promise<boolean>,
  what: string,
) {
  const limit = performance.now() + PATIENCE;
  while (!(await condition())) {
    assert(performance.now() < limit, `Waited in vain for ${what}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

/** A folder that goes when the test ends, and what to make in it. */
async function folder(files: Record<string, string | Uint8Array> = {}) {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "web-" }));
  for (const [name, content] of Object.entries(files)) {
    const file = `${path}/${name}`;
    await Deno.mkdir(file.replace(/[^/]+$/, ""), { recursive: true });
    await Deno.writeFile(
      file,
      typeof content === "string" ? bytes(content) : content,
    );
  }
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** A folder `racine` to be served, full of traps, beside one that must stay unseen. */
async function trap() {
  const site = await folder({
    [`dehors/${SECRET}.txt`]: SECRET,
    "dehors/secret.txt": SECRET,
    "racine-bis/secret.txt": SECRET,
    "racine/page.txt": PAGE,
    "racine/vide": "",
    "racine/dossier/index.html": "<h1>Accueil</h1>",
    "racine/evil.example/page.txt": PAGE,
    "racine/liste/a&b.txt": "",
    "racine/liste/<img src=x onerror=alert(1)>": "",
    "racine/liste/\x1b[31m\n.txt": "",
    "racine/.env": SECRET,
    [`racine/.git/${SECRET}`]: "",
    "racine/.git/config": SECRET,
    "racine/dossier/.git/config": SECRET,
    "racine/.well-known/acme": PAGE,
    [`racine/.well-known/.${SECRET}`]: SECRET,
    "racine/.well-known/.secret": SECRET,
    "racine/.well-knownx": SECRET,
    [`racine/${"n".repeat(255)}`]: PAGE,
  });
  const root = `${site.path}/racine`;
  const links = {
    "dedans": "page.txt",
    "dedans-absolu": `${root}/page.txt`,
    "dossier-dedans": "dossier",
    "soi": ".",
    "dehors": "../dehors/secret.txt",
    "dehors-absolu": `${site.path}/dehors/secret.txt`,
    "dossier-dehors": "../dehors",
    "dessus": "..",
    "bis": "../racine-bis",
    "boucle": "boucle",
    "ping": "pong",
    "pong": "ping",
    "nulle-part": "rien",
    "vers-point": ".env",
    "vers-git": ".git",
    "vers-vers-point": "vers-point",
    "passwd": "/etc/passwd",
    "etc": "/etc",
    "zero": "/dev/zero",
    "null": "/dev/null",
    "vers-fifo": "fifo",
    ".well-known/vers-point": "../.env",
    "liste/nulle-part": "rien",
    "liste/dehors": "../../dehors",
    "index-dehors/index.html": "../../dehors/secret.txt",
    "index-nulle-part/index.html": "rien",
    "../dehors/retour": "../racine",
  };
  await Deno.mkdir(`${root}/index-fifo`);
  await Deno.mkdir(`${root}/index-dehors`);
  await Deno.mkdir(`${root}/index-nulle-part`);
  for (const [link, target] of Object.entries(links)) {
    await Deno.symlink(target, `${root}/${link}`);
  }
  const fifos = ["fifo", "liste/fifo", "index-fifo/index.html"];
  for (const fifo of fifos) {
    await new Deno.Command("mkfifo", { args: [`${root}/${fifo}`] }).output();
  }
  const socket = Deno.listen({ transport: "unix", path: `${root}/prise` });
  return {
    root,
    fifos: fifos.map((fifo) => `${root}/${fifo}`),
    [Symbol.asyncDispose]() {
      socket.close();
      return site[Symbol.asyncDispose]();
    },
  };
}

interface Answer {
  /** NaN if the connection was closed without one. */
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** All of it, bytes as characters. */
  raw: string;
}

/**
 * Sends bytes and reads to the end of the stream, which must come soon. A reset
 * ends it too: the server need not read all of what it refuses.
 */
async function send(
  port: number,
  request: string | Uint8Array,
  hostname = "127.0.0.1",
): Promise<Answer> {
  using conn = await Deno.connect({ port, hostname });
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    conn[Symbol.dispose]();
  }, 8000);
  const data = typeof request === "string" ? bytes(request) : request;
  const sending = write(conn, data).catch(() => {});
  const parts: Uint8Array<ArrayBuffer>[] = [];
  try {
    while (true) {
      const buffer = new Uint8Array(65536);
      const count = await conn.read(buffer);
      if (count === null) break;
      parts.push(buffer.subarray(0, count));
    }
  } catch { /* Reset, or too late. */ }
  clearTimeout(limit);
  conn[Symbol.dispose]();
  await sending;
  assert(!late, "no end of the answer within 8 s");
  const all = await new Blob(parts).bytes();
  const raw = new TextDecoder("latin1").decode(all);
  const end = raw.indexOf("\r\n\r\n");
  const [first, ...lines] = raw.slice(0, end).split("\r\n");
  const headers = lines.map((line) => line.split(/: (.*)/).slice(0, 2));
  return {
    status: Number(first.match(/^HTTP\/1\.[01] (\d{3}) /)?.[1]),
    headers: new Headers(headers as [string, string][]),
    body: all.subarray(end + 4),
    raw,
  };
}

/** Sends `GET /path`, or another method, with these header lines. */
function ask(port: number, line: string, headers: string[] = []) {
  const all = ["Host: x", "Connection: close", ...headers].join("\r\n");
  return send(port, `${line} HTTP/1.1\r\n${all}\r\n\r\n`);
}

/** A path whose segments are these names. */
const url = (name: string) => "/" + encodeURIComponent(name);

/** What holds for each answer, whatever was asked. */
function assertHarmless({ status, headers, raw }: Answer) {
  assert(!(status >= 500), raw);
  assert(!/TRES-SECRET|^root:/m.test(raw), raw);
  // A redirection stays on the host that was asked.
  const location = headers.get("location");
  if (location) assertMatch(location, /^http:\/\/x\//);
}

/** A request; its status, or those that are right; why; what is in the answer. */
type Row = [
  line: string,
  status: number | number[],
  why: string,
  part?: string,
];

const N = (count: number) => "n".repeat(count);

const ROWS: Record<string, Row[]> = {
  "web_server shows what is in its folder": [
    ["GET /page.txt", 200, "a file", `\r\n\r\n${PAGE}`],
    ["GET /vide", 200, "an empty file", "content-length: 0\r\n"],
    ["GET /", 200, "a list", ">page.txt</a>"],
    ["GET /dossier/", 200, "an index", "<h1>Accueil</h1>"],
    ["GET /dossier", 301, "a slash too few", "http://x/dossier/\r\n"],
    ["GET /page.txt/", 301, "a slash too many", "http://x/page.txt\r\n"],
    ["GET /dossier%2findex.html", 200, "an escaped slash", "Accueil"],
    ["GET /dossier%2f", 301, "an escaped slash at the end"],
    ["GET /%70age.txt", 200, "an escaped letter", PAGE],
    ["GET /page.txt?a=../..", 200, "dots in a query", PAGE],
    ["GET /page.txt?%00%zz", 200, "bad escapes in a query", PAGE],
    ["GET /page.txt#..", 200, "a fragment, which clients keep", PAGE],
    ["GET /dedans", 200, "a link inside", PAGE],
    ["GET /dedans-absolu", 200, "an absolute link inside", PAGE],
    ["GET /dossier-dedans/", 200, "a link to a folder inside", "Accueil"],
    ["GET /soi/soi/soi/page.txt", 200, "a link to the root", PAGE],
    ["GET /dossier-dehors/retour/page.txt", 200, "links out, and in", PAGE],
    ["GET /.well-known/acme", 200, ".well-known is public", PAGE],
    ["GET /.well-known/", [200, 404], "what is in it"],
    [`GET /${N(255)}`, 200, "the longest name", PAGE],
    ["GET /liste/", 200, "names like HTML", "&lt;img src=x"],
    ["GET /liste/", 200, "links like HTML", "%3Cimg%20src%3Dx"],
    ["GET /index-dehors/", 200, "an index that leads out is none"],
    ["GET /index-nulle-part/", 200, "nor is one that leads nowhere"],
    ["GET /index-fifo/", 200, "nor is a FIFO"],
    ["HEAD /page.txt", 200, "HEAD of a file", "content-length: 8\r\n"],
    ["HEAD /", 200, "HEAD of a list"],
    ["HEAD /dossier", 301, "HEAD of a folder, a slash too few"],
  ],
  "web_server shows nothing outside its folder": [
    ["GET /..", 200, "URLs know nothing above /", ">page.txt</a>"],
    ["GET /../../../../../etc/passwd", 404, "dots"],
    ["GET /../dehors/secret.txt", 404, "dots, to a neighbour"],
    ["GET /../racine-bis/secret.txt", 404, "one whose name begins alike"],
    ["GET /dossier/../../dehors/secret.txt", 404, "dots, from a folder"],
    ["GET /%2e%2e/dehors/secret.txt", 404, "escaped dots"],
    ["GET /%2E./dehors/secret.txt", 404, "one escaped dot"],
    ["GET /.%2e/dehors/secret.txt", 404, "the other one"],
    ["GET /..%2fdehors%2fsecret.txt", 404, "escaped slashes"],
    ["GET /%2e%2e%2fdehors%2fsecret.txt", 404, "all escaped"],
    ["GET /dossier/%2e%2e%2f%2e%2e%2fdehors", 404, "the same, from a folder"],
    ["GET /%252e%252e%252fdehors", 404, "escaped twice"],
    ["GET /%25252e%25252e%25252fdehors", 404, "three times"],
    ["GET /..%5cdehors%5csecret.txt", 404, "escaped backslashes"],
    ["GET /\\..\\dehors\\secret.txt", 404, "backslashes"],
    ["GET /..%c0%afdehors", 400, "an overlong slash"],
    ["GET /%c0%ae%c0%ae/dehors/secret.txt", 400, "overlong dots"],
    ["GET /%uff0e%uff0e/dehors", 400, "%u escapes"],
    ["GET /%ef%bc%8e%ef%bc%8e/dehors/secret.txt", 404, "full-width dots"],
    ["GET /..;/dehors/secret.txt", 404, "a path parameter"],
    ["GET /....//dehors/secret.txt", 404, "dots around dots"],
    ["GET /./././page.txt", 200, "single dots", PAGE],
    ["GET /.%2f.%2fpage.txt", 404, "single dots, slashes escaped"],
    ["GET //page.txt", 301, "an empty name", "http://x/page.txt\r\n"],
    ["GET /dossier//index.html", 301, "an empty name further on"],
    ["GET ///etc/passwd", 404, "an absolute path"],
    ["GET /%2fetc%2fpasswd", 404, "an absolute path, escaped"],
    ["GET //evil.example/", 301, "no redirection to another host"],
    ["GET //evil.example", 301, "nor with a slash too few"],
    ["GET /%2f%2fevil.example/", 301, "nor escaped"],
    ["GET /\\evil.example", 301, "nor with a backslash"],
    ["GET /%5cevil.example/..%2f", 404, "nor with an escaped one"],
    ["GET //evil.example/%2e%2e", 301, "nor with dots"],
    ["GET /file:///etc/passwd", 404, "a URL as a path"],
    ["GET /C:/Windows/win.ini", 404, "a drive"],
    ["GET /page.txt::$DATA", 404, "a stream of NTFS"],
    ["GET http://x/../dehors/secret.txt", 404, "an absolute URL"],
    ["GET http://evil/page.txt", 200, "another host's URL", PAGE],
    ["GET https://x/page.txt", 200, "another scheme", PAGE],
    ["GET http://x:99999/page.txt", 400, "an impossible port"],
    ["GET http://[::1/page.txt", 400, "half an IPv6 address"],
    ["GET /dehors", 404, "a link to a file outside"],
    ["HEAD /dehors", 404, "HEAD of it"],
    ["GET /dehors-absolu", 404, "an absolute link to a file outside"],
    ["GET /dossier-dehors", 404, "a link to a folder outside"],
    ["GET /dossier-dehors/", 404, "what is in it"],
    ["GET /dossier-dehors/secret.txt", 404, "a file in it"],
    ["GET /soi/dossier-dehors/secret.txt", 404, "the same, through a link"],
    ["GET /dessus/", 404, "a link to the folder above"],
    ["GET /bis/secret.txt", 404, "a link to where the name begins alike"],
    ["GET /dossier-dehors/retour/dehors", 404, "links out, in, and out"],
    ["GET /passwd", 404, "a link to /etc/passwd"],
    ["GET /etc/passwd", 404, "a link to /etc"],
  ],
  "web_server opens nothing but files and folders, and no dotfile": [
    ["GET /fifo", 404, "a FIFO"],
    ["HEAD /fifo", 404, "HEAD of it"],
    ["GET /liste/fifo", 404, "a FIFO in a folder"],
    ["GET /vers-fifo", 404, "a link to a FIFO"],
    ["GET /index-fifo/index.html", 404, "a FIFO called index.html"],
    ["GET /prise", 404, "a socket"],
    ["GET /zero", 404, "a device that never ends"],
    ["GET /null", 404, "a device that is empty"],
    ["GET /boucle", 404, "a link to itself"],
    ["GET /ping/page.txt", 404, "two links to one another"],
    ["GET /nulle-part", 404, "a link to nothing"],
    ["GET /page.txt/page.txt", 404, "a file taken for a folder"],
    ["GET /rien", 404, "nothing"],
    ["HEAD /rien", 404, "HEAD of it"],
    ["GET /page.txt%20", 404, "a space too many"],
    ["GET /page.txt%00", 400, "a NUL at the end"],
    ["GET /page.txt%00.png", 400, "a NUL in the middle"],
    ["GET /%00", 400, "a NUL alone"],
    ["GET /%", 400, "no escape"],
    ["GET /100%", 400, "no escape at the end"],
    ["GET /%zz", 400, "no digits"],
    ["GET /%e0%a4", 400, "two thirds of a character"],
    ["GET /%ff", 400, "no character"],
    ["GET /%ed%a0%80", 400, "half a surrogate pair"],
    ["HEAD /%", 400, "HEAD of no escape"],
    ["GET /\u{1f984}", 404, "a character that is not escaped"],
    [`GET /${N(256)}`, 404, "a name that is too long"],
    [`GET /${N(5000)}`, 404, "a path that is too long"],
    [`GET ${"/n".repeat(20_000)}`, 404, "20 000 folders"],
    [`GET ${"/..".repeat(20_000)}/page.txt`, 200, "20 000 ways up", PAGE],
    ["GET /.env", 404, "a dotfile"],
    ["HEAD /.env", 404, "HEAD of it"],
    ["GET /%2eenv", 404, "a dotfile, escaped"],
    ["GET /.git", 404, "a dot folder"],
    ["GET /.git/", 404, "what is in it"],
    [`GET /.git/config`, 404, "a file in it"],
    ["GET /dossier/.git/config", 404, "the same in a folder"],
    ["GET /vers-point", 404, "a link to a dotfile"],
    ["GET /vers-vers-point", 404, "a link to a link to a dotfile"],
    ["GET /vers-git/", 404, "a link to a dot folder"],
    ["GET /.well-known/.secret", 404, "a dotfile in .well-known"],
    ["GET /.well-known%2f..%2f.env", 404, "a way out of .well-known"],
    ["GET /.well-known/vers-point", 404, "a link out of .well-known"],
    ["GET /.well-knownx", 404, "a name that begins like .well-known"],
    ["GET /...", 404, "three dots"],
  ],
  "web_server knows GET and HEAD, and no other method": [
    ["get /page.txt", 405, "methods are capitals"],
    ["POST /page.txt", 405, "says what there is", "allow: GET, HEAD\r\n"],
    ["PUT /page.txt", 405, "writes nothing"],
    ["DELETE /page.txt", 405, "deletes nothing"],
    ["PATCH /page.txt", 405, "changes nothing"],
    ["OPTIONS /page.txt", 405, "has no options"],
    ["OPTIONS *", [404, 405], "nor has the server"],
    ["TRACE /page.txt", 405, "returns no cookies"],
    ["CONNECT x:80", [400, 404, 405], "is no proxy"],
    ["PROPFIND /", 405, "is no WebDAV"],
    ["BREW /page.txt", 405, "is no coffee pot"],
    ["DELETE /.env", [404, 405], "a dotfile"],
    ["GET /page.txt", 200, "still there", PAGE],
  ],
};

for (const [name, rows] of Object.entries(ROWS)) {
  Deno.test({
    name,
    // There, links want a right of their own, and names are not free.
    ignore: Deno.build.os === "windows",
    async fn(t) {
      await using site = await trap();
      await using server = await serve(SERVER, ["--root", site.root]);
      for (const [line, statuses, why, part = ""] of rows) {
        const what = line.length > 60 ? `${line.slice(0, 20)}…` : line;
        await t.step(`${what}: ${why}`, async () => {
          const answer = await ask(portOf(server), line);
          const { status, headers, body, raw } = answer;
          assertHarmless(answer);
          assert([statuses].flat().includes(status) && raw.includes(part), raw);
          // Some bad requests never reach the script.
          const ours = status !== 400 || raw.includes("Requête");
          const sniff = headers.get("x-content-type-options");
          if (ours) assertEquals(sniff, "nosniff");
          if (line.startsWith("HEAD")) assertEquals(body, bytes(""));
        });
      }
      server.kill();
      const { code, out, err } = await server.end();
      assertEquals([code, err], [0, ""]);
      assertMatch(out, /\nServeur arrêté\n$/);
    },
  });
}

Deno.test("web_server sends a file once, to who keeps its tag or its date", async (t) => {
  await using site = await folder({ "page.txt": PAGE });
  await Deno.utime(`${site.path}/page.txt`, DATE, DATE);
  await using server = await serve(SERVER, ["--root", site.path]);
  const port = portOf(server);
  const tag = (await ask(port, "GET /page.txt")).headers.get("etag")!;
  const same = `If-Modified-Since: ${DATE.toUTCString()}`;
  const older = "If-Modified-Since: Tue, 20 Oct 2015 07:28:00 GMT";
  for (
    const [status, ...conditions] of [
      [304, `If-None-Match: ${tag}`],
      [304, `If-None-Match: "x", ${tag}`],
      [304, "If-None-Match: *"],
      [200, 'If-None-Match: "x"'],
      [200, 'If-None-Match: "'],
      [304, same],
      [200, older],
      [200, "If-Modified-Since: hier"],
      // A tag is asked before a date (RFC 9110, section 13.2.2).
      [200, 'If-None-Match: "x"', same],
      [304, `If-None-Match: ${tag}`, older],
    ] as [number, ...string[]][]
  ) {
    await t.step(`${conditions.join(", ")}: ${status}`, async () => {
      const answer = await ask(port, "GET /page.txt", conditions);
      const body = status === 304 ? "" : PAGE;
      assertEquals([answer.status, answer.body], [status, bytes(body)]);
      assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
    });
  }
});

Deno.test("web_server sends the range that is asked for, or says that there is none", async (t) => {
  await using site = await folder({ "page.txt": PAGE, "vide": "" });
  await using server = await serve(SERVER, ["--root", site.path]);
  const port = portOf(server);
  for (
    const [range, status, body, where] of [
      ["bytes=0-2", 206, "bon", "0-2"],
      ["bytes=3-4", 206, "jo", "3-4"],
      ["bytes=7-7", 206, "\n", "7-7"],
      ["bytes=3-", 206, "jour\n", "3-7"],
      ["bytes=-3", 206, "ur\n", "5-7"],
      ["bytes=-99", 206, PAGE, "0-7"],
      ["bytes=6-99999999999999999999999", 206, "r\n", "6-7"],
      ["bytes=8-", 416, , "*"],
      ["bytes=99999999999999999999999-", 416, , "*"],
      ["bytes=-0", 416, , "*"],
      // What is no range may be ignored, several may be as well: section 14.2.
      ["bytes=0-1,3-4", 200, PAGE],
      [`bytes=0-${",0-".repeat(999)}`, 200, PAGE],
      ["bytes=a-b", 200, PAGE],
      ["bytes=-", 200, PAGE],
      ["items=0-1", 200, PAGE],
      ["", 200, PAGE],
    ] as [string, number, string?, string?][]
  ) {
    await t.step(`${range.slice(0, 40)}: ${status}`, async () => {
      const headers = [`Range: ${range}`];
      const answer = await ask(port, "GET /page.txt", headers);
      assertEquals(answer.status, status);
      assertEquals(
        answer.headers.get("content-range"),
        where ? `bytes ${where}/8` : null,
      );
      if (body) assertEquals(answer.body, bytes(body));
      assertEquals(answer.headers.get("x-content-type-options"), "nosniff");
      const head = await ask(port, "HEAD /page.txt", headers);
      assertEquals([head.status, head.body], [200, bytes("")]);
    });
  }
  // "The rest, if it is still the same file": another file begins anew.
  const changed = ["Range: bytes=3-", 'If-Range: "x"'];
  const { status, body } = await ask(port, "GET /page.txt", changed);
  assertEquals([status, body], [200, bytes(PAGE)]);
  for (const path of ["/", "/vide"]) {
    const headers = ["Range: bytes=0-"];
    const { status } = await ask(port, `GET ${path}`, headers);
    assertEquals(status, 200);
  }
});

const request = (line: string) => `${line} HTTP/1.1\r\nHost: x\r\n`;
const HELLO = request("GET /page.txt") + "Connection: close\r\n";
const POST = HELLO.replace("GET", "POST");
const IF_RANGE = 'Range: bytes=1-\r\nIf-Range: "x"\r\n';
const host = (name: string, more = "") =>
  HELLO.replace("page.txt", "dossier").replace("Host: x", `Host: ${name}`) +
  more + "\r\n";
const chunks = "Transfer-Encoding: chunked\r\n\r\n";
const length = (value: unknown, body = "") =>
  `Content-Length: ${value}\r\n\r\n${body}`;
const noise = Uint8Array.from({ length: 4096 }, (_, i) => 37 * i + 1);

/** What is sent, and the statuses that are right; NaN: closed without an answer. */
const BYTES: [why: string, data: string | Uint8Array, ...statuses: number[]][] =
  [
    ["HTTP/1.0", "GET /page.txt HTTP/1.0\r\n\r\n", 200],
    ["HTTP/1.0, a folder", "GET /dossier HTTP/1.0\r\n\r\n", 301],
    ["HTTP/0.9", "GET /page.txt\r\n\r\n", 400],
    ["HTTP/2.0 in words", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400],
    ["HTTP/9.9", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", 400],
    ["no Host", HELLO.replace("Host: x\r\n", "") + "\r\n", 200, 400],
    ["an empty Host", host(""), 301, 400],
    ["two Hosts", HELLO + "Host: y\r\n\r\n", 400],
    ["a Host with a space", host("a b"), 400],
    ["a Host with a space, and If-Range", host("a b", IF_RANGE), 400],
    ["a Host with a bad escape", host("%zz"), 400],
    ["a Host with an impossible port", host("x:99999"), 400],
    ["a Host with half an IPv6 address", host("[::1"), 400],
    ["a user in the Host, and If-Range", host("a:b@x", IF_RANGE), 400],
    ["a Host with a path", host("x/../../dehors/secret.txt?"), 400, 404],
    ["a Host that is not ASCII", host("é"), 301, 400],
    ["a space in the path", request("GET /a b") + "\r\n", 400],
    ["a NUL in the path", request("GET /a\0b") + "\r\n", 400],
    ["an escape sequence", request("GET /\x1b[2J") + "\r\n", 400],
    ["no slash", request("GET page.txt") + "\r\n", 400],
    ["no slash, but dots", request("GET ../dehors") + "\r\n", 400],
    ["GET *", request("GET *") + "\r\n", 400],
    ["CONNECT without a port", request("CONNECT /") + "\r\n", 400],
    ["line feeds alone", HELLO.replaceAll("\r", "") + "\n", 200, 400],
    ["empty lines first", "\r\n\r\n" + HELLO + "\r\n", 200, 400],
    ["empty lines alone", "\r\n\r\n\r\n", 400, NaN],
    ["a space before the colon", HELLO + "A : b\r\n\r\n", 400],
    ["a folded header", HELLO + "A: b\r\n c\r\n\r\n", 400],
    ["a header without a colon", HELLO + "rien\r\n\r\n", 400],
    ["200 headers", HELLO + "A: b\r\n".repeat(200) + "\r\n", 400, 431],
    ["a header of 1 MB", `${HELLO}A: ${N(1e6)}\r\n\r\n`, 400, 431, NaN],
    ["a path of 70 000", request(`GET /${N(7e4)}`) + "\r\n", 400, 414, NaN],
    ["POST with a body", POST + length(5, "salut"), 405],
    ["POST with If-Range", host("x", IF_RANGE).replace("GET", "POST"), 405],
    ["POST in chunks", POST + chunks + "5\r\nsalut\r\n0\r\n\r\n", 405],
    ["POST of 3 MB", POST + length(3e6, N(3e6)), 405],
    ["GET with a body", HELLO + length(5, "salut"), 200],
    ["a length in words", HELLO + length("cinq"), 400],
    ["a length below 0", HELLO + length(-1), 400],
    ["two lengths", POST + "Content-Length: 6\r\n" + length(5, "salut"), 400],
    // What one server takes for the body, the next one takes for a request.
    ["a length and chunks", POST + "Content-Length: 5\r\n" + chunks, 400],
    ["unknown chunks", POST + chunks.replace("ch", "xch"), 400],
    ["bad chunks", HELLO + chunks + "zz\r\n", 400, NaN],
    ["an unknown Expect", HELLO + "Expect: rien\r\n\r\n", 200, 417],
    ["an HTTP/2 upgrade", HELLO + "Upgrade: h2c\r\n\r\n", 200],
    ["a WebSocket upgrade", HELLO + "Upgrade: websocket\r\n\r\n", 200],
    ["HTTP/2 that is none", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrien de tel", NaN],
    ["TLS", Uint8Array.of(22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3), 400, NaN],
    ["SSH", "SSH-2.0-OpenSSH_9.6\r\n", 400, NaN],
    ["noise", noise, 400, NaN],
  ];

Deno.test("web_server answers or closes, whatever comes, and serves on", async (t) => {
  await using site = await folder({
    "racine/page.txt": PAGE,
    "racine/dossier/index.html": "",
    "dehors/secret.txt": SECRET,
  });
  await using server = await serve(SERVER, ["--root", `${site.path}/racine`]);
  const port = portOf(server);
  for (const [why, request, ...statuses] of BYTES) {
    await t.step(why, async () => {
      const { status, raw } = await send(port, request);
      assert(statuses.includes(status), raw);
      assert(!raw.includes(SECRET), raw);
      assertEquals((await ask(port, "GET /page.txt")).status, 200);
    });
  }
  assertEquals(server.err, "");
});

Deno.test("web_server sends 100 Continue, and its answer before the body that it does not want", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(SERVER, ["--root", site.path]);
  const port = portOf(server);
  using conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const limit = setTimeout(() => conn[Symbol.dispose](), PATIENCE);
  await write(
    conn,
    bytes(POST + "Expect: 100-continue\r\nContent-Length: 9\r\n\r\n"),
  );
  let heard = "";
  const buffer = new Uint8Array(4096);
  while (!heard.includes("Method Not Allowed\r\n0\r\n")) {
    const count = await conn.read(buffer);
    assert(count !== null, heard);
    heard += new TextDecoder().decode(buffer.subarray(0, count));
  }
  clearTimeout(limit);
  assertMatch(heard, /^(HTTP\/1.1 100 Continue\r\n\r\n)?HTTP\/1.1 405 /);
});

Deno.test("web_server answers 500 requests that come in one piece, in their order", async () => {
  await using site = await folder({ "page.txt": PAGE, "autre.txt": "salut\n" });
  await using server = await serve(SERVER, ["--root", site.path]);
  const one = HELLO.replace("Connection: close\r\n", "") + "\r\n";
  const two = one.replace("page", "autre");
  const last = HELLO + "\r\n";
  const { raw } = await send(portOf(server), (one + two).repeat(250) + last);
  const bodies = [...raw.match(/(?<=\r\n\r\n)(bonjour|salut)$/gm)!];
  assertEquals(
    bodies,
    [...Array(501).keys()].map((i) => i % 2 ? "salut" : "bonjour"),
  );
});

testWith(
  "curl",
  "web_server shows curl what is inside, and nothing else",
  async () => {
    await using site = await trap();
    await using server = await serve(SERVER, ["--root", site.root]);
    const curl = async (path: string, ...args: string[]) => {
      const address = `http://127.0.0.1:${portOf(server)}${path}`;
      await using client = new Program("curl", [
        ...["--silent", "--path-as-is", "--globoff", "--max-time", "10"],
        ...["--write-out", "%{http_code}", ...args, address],
      ]);
      return (await client.end()).out;
    };
    for (
      const [path, out, ...args] of [
        ["//page.txt", PAGE + "200"],
        ["/dossier", "<h1>Accueil</h1>200"],
        ["/page.txt", "jour206", "--range", "3-6"],
      ]
    ) assertEquals(await curl(path, "--location", ...args), out);
    for (const http of ["--http1.1", "--http1.0", "--http2-prior-knowledge"]) {
      const page = await curl("/page.txt", http);
      // Not every curl knows HTTP/2, which Deno.serve speaks too.
      if (http.includes("2") && !page.endsWith("200")) continue;
      assertEquals(page, PAGE + "200");
      for (
        const [path, status] of [
          ["/../dehors/secret.txt", 404],
          ["/%2e%2e/dehors/secret.txt", 404],
          ["/..%2fdehors%2fsecret.txt", 404],
          ["/dossier-dehors/secret.txt", 404],
          ["/dehors", 404],
          ["/fifo", 404],
          ["/.env", 404],
          ["/page.txt%00", 400],
          ["/%", 400],
        ] as const
      ) {
        const out = await curl(path, http);
        assert(out.endsWith(`\n${status}`), `${http} ${path}: ${out}`);
        assert(!out.includes(SECRET), out);
      }
    }
    assertEquals(server.err, "");
  },
);

testWith("python3", "web_server leaves a FIFO alone", async () => {
  await using site = await trap();
  await using server = await serve(SERVER, ["--root", site.root]);
  for (const path of ["/fifo", "/liste/", "/liste/fifo", "/index-fifo/"]) {
    await ask(portOf(server), `GET ${path}`);
  }
  // To open a FIFO for writing, without waiting, is an error if nobody reads it.
  await using writer = python(
    `
import errno, os
for fifo in sys.argv[1:]:
    try: os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as e: print(errno.errorcode[e.errno])`,
    ...site.fifos,
  );
  assertEquals((await writer.end()).out, "ENXIO\n".repeat(3));
});

const SIZES = [0, 1, 65535, 65536, 65537, 5_000_003];

/** Bytes that are not the same twice: what is sent twice or left out, shows. */
function random(size: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) {
    crypto.getRandomValues(data.subarray(at, at + 65536));
  }
  return data;
}

Deno.test("web_server sends files of all sizes byte for byte, whole and in ranges", async () => {
  await using site = await folder();
  await using server = await serve(SERVER, ["--root", site.path]);
  const port = portOf(server);
  for (const size of SIZES) {
    const content = random(size);
    await Deno.writeFile(`${site.path}/${size}.bin`, content);
    const line = `GET /${size}.bin`;
    const { status, headers, body } = await ask(port, line);
    assertEquals([status, headers.get("content-length")], [200, `${size}`]);
    assertEquals(body, content);
    const head = await ask(port, line.replace("GET", "HEAD"));
    assertEquals(head.headers.get("content-length"), `${size}`);
    if (size < 2) continue;
    // Two cuts, around the size of the pieces in which a file is read.
    const ranges = ["0-65533", "65534-65534", "65535-"];
    const parts = await Promise.all(
      ranges.map((range) => ask(port, line, [`Range: bytes=${range}`])),
    );
    const joined = parts.flatMap(({ status, body }) =>
      status === 206 ? [body as Uint8Array<ArrayBuffer>] : []
    );
    // 65535 bytes have no third part.
    assertEquals(joined.length, size === 65535 ? 2 : 3);
    assertEquals(await new Blob(joined).bytes(), content);
  }
});

const NAMES = [
  "avec espace.txt",
  "#.txt",
  "?.txt",
  "a?b#c&d=e;f.txt",
  "%.txt",
  "100%25.txt",
  "%2e%2e",
  "+.txt",
  "été.txt",
  "e\u0301.txt",
  "\u{1f984}.txt",
  '"guillemets".txt',
  "l'apostrophe.txt",
  "ligne\n.txt",
  "\x1b[31m.txt",
  "c:.txt",
  "*.txt",
  "-.txt",
  "x..",
  "<b>.html",
  "a\u202eb.txt",
];

Deno.test({
  name: "web_server finds and lists files of all names",
  ignore: Deno.build.os === "windows", // There, names are not free.
  async fn() {
    const content = (name: string) => `Contenu de ${name}, à l'octet près\n`;
    await using site = await folder(
      Object.fromEntries(NAMES.map((name) => [name, content(name)])),
    );
    await using server = await serve(SERVER, ["--root", site.path]);
    const port = portOf(server);
    const { raw } = await ask(port, "GET /");
    for (const name of NAMES) {
      const { status, body } = await ask(port, `GET ${url(name)}`);
      assertEquals([status, body], [200, bytes(content(name))], name);
      assert(
        raw.includes(`href=".${url(name)}"`.replaceAll("'", "&#39;")),
        name,
      );
    }
  },
});

testWith(
  "python3",
  "web_server sends Python's urllib a file byte for byte",
  async () => {
    const content = random(3_000_001);
    await using site = await folder({ "a b é.bin": content });
    await using server = await serve(SERVER, ["--root", site.path]);
    await using client = python(
      `
import hashlib, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
    print(answer.status, hashlib.sha256(answer.read()).hexdigest())`,
      `http://127.0.0.1:${portOf(server)}${url("a b é.bin")}`,
    );
    const hash = await crypto.subtle.digest("SHA-256", content);
    const { out } = await client.end();
    assertEquals(out, `200 ${new Uint8Array(hash).toHex()}\n`);
  },
);

testWith(
  "curl",
  "web_server sends curl a file byte for byte, also when curl takes up where it left off",
  async () => {
    const content = random(3_000_001);
    await using site = await folder({
      "site/fichier.bin": content,
      "copie.bin": "",
      "suite.bin": content.subarray(0, 1_234_567),
    });
    await using server = await serve(SERVER, ["--root", `${site.path}/site`]);
    const address = `http://127.0.0.1:${portOf(server)}/fichier.bin`;
    for (const [file, ...args] of [["copie.bin"], ["suite.bin", "-C", "-"]]) {
      const output = ["--output", `${site.path}/${file}`];
      await using curl = new Program("curl", [
        "-sf",
        ...args,
        ...output,
        address,
      ]);
      assertEquals((await curl.end()).code, 0);
      assertEquals(await Deno.readFile(`${site.path}/${file}`), content);
    }
  },
);

/** A file of 5 GB that takes no room, with its last word behind the 4 GiB. */
async function giant() {
  const site = await folder({ "page.txt": PAGE });
  using file = await Deno.open(`${site.path}/geant`, {
    write: true,
    create: true,
  });
  await file.truncate(5e9);
  await file.seek(5e9 - 6, Deno.SeekMode.Start);
  await file.write(bytes("finale"));
  return site;
}

/** How many file descriptors it has. */
const descriptors = (server: Server) =>
  [...Deno.readDirSync(`/proc/${server.pid}/fd`)].length;

// What Python's socket does to the server, and the downloads to be found in its log.
for (
  const [name, code, downloads] of [
    [
      "500 resets",
      String.raw`
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
for i in range(500):
    s = socket.create_connection(at, 10)
    if i % 5 == 1: s.sendall(b"GET /geant HT")
    if i % 5 > 1: s.sendall(request)
    if i % 5 > 2: s.recv(1)
    if i % 5 > 3: s.recv(100000)
    reset(s)`,
    ],
    [
      "300 downloads that are broken off",
      String.raw`
for i in range(300):
    s = socket.create_connection(at, 10)
    s.sendall(request)
    s.recv(1 + i * 1000)
    s.close()`,
      300,
    ],
    [
      "300 downloads at once that are broken off",
      String.raw`
clients = [socket.create_connection(at, 10) for _ in range(300)]
for s in clients: s.sendall(request)
for s in clients: s.recv(1000)
for s in clients: s.close()`,
      300,
    ],
    [
      "100 uploads that are broken off",
      String.raw`
for i in range(100):
    s = socket.create_connection(at, 10)
    s.sendall(b"POST /page.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx")
    if i % 2: s.recv(1)
    s.close()`,
      0,
    ],
  ] as [string, string, number?][]
) {
  testOnLinux(`web_server has its descriptors back after ${name}`, async () => {
    await using site = await giant();
    await using server = await serve(SERVER, ["--root", site.path]);
    const port = portOf(server);
    await ask(port, "GET /page.txt");
    await ask(port, "GET /");
    const before = descriptors(server);
    await using clients = python(
      String.raw`
at = ("127.0.0.1", int(sys.argv[1]))
request = b"GET /geant HTTP/1.1\r\nHost: x\r\n\r\n"
` + code,
      port,
    );
    assertEquals(await clients.end(), { code: 0, out: "", err: "" });
    await eventually(
      () => descriptors(server) <= before,
      `${before} descriptors`,
    );
    assertEquals((await ask(port, "GET /page.txt")).status, 200);
    server.kill();
    const { code: exit, out, err } = await server.end();
    assertEquals([exit, err], [0, ""]);
    // A line for each that the server has read, with what was sent of the file.
    const sent = [...out.matchAll(/ GET \/geant 200 (\d+) octets \d+ ms\n/g)];
    assert(sent.every(([, count]) => Number(count) < 5e9), out);
    if (downloads !== undefined) assertEquals(sent.length, downloads);
  });
}

testOnLinux(
  "web_server outlives clients that reset before they are accepted",
  async () => {
    await using site = await folder({ "page.txt": PAGE });
    await using server = await serve(SERVER, ["--root", site.path]);
    const port = portOf(server);
    server.kill("SIGSTOP");
    await using clients = python(
      `
for _ in range(200):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()`,
      port,
    );
    assertEquals((await clients.end()).err, "");
    server.kill("SIGCONT");
    assertEquals((await ask(port, "GET /page.txt")).status, 200);
  },
);

testWith(
  "python3",
  "web_server with 64 file descriptors outlives 200 connections",
  async () => {
    await using site = await folder({ "page.txt": PAGE });
    await using server = await serve(SERVER, ["--root", site.path], {
      descriptors: 64,
    });
    const port = portOf(server);
    await using clients = new Program("python3", [
      "-c",
      String.raw`
import select, socket, sys
clients = []
while len(clients) < 200:
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", int(sys.argv[1])))
    clients.append(s)
# Once what was taken in has been answered, silence.
answers = set()
waiting = set(clients)
while ready := select.select(waiting, [], [], 1)[0]:
    for s in ready: waiting.remove(s)
print("dedans")
for s in clients:
    try: s.sendall(b"GET /page.txt HTTP/1.1\r\nHost: x\r\n\r\n")
    except OSError: clients.remove(s)
waiting = set(clients)
while ready := select.select(waiting, [], [], 1)[0]:
    for s in ready:
        waiting.remove(s)
        try: answers.add(s.recv(12))
        except OSError: pass
print(b" ".join(answers).decode())
sys.stdin.read()`,
      `${port}`,
    ], { stdin: "piped" });
    await server.complains(/^Client non accepté : /m);
    const [, answers] = await clients.says(/^dedans\n(.*)\n/m);
    // Those who are in are served or, for want of a descriptor for the file, told so.
    assertMatch(answers, /^(HTTP\/1.1 (200|503) ?)+$/);
    await clients.endInput();
    await clients.end();
    await eventually(
      () =>
        ask(port, "GET /page.txt").then((a) => a.status === 200, () => false),
      "an answer",
    );
    server.kill();
    const { code, err } = await server.end();
    assertEquals(code, 0);
    // Deno itself may miss the certificates of NODE_EXTRA_CA_CERTS.
    const lines = err.trim().split("\n").filter((l) =>
      !l.includes("extra certs")
    );
    for (const line of lines) {
      assertMatch(
        line,
        /^Client non accepté : .+\(.*24\)$/,
      );
    }
    // It waits between them.
    assert(lines.length < 200, err);
  },
);

testWith(
  LINUX ? "python3" : "Linux",
  "web_server stops quietly when it has just run out of file descriptors",
  async () => {
    await using site = await folder({ "page.txt": PAGE });
    await using server = await serve(SERVER, ["--root", site.path]);
    // No new one, whatever it closes.
    await limit(server, 3);
    // The listener is closed for it, which may reset this.
    await Deno.connect({ port: portOf(server) })
      .then((conn) => conn.close(), () => {});
    await server.complains(/^Client non accepté : .+ 24\)$/m);
    server.kill();
    const { code, out, err } = await server.end();
    assertEquals(code, 0);
    assertMatch(out, /\nServeur arrêté\n$/);
    // Deno itself may miss the certificates of NODE_EXTRA_CA_CERTS.
    assertMatch(err, /^((Client non accepté : .+ 24\)|.* extra certs .*)\n)+$/);
  },
);

/** Waits until nobody can connect any more. */
const refuses = (port: number) =>
  eventually(async () => {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return false;
    } catch {
      return true;
    }
  }, "the listener's end");

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`web_server stops at once on ${signal} when nobody waits for an answer`, async () => {
    await using site = await folder({ "page.txt": PAGE });
    await using server = await serve(SERVER, ["--root", site.path]);
    const at = { hostname: "127.0.0.1", port: portOf(server) };
    using _silent = await Deno.connect(at);
    using half = await Deno.connect(at);
    await write(half, bytes("GET /page.txt HT"));
    using idle = await Deno.connect(at);
    await write(idle, bytes("GET /page.txt HTTP/1.1\r\nHost: x\r\n\r\n"));
    await idle.read(new Uint8Array(4096));
    const begin = performance.now();
    server.kill(signal);
    const { code, out, err } = await server.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nServeur arrêté\n$/);
    assert(performance.now() - begin < 2500);
  });
}

/** A client that has asked for a file, and read the first of it. */
async function download(server: Server, path: string) {
  const at = { hostname: "127.0.0.1", port: portOf(server) };
  const conn = await Deno.connect(at);
  await write(conn, bytes(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
  const buffer = new Uint8Array(1 << 20);
  const count = await conn.read(buffer);
  const first = new TextDecoder("latin1").decode(buffer.subarray(0, count!));
  const start = first.indexOf("\r\n\r\n") + 4;
  return { conn, body: [buffer.slice(start, count!)] };
}

testOnLinux(
  "web_server stops within 3 s while a download stands still",
  async () => {
    await using site = await giant();
    await using server = await serve(SERVER, ["--root", site.path]);
    const { conn } = await download(server, "/geant");
    using _stalled = conn;
    const begin = performance.now();
    server.kill();
    await refuses(portOf(server));
    const { code, out, err } = await server.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nServeur arrêté\n$/);
    const time = performance.now() - begin;
    assert(time > 2500 && time < 8000, `${time} ms`);
  },
);

testOnLinux(
  "web_server stops at once, with 130, on a second signal",
  async () => {
    await using site = await giant();
    await using server = await serve(SERVER, ["--root", site.path]);
    const { conn } = await download(server, "/geant");
    using _stalled = conn;
    server.kill("SIGINT");
    await refuses(portOf(server));
    const begin = performance.now();
    server.kill("SIGINT");
    assertEquals((await server.end()).code, 130);
    assert(performance.now() - begin < 2000);
  },
);

Deno.test("web_server ends a download that goes on before it stops", async () => {
  const content = random(24_000_000); // More than the system keeps for a reader.
  await using site = await folder({ "fichier.bin": content });
  await using server = await serve(SERVER, ["--root", site.path]);
  const { conn, body } = await download(server, "/fichier.bin");
  using client = conn;
  server.kill();
  await refuses(portOf(server));
  while (true) {
    const buffer = new Uint8Array(1 << 16);
    const count = await client.read(buffer);
    if (count === null) break;
    body.push(buffer.subarray(0, count));
  }
  assertEquals(await new Blob(body).bytes(), content);
  const { code, out, err } = await server.end();
  assertEquals([code, err], [0, ""]);
  assertMatch(
    out,
    /\/fichier.bin 200 24000000 octets \d+ ms\nServeur arrêté\n$/,
  );
});

/** A frame of HTTP/2 (RFC 9113, section 4.1), on stream 0 or 1. */
const frame = (type: number, flags: number, stream: number, body: number[]) => [
  ...[0, 0, body.length, type, flags, 0, 0, 0, stream],
  ...body,
];

Deno.test("web_server ends a download over HTTP/2 before it stops", async () => {
  const content = random(16_000_000);
  await using site = await folder({ "f": content });
  await using server = await serve(SERVER, ["--root", site.path]);
  const at = { hostname: "127.0.0.1", port: portOf(server) };
  using conn = await Deno.connect(at);
  const request = [
    ...bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    // Windows so large that they never hold anything back.
    ...frame(4, 0, 0, [0, 4, 127, 255, 255, 255]),
    ...frame(8, 0, 0, [64, 0, 0, 0]),
    // GET http://x/f, the end of the headers and of the stream (RFC 7541, 6).
    ...frame(1, 5, 1, [
      0x82,
      0x86,
      0x41,
      1,
      ...bytes("x"),
      4,
      2,
      ...bytes("/f"),
    ]),
  ];
  await write(conn, Uint8Array.from(request));
  const body = new Uint8Array(content.length), buffer = new Uint8Array(65536);
  let size = 0, head: number[] = [], left = 0, isData = false;
  const read = async () => {
    const count = await conn.read(buffer).catch(() => null);
    for (const byte of buffer.subarray(0, count ?? 0)) {
      if (left > 0) {
        left--;
        if (isData) body[size++] = byte;
      } else if (head.push(byte) === 9) {
        left = head[0] << 16 | head[1] << 8 | head[2];
        isData = head[3] === 0;
        head = [];
      }
    }
    // As clients do: to a server that is gone, this is an error.
    const more = frame(8, 0, 0, [0, 1, 0, 0]);
    await write(conn, Uint8Array.from(more)).catch(() => {});
    return count !== null && size < content.length;
  };
  // The script has handed all of it over, but not all has come, as we are slow.
  while (!server.out.includes("GET /f 200 16000000 octets") && await read()) {
    await new Promise((resume) => setTimeout(resume, 2));
  }
  server.kill();
  await refuses(at.port);
  while (await read());
  assertEquals(size, content.length);
  assertEquals(body, content);
  conn.close();
  const { code, err } = await server.end();
  assertEquals([code, err], [0, ""]);
});

testOnLinux(
  "web_server streams a file of 5 GB with flat memory, and finds its end",
  async () => {
    await using site = await giant();
    await using server = await serve(SERVER, ["--root", site.path]);
    const port = portOf(server);
    const peak = () => {
      const status = Deno.readTextFileSync(`/proc/${server.pid}/status`);
      return Number(status.match(/^VmHWM:\s+(\d+) kB/m)![1]);
    };
    const end = await ask(port, "GET /geant", ["Range: bytes=4999999994-"]);
    assertEquals([end.status, end.body], [206, bytes("finale")]);
    const before = peak();
    const { conn, body } = await download(server, "/geant");
    using client = conn;
    const buffer = new Uint8Array(1 << 20);
    let count = body[0].length;
    while (count < 1e9) count += (await client.read(buffer))!;
    const growth = peak() - before;
    assert(growth < 100_000, `${growth} kB`);
  },
);

Deno.test("web_server sends a small file as it is now, whatever its size and dates", async () => {
  await using site = await folder();
  const [file, other] = [`${site.path}/ancien`, `${site.path}/autre`];
  const past = new Date("2020-01-01");
  const write = async (path: string, text: string) => {
    await Deno.writeTextFile(path, text);
    await Deno.utime(path, past, past);
  };
  await write(file, "un");
  await write(other, "deux");
  await using server = await serve(SERVER, ["--root", site.path]);
  const get = async () =>
    new TextDecoder().decode((await ask(portOf(server), "GET /ancien")).body);
  // It remembers files that have not changed for two seconds.
  const { ctime } = await Deno.stat(file);
  while (Date.now() - (ctime?.getTime() ?? 0) < 2100) {
    assertEquals(await get(), "un");
  }
  assertEquals([await get(), await get()], ["un", "un"]);
  await write(file, "1!"); // The same size, the same mtime.
  assertEquals(await get(), "1!");
  await Deno.rename(other, file);
  assertEquals(await get(), "deux");
  await Deno.remove(file);
  assertEquals((await ask(portOf(server), "GET /ancien")).status, 404);

  // Files of the same size and age, whose folders change places.
  const [one, two] = ["un", "deux"].map((name) =>
    `${site.path}/dossier-${name}`
  );
  for (const folder of [one, two]) await Deno.mkdir(folder);
  await write(`${one}/page`, "1");
  await write(`${two}/page`, "2");
  const page = async () =>
    (await ask(portOf(server), "GET /dossier-un/page")).body.join();
  const age = (await Deno.stat(`${two}/page`)).ctime?.getTime() ?? 0;
  while (Date.now() - age < 2100) assertEquals(await page(), `${bytes("1")}`);
  assertEquals(await page(), `${bytes("1")}`);
  await Deno.rename(one, `${site.path}/dossier-trois`);
  await Deno.rename(two, one);
  assertEquals(await page(), `${bytes("2")}`);
});

testOnLinux(
  "web_server outlives files that grow or shrink while they are sent",
  async () => {
    await using site = await folder();
    await using server = await serve(SERVER, ["--root", site.path]);
    const port = portOf(server);
    for (
      const [name, size] of [["grandit", 30e6], ["rapetisse", 1e6]] as const
    ) {
      const file = `${site.path}/${name}`;
      await Deno.writeFile(file, new Uint8Array(20e6));
      const { conn, body } = await download(server, `/${name}`);
      using client = conn;
      await Deno.truncate(file, size);
      const limit = setTimeout(() => conn[Symbol.dispose](), PATIENCE);
      const buffer = new Uint8Array(1 << 20);
      let count: number | null = 0, all = body[0].length;
      try {
        // Its length has been promised: the connection can only be cut, or go on.
        while (all < 20e6 && (count = await client.read(buffer)) !== null) {
          all += count;
        }
      } catch { /* Reset. */ }
      clearTimeout(limit);
      if (name === "grandit") assertEquals(all, 20e6);
      else assert(all < 20e6);
      assertEquals(
        (await ask(port, `GET /${name}`, ["Range: bytes=-1"])).status,
        206,
      );
    }
    assertEquals(server.err, "");
  },
);

Deno.test("web_server logs each request in one line that no client can forge", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(SERVER, ["--root", site.path]);
  const port = portOf(server);
  const expected: string[] = [];
  for (
    const [line, logged, headers = []] of [
      ["GET /page.txt", "GET /page.txt 200 8"],
      ["GET /page.txt?q=%0a", "GET /page.txt 200 8"],
      ["HEAD /page.txt", "HEAD /page.txt 200 0"],
      ["GET /page.txt", "GET /page.txt 206 3", ["Range: bytes=0-2"]],
      ["GET /page.txt", "GET /page.txt 304 0", ["If-None-Match: *"]],
      ["GET //page.txt", "GET //page.txt 301 0"],
      ["GET /rien", "GET /rien 404 16"],
      ["HEAD /rien", "HEAD /rien 404 0"],
      ["POST /page.txt", "POST /page.txt 405 18"],
      ["GET /%1b[31m%07", "GET /%1b[31m%07 404 16"],
      ["GET /%0d%0aGET / 200", "", []],
      ["GET /%0d%0a1.2.3.4%20GET", "GET /%0d%0a1.2.3.4%20GET 404 16"],
      ["GET /%7f%c2%9b%e2%80%ae", "GET /%7f%c2%9b%e2%80%ae 404 16"],
      ["GET /\u202e\x9b\u2028", "GET /%E2%80%AE%C2%9B%E2%80%A8 404 16"],
      ["GET /%00", "GET /%00 400 25"],
      ["GET http://y/page.txt", "GET /page.txt 200 8"],
      ["GET http://y:99999/\u202e", "GET http://y:99999/ 400 25"],
    ] as [string, string, string[]?][]
  ) {
    await ask(port, line, headers);
    // Hyper refuses what is not HTTP before the script sees it.
    if (logged) expected.push(logged);
  }
  server.kill();
  const { out, err } = await server.end();
  const lines = out.trimEnd().split("\n").slice(1, -1);
  const facts = lines.map((line) => {
    const [, what] = line.match(/^127\.0\.0\.1:\d+ (.*) octets \d+ ms$/)!;
    return what;
  });
  assertEquals([facts, err], [expected, ""]);
});

Deno.test("web_server serves the current folder, or --root, however it is written", async () => {
  await using site = await copyOut(
    "scripts/web_server.ts",
    "scripts/encoding.ts",
  );
  const cwd = site.path;
  await Deno.mkdir(`${cwd}/la`);
  await Deno.writeTextFile(`${cwd}/la/page.txt`, PAGE);
  await Deno.symlink("la", `${cwd}/lien`);
  const real = await Deno.realPath(cwd);
  for (
    const [folder, path, ...args] of [
      [real, "/la/page.txt"],
      [`${real}/la`, "/page.txt", "--root", "la"],
      [`${real}/la`, "/page.txt", "--root", "la/"],
      [`${real}/la`, "/page.txt", "--root", "./rien/../la/."],
      [`${real}/la`, "/page.txt", "--root", `${cwd}/la`],
      [`${real}/la`, "/page.txt", "--root", "lien"],
      ["/", `${real}/la/page.txt`, "--root", "/"],
    ]
  ) {
    await using server = await serve(SERVER, args, { cwd });
    const port = portOf(server);
    assertEquals(
      server.out,
      `Serveur prêt, en attente de requêtes sur http://127.0.0.1:${port}/` +
        ` (dossier ${folder})\n`,
    );
    assertEquals((await ask(port, `GET ${path}`)).status, 200);
    const { status, raw } = await ask(port, "GET /");
    assert(status === 200 && !raw.includes("//"), raw);
  }
});

testWith(
  "IPv6",
  "web_server serves IPv6, and logs its addresses in brackets",
  async () => {
    await using site = await folder({ "page.txt": PAGE });
    const args = ["--root", site.path, "--host", "::1"];
    await using server = await serve(SERVER, args);
    const port = portOf(server);
    const { raw } = await send(port, HELLO + "\r\n", "::1");
    assert(raw.endsWith(PAGE), raw);
    await server.says(`http://[::1]:${port}/`);
    await server.says(/^\[::1\]:\d+ GET \/page.txt 200 8 octets \d+ ms$/m);
  },
);

Deno.test("web_server says in one line why it cannot listen", async () => {
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const port = `${other.addr.port}`;
  for (
    const [args, problem] of [
      [["--port", port], `Port ${port} déjà utilisé : choisissez-en un autre`],
      [["--host", "192.0.2.1"], "Impossible d'écouter sur 192.0.2.1"],
      [["--host", "nulle.part.invalid"], "Impossible d'écouter sur nulle.part"],
    ] as const
  ) {
    const { code, out, err } = await run(SERVER, [...args]);
    assertEquals([code, out, err.split("\n").length], [1, "", 2], err);
    assert(err.startsWith(problem), err);
  }
});

for (
  const args of [
    ["--prout"],
    ["dossier"],
    ["--port", "abc"],
    ["--port", "70000"],
    ["--port", "-1"],
    ["--port", "1.5"],
    ["--port="],
    ["--host="],
    ["--root="],
    ["--root", "n'existe/pas"],
    ["--root", "deno.json"],
  ]
) {
  Deno.test(`web_server ${args.join(" ")} is wrong usage, said in one line`, async () => {
    await using server = start(SERVER, args);
    // It ends by itself; if it serves instead, that shows here too.
    await server.complains(/\n/);
    const { code, out, err } = await server.end();
    assertEquals([code, out], [2, ""]);
    assertMatch(err, /^.+\n$/);
  });
}

/** A test that leaves nothing open: no file, no listener, no timer. */
const testTidy = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, sanitizeOps: true, sanitizeResources: true, fn });

testTidy(
  "handle of web_server closes the file when its body is read, or cancelled",
  async () => {
    await using site = await folder({ "page.txt": "x".repeat(1e6) });
    for (const from of [0, 5]) {
      const headers = { Range: from ? "bytes=5-" : "" };
      const request = new Request("http://x/page.txt", { headers });
      await (await handle(request, site.path)).body!.cancel();
      const reader = (await handle(request, site.path)).body!.getReader();
      await reader.read();
      await reader.cancel();
      const { length } = await (await handle(request, site.path)).bytes();
      assertEquals(length, 1e6 - from);
    }
    const request = new Request("http://x/page.txt", { method: "HEAD" });
    assertEquals((await handle(request, site.path)).body, null);
  },
);

testTidy(
  "handle of web_server never throws, and never shows a secret",
  async () => {
    const windows = Deno.build.os === "windows";
    await using site = windows ? undefined : await trap();
    await using bare = await folder({ "racine/page.txt": PAGE });
    const root = site?.root ?? `${bare.path}/racine`;
    const pieces = [
      ...["/", "/", "//", "%2f", "\\", "%5c", ".", "..", "%2e", "%2e%2e", "."],
      ...[
        "page.txt",
        "dossier",
        "dehors",
        "secret.txt",
        "dossier-dehors",
        "soi",
      ],
      ...["retour", ".env", ".git", ".well-known", ".secret", "fifo", "zero"],
      ...["index-dehors", "index.html", "%00", "%", "%25", "%c0%ae", "é", ";"],
      ...["?", "#", ":", "@", "*", " ", "\u202e", "liste", "etc", "passwd"],
    ];
    const path = fc.array(fc.constantFrom(...pieces), { maxLength: 12 });
    const method = fc.constantFrom("GET", "GET", "GET", "HEAD", "POST");
    const headers = fc.subarray([
      ["Range", "bytes=1-"],
      ["If-Range", '"x"'],
      ["If-None-Match", "*"],
    ]);
    await fc.assert(
      fc.asyncProperty(path, method, headers, async (path, method, pairs) => {
        const headers = pairs as [string, string][];
        const address = `http://x/${path.join("")}`;
        const request = new Request(address, { method, headers });
        const response = await handle(request, root);
        const text = await response.text();
        assert(response.status < 500);
        assert(!/TRES-SECRET|^root:/m.test(text), text);
        assertEquals(response.headers.get("x-content-type-options"), "nosniff");
        const location = response.headers.get("location");
        if (location) assertEquals(new URL(location).host, "x");
      }),
      { numRuns: 500 },
    );
    for (const headers of [new Headers(), new Headers({ "If-Range": "x" })]) {
      const bad = { url: "http://a b/", method: "GET", headers } as Request;
      assertEquals((await handle(bad, root)).status, 400);
    }
    assertEquals(
      (await handle(new Request("http://x/"), "/n'existe/pas")).status,
      404,
    );
  },
);

testTidy(
  "serve of web_server serves until its signal, and leaves nothing open",
  async () => {
    await using site = await folder({ "page.txt": PAGE });
    const said: string[] = [], { log } = console;
    console.log = (line: string) => void said.push(line);
    try {
      const stop = new AbortController();
      const listens = Promise.withResolvers<Deno.NetAddr>();
      const at = { hostname: "127.0.0.1", port: 0 };
      const served = serveFolder(site.path, at, stop.signal, listens.resolve);
      const { port } = await listens.promise;
      const { body } = await ask(port, "GET /page.txt");
      assertEquals(body, bytes(PAGE));
      stop.abort();
      await served;
      await refuses(port);
    } finally {
      console.log = log;
    }
    assertEquals(said.length, 1);
    assertMatch(
      said[0],
      /^127\.0\.0\.1:\d+ GET \/page.txt 200 8 octets \d+ ms$/,
    );
  },
);
