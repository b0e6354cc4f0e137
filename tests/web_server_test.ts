/** web_server.ts: what it shows, what it hides, and how it ends. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { handle } from "../scripts/web_server.ts";
import * as harness from "./harness.ts";
import { bytes, LINUX, listens, Peer, run, testWith } from "./harness.ts";

/** What is in every file that no client may see. */
const SECRET = "TRES-SECRET";
const PAGE = "bonjour\n";
/** More than the system keeps for a reader; no four bytes of it are there twice. */
const FILE = new Uint8Array(
  new Uint32Array(6_000_000).map((_, index) => index).buffer,
);

/** Serves a folder, after some code; its port is `at`. */
async function serve(root: string, code = "") {
  const options = harness.preload("web_server", code);
  const args = ["--root", root];
  const server = await harness.serve("web_server", args, options);
  return Object.assign(server, { at: await server.port() });
}

/** A folder that goes when the test ends, and what to make in it. */
async function folder(files: Record<string, string | Uint8Array> = {}) {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "web-" }));
  for (const [name, content] of Object.entries(files)) {
    const file = `${path}/${name}`;
    await Deno.mkdir(file.replace(/[^/]+$/, ""), { recursive: true });
    const data = typeof content === "string" ? bytes(content) : content;
    await Deno.writeFile(file, data);
  }
  const remove = () => Deno.remove(path, { recursive: true });
  return { path, [Symbol.asyncDispose]: remove };
}

/** A folder `racine` to be served, full of traps, beside what must stay unseen. */
async function trap() {
  const site = await folder({
    "dehors/secret.txt": SECRET,
    "racine-bis/secret.txt": SECRET,
    "racine/page.txt": PAGE,
    "racine/dossier/index.html": "<h1>Accueil</h1>",
    "racine/a\\b/c\\d.txt": PAGE,
    "racine/.env": SECRET,
    "racine/.git/config": SECRET,
    "racine/.well-known/acme": PAGE,
    "racine/.well-known/.secret": SECRET,
    "racine/.well-knownx": SECRET,
    "racine/index-dossier/index.html/page.txt": "",
  });
  const root = `${site.path}/racine`;
  const links = {
    "dedans": "page.txt",
    "dehors": "../dehors/secret.txt",
    "dossier-dehors": "../dehors",
    "bis": "../racine-bis",
    "boucle": "boucle",
    "vers-point": ".env",
    ".vers-page": "page.txt",
    "vers-git": ".git",
    "index-lien/index.html": "../dossier/index.html",
    "index-dehors/index.html": "../../dehors/secret.txt",
  };
  for (const [link, target] of Object.entries(links)) {
    const path = `${root}/${link}`;
    await Deno.mkdir(path.replace(/[^/]+$/, ""), { recursive: true });
    await Deno.symlink(target, path);
  }
  await new Deno.Command("mkfifo", { args: [`${root}/fifo`] }).output();
  return { ...site, root };
}

/** A request, `GET /path` or another, to `localhost` unless a header says else. */
function request(line: string, ...headers: string[]): string {
  const isTold = headers.some((header) => header.startsWith("Host:"));
  const all = isTold ? headers : ["Host: localhost", ...headers];
  return [`${line} HTTP/1.1`, ...all, "", ""].join("\r\n");
}

/** Sends a request, and reads to the end of the stream or to its reset. */
async function ask(port: number, line: string, ...headers: string[]) {
  await using peer = await Peer.connect(port);
  await peer.say(request(line, "Connection: close", ...headers));
  const raw = await peer.ended();
  const end = raw.indexOf("\r\n\r\n");
  // NaN if the connection was closed without an answer.
  const status = Number(raw.match(/^HTTP\/1\.[01] (\d{3}) /)?.[1]);
  return { status, head: raw.slice(0, end + 2), body: raw.slice(end + 4) };
}

/** A request, its status, why, what is in the answer, and its host. */
type Row = [
  line: string,
  status: number,
  why: string,
  part?: string,
  host?: string,
];

const ROWS: Row[] = [
  ["GET /page.txt?a=../..%00", 200, "a query", PAGE],
  ["GET /%70age.txt", 200, "an escaped letter", PAGE],
  ["GET /", 200, "a list", ">page.txt</a>"],
  ["GET /dossier/", 200, "an index", "<h1>Accueil</h1>"],
  ["GET /index-lien/", 200, "an index that is a link inside", "Accueil"],
  ["GET /index-dehors/", 200, "an index that leads out is none", "Index of"],
  ["GET /index-dossier/", 200, "nor is a folder", "Index of"],
  ["GET /a%5Cb?a=b", 301, "a slash too few", ": ./a%5Cb/?a=b\r\n"],
  ["GET /a%5Cb/", 200, "a backslash in a folder's name", "./c%5Cd.txt"],
  ["GET /a%5Cb/c%5Cd.txt", 200, "a backslash in a file's name", PAGE],
  ["GET /dedans", 200, "a link inside", PAGE],
  ["GET /dedans", 200, "has its file's type", "content-type: text/plain"],
  ["GET /.well-known/acme", 200, ".well-known is public", PAGE],
  ["GET /../dehors/secret.txt", 404, "dots"],
  ["GET /%2e%2e/dehors/secret.txt", 404, "escaped dots"],
  ["GET /..%2fdehors%2fsecret.txt", 404, "escaped slashes"],
  ["GET /..%5cdehors%5csecret.txt", 404, "escaped backslashes"],
  ["GET /dehors", 404, "a link to a file outside"],
  ["GET /dossier-dehors/", 404, "a link to a folder outside"],
  ["GET /bis/secret.txt", 404, "a link to where the name begins alike"],
  ["GET /fifo", 404, "a FIFO"],
  ["GET /boucle", 404, "a link to itself"],
  ["GET /page.txt/", 404, "a file taken for a folder"],
  ["GET /page.txt%00", 404, "a NUL"],
  ["GET /100%", 404, "a bad escape"],
  ["GET /.env", 404, "a dotfile"],
  ["GET /%2eenv", 404, "a dotfile, escaped"],
  ["GET /vers-point", 404, "a link to a dotfile"],
  ["GET /.vers-page", 404, "a dotfile that leads to a file"],
  ["GET /.git/config", 404, "what is in a dot folder"],
  ["GET /vers-git/config", 404, "the same through a link"],
  ["GET /.well-known/.secret", 404, "a dotfile in .well-known"],
  ["GET /.well-knownx", 404, "a name that begins like .well-known"],
  ["GET //dossier", 404, "a name that is empty"],
  ["POST /page.txt", 405, "another method", "Allow: GET, HEAD\r\n"],
  ["DELETE /page.txt", 405, "one more", "Allow: GET, HEAD\r\n"],
  ["GET http://localhost:99999/", 400, "an impossible port"],
  ["GET /", 400, "a name that is none", "", "a b"],
  ["GET /", 421, "another name (DNS rebinding)", "", "attacker.example"],
  // It counts, and not Host (RFC 9112, 3.2.2).
  ["GET http://attacker.example/", 421, "an absolute URL"],
];

Deno.test({
  name: "web_server shows what is in its folder, and nothing else",
  // On Windows links want a right of their own, and names are not free.
  ignore: Deno.build.os === "windows",
  async fn(t) {
    await using site = await trap();
    await using server = await serve(site.root);
    for (const [line, status, why, part = "", host = "localhost"] of ROWS) {
      await t.step(`${line}: ${why}`, async () => {
        const name = `Host: ${host}`;
        const { head, body, ...answer } = await ask(server.at, line, name);
        assertEquals(answer.status, status);
        assert((head + body).includes(part), head + body);
        assert(!body.includes(SECRET), body);
        assert(!/>\.\w/.test(body), "a hidden name in a list");
        assertMatch(head, /\r\nx-content-type-options: nosniff\r\n/i);
        assertMatch(head, /\r\ncache-control: no-cache\r\n/i);
        // HEAD is GET without a body (RFC 9110, 9.3.2).
        const asHead = line.replace("GET", "HEAD");
        if (asHead === line) return;
        const same = await ask(server.at, asHead, name);
        const undated = (head: string) => head.replace(/\r\ndate: .*/, "");
        assertEquals([undated(same.head), same.body], [undated(head), ""]);
      });
    }
  },
});

Deno.test("web_server answers to its own name, however it is spelt, and to any where other machines can reach it", async () => {
  for (const [at, other] of [["192.0.2.1", 200], ["::1", 421]]) {
    // Whatever it is told, it is on loopback; this is where it believes to be.
    const elsewhere = `
      const { serve } = Deno;
      Deno.serve = (options, handler) => {
        const server = serve({ ...options, hostname: "127.0.0.1" }, handler);
        const addr = { ...server.addr, hostname: "${at}" };
        return { addr, finished: server.finished };
      };`;
    const options = harness.preload("web_server", elsewhere);
    const args = ["--host", "Mon-PC"];
    await using server = await harness.serve("web_server", args, options);
    const port = await server.port();
    for (const [name, expected] of [["mon-pc", 200], ["autre", other]]) {
      const { status } = await ask(port, "GET /", `Host: ${name}`);
      assertEquals(status, expected, `${name}, ${at}`);
    }
  }
});

Deno.test("handle of web_server answers to loopback's names and the one that it is told, or to any", async () => {
  await using site = await folder();
  const status = async (host: string, name?: string) =>
    (await handle(new Request(`http://${host}/`), site.path, name)).status;
  const local = ["LOCALHOST:8088", "localhost.", "127.1.2.3", "[::1]:8088"];
  for (const host of [...local, "Mon-PC:8088"]) {
    assertEquals(await status(host, "mon-pc"), 200, host);
  }
  const evil = ["", "localhost.", "127.0.0.1.", "localhost@"]
    .map((start) => `${start}attacker.example`);
  for (const host of [...evil, "192.168.1.2", "[::2]", "[2001:db8::1]"]) {
    assertEquals(await status(host, "mon-pc"), 421, host);
    assertEquals(await status(host), 200, host);
  }
});

Deno.test("handle of web_server sends a part, but not of a file that may have changed", async () => {
  await using site = await folder({ "page.txt": PAGE });
  const ask = (headers: HeadersInit, method = "GET") => {
    const init = { headers, method };
    return handle(new Request("http://localhost/page.txt", init), site.path);
  };
  const page = await ask({});
  assertEquals(await page.text(), PAGE);
  const ETag = page.headers.get("ETag")!;
  const Range = "bytes=3-";
  const past = "Wed, 21 Oct 2015 07:28:00 GMT";
  for (
    const [headers, status, body] of [
      [{ "If-None-Match": ETag }, 304, ""],
      [{ Range }, 206, "jour\n"],
      [{ Range, "If-Range": ETag }, 200, PAGE],
      [{ Range, "If-Match": '"x"' }, 200, PAGE],
      [{ Range, "If-Unmodified-Since": past }, 200, PAGE],
    ] as [HeadersInit, number, string][]
  ) {
    const answer = await ask(headers);
    assertEquals([answer.status, await answer.text()], [status, body]);
    // Ranges are for GET alone (RFC 9110, 14.2), conditions are not.
    const head = await ask(headers, "HEAD");
    await head.text();
    assertEquals(head.status, status === 206 ? 200 : status);
  }
});

testWith(LINUX, "web_server outlives the want of descriptors", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(site.path, harness.PAUSES);
  // A client whose connection is there before they run out.
  const port = server.at;
  await using early = await Peer.connect(port);
  await early.say(request("GET /page.txt"));
  await early.hears(PAGE);
  // The first client that cannot be accepted ends the listener.
  const runOut = async () => {
    server.err = "";
    await harness.limit(server, 3);
    await listens(port);
    await server.complains(/^Client non accepté : .*24\)\n/m);
  };
  await runOut();
  await early.say(request("GET /page.txt"));
  await early.hears(/HTTP\/1.1 503 [^]*503 Indisponible\n$/);
  await harness.limit(server, 1000);
  while (!await listens(port));
  assertEquals((await ask(port, "GET /page.txt")).body, PAGE);
  await server.complains(/^Client non accepté : .*24\)\nPause$/m);
  assert(!/^Client.*\nClient/m.test(server.err), server.err);
  await runOut();
  server.kill();
  const { code, out } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /\nServeur arrêté\n$/);
});

/** A client that has asked for a file, and read the first of it. */
async function download(port: number) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(bytes(request("GET /fichier", "Connection: close")));
  const buffer = new Uint8Array(1000);
  return { conn, first: buffer.subarray(0, (await conn.read(buffer))!) };
}

testWith(LINUX, "web_server stops at once on a second signal", async () => {
  await using site = await folder({ "fichier": FILE });
  const patient = harness.timers("if (ms > 1000) ms = 2 ** 31 - 1;");
  await using server = await serve(site.path, patient);
  const { conn } = await download(server.at);
  using _stalled = conn;
  server.kill("SIGINT");
  // The first one has been heard when nobody is let in any more.
  while (await listens(server.at));
  server.kill("SIGINT");
  assertEquals((await server.end()).code, 130);
});

Deno.test("web_server answers though it can log nothing, and stops though a client stalls", async () => {
  const full = `
    const { log } = console;
    console.log = (line) => {
      if (line.includes(" octets ")) throw new Error("No space left on device");
      log(line);
    };`;
  await using site = await folder({ "page.txt": PAGE, "fichier": FILE });
  await using server = await serve(site.path, full);
  for (let i = 0; i < 3; i++) {
    assertEquals((await ask(server.at, "GET /page.txt")).body, PAGE);
  }
  const { conn } = await download(server.at);
  using _stalled = conn;
  server.kill();
  assertEquals((await server.end(20_000)).code, 0);
});

Deno.test("web_server ends a download before it stops, and waits for nobody else", async () => {
  // For what has begun, it has all the time of the world.
  const patient = harness.timers("if (ms > 1000) ms = 2 ** 31 - 1;");
  await using site = await folder({ "page.txt": PAGE, "fichier": FILE });
  await using server = await serve(site.path, patient);
  await using _silent = await Peer.connect(server.at);
  await using half = await Peer.connect(server.at);
  await half.say("GET /page.txt HT");
  const { conn, first } = await download(server.at);
  await using idle = await Peer.connect(server.at);
  await idle.say(request("GET /page.txt"));
  await idle.hears(PAGE);
  server.kill();
  const rest = await new Response(conn.readable).bytes();
  const all = await new Blob([first, rest]).bytes();
  assertEquals(all.subarray(-FILE.length), FILE);
  const { code, out } = await server.end();
  assertEquals(code, 0);
  // Each is logged when it is over.
  assertMatch(out, / 200 8 octets .*\n.* 200 24000000 octets \d+ ms\n/);
});

Deno.test("web_server logs each request in one line that no client can forge", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(site.path, "performance.now = () => 1e6;");
  const expected: string[] = [];
  for (
    const [line, logged, ...headers] of [
      ["GET /", "GET / 200 N"],
      ["HEAD /page.txt?q=%0a", "HEAD /page.txt 200 8"],
      ["GET /page.txt", "GET /page.txt 206 3", "Range: bytes=0-2"],
      ["GET /%1b[31m%0a1.2.3.4", "GET /%1b[31m%0a1.2.3.4 404 16"],
      ["GET http://y:99999/\u202e", "GET http://y:99999/ 400 25"],
    ]
  ) {
    await ask(server.at, line, ...headers);
    expected.push(logged);
  }
  server.kill();
  const { out, err } = await server.end();
  const facts = out.trimEnd().split("\n").slice(1, -1).map((line) =>
    line.replace(/(GET \/ 200) \d+/, "$1 N")
      .match(/^127\.0\.0\.1:\d+ (.*) octets 0 ms$/)?.[1]
  );
  assertEquals([facts, err], [expected, ""]);
});

Deno.test("web_server serves --root, however it is written, and nothing but a folder", async () => {
  await using site = await folder({ "\x1b[2J/page.txt": PAGE });
  Deno.symlinkSync("\x1b[2J", `${site.path}/lien`);
  await using server = await serve(`${site.path}/rien/../lien/.`);
  assert(server.out.endsWith(` (dossier ${site.path}/[2J)\n`), server.out);
  assertEquals((await ask(server.at, "GET /page.txt")).body, PAGE);
  const { code, out, err } = await run("web_server", ["--root", "deno.json"]);
  assertEquals([code, out], [1, ""]);
  assertMatch(err, /^NotADirectory: .*\n$/);
});
