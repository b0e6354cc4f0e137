/** web_server.ts: what it shows, what it hides, and how it ends. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { handle, serve as serveFolder } from "../scripts/web_server.ts";
import * as harness from "./harness.ts";
import {
  bytes,
  LINUX,
  Peer,
  Program,
  python,
  run,
  testWith,
} from "./harness.ts";

/** What is in every file that no client may see. */
const SECRET = "TRES-SECRET";
const PAGE = "bonjour\n";
const POSIX = Deno.build.os !== "windows";
const N = (count: number) => "n".repeat(count);

/** Serves a folder; the port is in its first line. */
async function serve(root: string, ...args: string[]) {
  const server = await harness.serve("web_server", ["--root", root, ...args]);
  return Object.assign(server, { at: Number(server.address[1]) });
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
    "racine/liste/a&b.txt": "",
    "racine/a\\b/c\\d.txt": PAGE,
    "racine/.env": SECRET,
    "racine/.git/config": SECRET,
    "racine/.well-known/acme": PAGE,
    "racine/.well-known/.secret": SECRET,
    "racine/.well-knownx": SECRET,
    "racine/index-fifo/page.txt": "",
    "racine/index-dossier/index.html/page.txt": "",
  });
  const root = `${site.path}/racine`;
  const links = {
    "dedans": "page.txt",
    "soi": ".",
    "dehors": "../dehors/secret.txt",
    "dossier-dehors": "../dehors",
    "bis": "../racine-bis",
    "boucle": "boucle",
    "nulle-part": "rien",
    "vers-point": ".env",
    ".vers-page": "page.txt",
    "vers-git": ".git",
    "etc": "/etc",
    "zero": "/dev/zero",
    "vers-fifo": "fifo",
    "index-lien/index.html": "../dossier/index.html",
    "index-dehors/index.html": "../../dehors/secret.txt",
    "index-point/index.html": "../.env",
    "../dehors/retour": "../racine",
  };
  for (const [link, target] of Object.entries(links)) {
    const path = `${root}/${link}`;
    await Deno.mkdir(path.replace(/[^/]+$/, ""), { recursive: true });
    await Deno.symlink(target, path);
  }
  const fifos = [`${root}/fifo`, `${root}/index-fifo/index.html`];
  await new Deno.Command("mkfifo", { args: fifos }).output();
  return { ...site, root, fifos };
}

/** Sends bytes, and reads to the end of the stream or to its reset. */
async function send(port: number, data: string) {
  await using peer = await Peer.connect(port);
  await peer.say(data);
  const raw = await peer.ended();
  const end = raw.indexOf("\r\n\r\n");
  // NaN if the connection was closed without an answer.
  const status = Number(raw.match(/^HTTP\/1\.[01] (\d{3}) /)?.[1]);
  return { status, head: raw.slice(0, end + 2), body: raw.slice(end + 4) };
}

/** A request, `GET /path` or another, to `localhost` unless a header says else. */
function request(line: string, ...headers: string[]): string {
  const isTold = headers.some((header) => header.startsWith("Host:"));
  const all = isTold ? headers : ["Host: localhost", ...headers];
  return [`${line} HTTP/1.1`, ...all, "", ""].join("\r\n");
}

const ask = (port: number, line: string, ...headers: string[]) =>
  send(port, request(line, "Connection: close", ...headers));

/** A request, its status, why, and what is in the answer. */
type Row = [line: string, status: number, why: string, part?: string];

const ROWS: Record<string, Row[]> = {
  "web_server shows what is in its folder": [
    ["GET /page.txt", 200, "a file", PAGE],
    ["GET /page.txt?a=../..%00", 200, "a query", PAGE],
    ["GET /%70age.txt", 200, "an escaped letter", PAGE],
    ["GET /./dossier/../page.txt", 200, "dots that clients resolve", PAGE],
    ["GET /", 200, "a list", ">page.txt</a>"],
    ["GET /dossier/", 200, "an index", "<h1>Accueil</h1>"],
    ["GET /index-lien/", 200, "an index that is a link inside", "Accueil"],
    ["GET /dossier?a=b", 301, "a slash too few", "./dossier/?a=b\r\n"],
    ["GET /a%5Cb", 301, "a slash too few", "./a%5Cb/\r\n"],
    ["GET /a%5Cb/", 200, "a backslash in a folder's name", "./c%5Cd.txt"],
    ["GET /a%5Cb/c%5Cd.txt", 200, "a backslash in a file's name", PAGE],
    ["GET /dedans", 200, "a link inside", PAGE],
    ["GET /soi/soi/page.txt", 200, "a link to the root", PAGE],
    ["GET /dossier-dehors/retour/page.txt", 200, "links out, and in", PAGE],
    ["GET /.well-known/acme", 200, ".well-known is public", PAGE],
    ["GET /liste/", 200, "a name like HTML", ">a&amp;b.txt</a>"],
    ["GET /index-dehors/", 200, "an index that leads out is none", "Index of"],
    ["GET /index-point/", 200, "nor is one that is hidden", "Index of"],
    ["GET /index-fifo/", 200, "nor is a FIFO", "Index of"],
    ["GET /index-dossier/", 200, "nor is a folder", "Index of"],
  ],
  "web_server shows nothing else": [
    ["GET /../dehors/secret.txt", 404, "dots"],
    ["GET /%2e%2e/dehors/secret.txt", 404, "escaped dots"],
    ["GET /..%2fdehors%2fsecret.txt", 404, "escaped slashes"],
    ["GET /dossier/..%2f..%2fdehors", 404, "the same, from a folder"],
    ["GET /..%5cdehors%5csecret.txt", 404, "escaped backslashes"],
    ["GET /%252e%252e/dehors/secret.txt", 404, "escaped twice"],
    ["GET /../racine-bis/secret.txt", 404, "a name that begins alike"],
    ["GET ///etc/passwd", 404, "an absolute path"],
    ["GET /%2fetc/passwd", 404, "an absolute path, escaped"],
    ["GET file:///etc/passwd", 404, "a URL of a file"],
    ["GET /dehors", 404, "a link to a file outside"],
    ["GET /dossier-dehors/", 404, "a link to a folder outside"],
    ["GET /dossier-dehors/secret.txt", 404, "a file in it"],
    ["GET /bis/secret.txt", 404, "a link to where the name begins alike"],
    ["GET /etc/passwd", 404, "a link to /etc"],
    ["GET /fifo", 404, "a FIFO"],
    ["GET /vers-fifo", 404, "a link to a FIFO"],
    ["GET /index-fifo/index.html", 404, "a FIFO called index.html"],
    ["GET /zero", 404, "a device that never ends"],
    ["GET /boucle", 404, "a link to itself"],
    ["GET /nulle-part", 404, "a link to nothing"],
    ["GET /rien", 404, "nothing"],
    ["GET /page.txt/", 404, "a file taken for a folder"],
    ["GET /page.txt%00", 404, "a NUL"],
    ["GET /100%", 404, "a bad escape"],
    ["GET /%c0%ae%c0%ae/dehors", 404, "bytes that are not UTF-8"],
    [`GET /${N(5000)}`, 404, "a name that is too long"],
    ["GET /.env", 404, "a dotfile"],
    ["GET /%2eenv", 404, "a dotfile, escaped"],
    ["GET /vers-point", 404, "a link to a dotfile"],
    ["GET /.vers-page", 404, "a dotfile that leads to a file"],
    ["GET /.git/config", 404, "what is in a dot folder"],
    ["GET /vers-git/config", 404, "the same through a link"],
    ["GET /.well-known/", 404, "the list of .well-known"],
    ["GET /.well-known/.secret", 404, "a dotfile in .well-known"],
    ["GET /.well-knownx", 404, "a name that begins like .well-known"],
    ["GET //dossier", 404, "a name that is empty"],
    ["GET http://localhost:99999/", 400, "an impossible port"],
  ],
  "web_server knows GET and HEAD, and no other method": [
    ["POST /page.txt", 405, "writes nothing", "Allow: GET, HEAD\r\n"],
    ["DELETE /.env", 405, "deletes nothing", "Allow: GET, HEAD\r\n"],
    ["OPTIONS *", 405, "has no options", "Allow: GET, HEAD\r\n"],
    ["TRACE /", 405, "returns no cookies", "Allow: GET, HEAD\r\n"],
    ["get /", 405, "methods are capitals", "Allow: GET, HEAD\r\n"],
  ],
};

for (const [name, rows] of Object.entries(ROWS)) {
  // On Windows links want a right of their own, and names are not free.
  Deno.test({ name, ignore: !POSIX }, async (t) => {
    await using site = await trap();
    await using server = await serve(site.root);
    for (const [line, status, why, part = ""] of rows) {
      await t.step(`${line.slice(0, 40)}: ${why}`, async () => {
        const { head, body, ...answer } = await ask(server.at, line);
        assertEquals(answer.status, status);
        assert((head + body).includes(part), head + body);
        assert(!/TRES-SECRET|^root:/m.test(body), body);
        assertMatch(head, /\r\nx-content-type-options: nosniff\r\n/i);
        assertMatch(head, /\r\ncache-control: no-cache\r\n/i);
        if (!line.startsWith("GET")) return;
        // HEAD is GET without a body (RFC 9110, 9.3.2).
        const same = await ask(server.at, line.replace("GET", "HEAD"));
        const undated = (head: string) => head.replace(/\r\ndate: .*/, "");
        assertEquals([undated(same.head), same.body], [undated(head), ""]);
      });
    }
    // To open a FIFO for writing, without waiting, is an error if nobody reads it.
    const openBoth = `
import errno, os
for fifo in sys.argv[1:]:
    try: os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as e: print(errno.errorcode[e.errno])`;
    await using writer = python(openBoth, ...site.fifos);
    assertEquals((await writer.end()).out, "ENXIO\n".repeat(2));
    server.kill();
    const { code, out, err } = await server.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nServeur arrêté\n$/);
  });
}

Deno.test("web_server on loopback answers to this machine's names only", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(site.path);
  const status = async (host: string) =>
    (await ask(server.at, "GET /", `Host: ${host}`)).status;
  const local = ["localhost", "LOCALHOST:8088", "localhost.", "127.0.0.1:1"];
  for (const host of [...local, "127.1.2.3", "[::1]:8088"]) {
    assertEquals(await status(host), 200, host);
  }
  const evil = ["", "localhost.", "127.0.0.1.", "127.", "localhost@"]
    .map((start) => `${start}attacker.example`);
  for (const host of [...evil, evil[0] + ":8088", "192.168.1.2", "[::2]"]) {
    assertEquals(await status(host), 421, host);
  }
  assertEquals([await status("a b"), await status("[::1")], [400, 400]);
  // An absolute URL counts, and not Host (RFC 9112, 3.2.2).
  const absolute = await ask(server.at, "GET http://attacker.example/");
  const old = await send(server.at, "GET /page.txt HTTP/1.0\r\n\r\n");
  assertEquals([absolute.status, old.status], [421, 200]);
});

Deno.test("web_server answers to any name where other machines can reach it", async () => {
  // It is on loopback all the same.
  const elsewhere = `
    const { serve } = Deno;
    Deno.serve = (options, handler) => {
      const server = serve(options, handler);
      const addr = { ...server.addr, hostname: "192.0.2.1" };
      return { addr, finished: server.finished };
    };`;
  const options = harness.preload("web_server", elsewhere);
  await using server = await harness.serve("web_server", [], options);
  const port = Number(server.address[1]);
  assertEquals((await ask(port, "GET /", "Host: mon-pc.local")).status, 200);
});

Deno.test("handle of web_server answers to the name that it is told, or to any", async () => {
  await using site = await folder();
  const status = async (host: string, name?: string) =>
    (await handle(new Request(`http://${host}/`), site.path, name)).status;
  assertEquals(await status("Mon-PC:8088", "mon-pc"), 200);
  assertEquals(await status("localhost", "mon-pc"), 200);
  assertEquals(await status("ton-pc", "mon-pc"), 421);
  assertEquals(await status("ton-pc"), 200);
});

Deno.test("web_server sends a part, but not of a file that may have changed", async (t) => {
  await using site = await folder({ "page.txt": PAGE });
  const date = "Wed, 21 Oct 2015 07:28:00 GMT";
  const before = "Tue, 20 Oct 2015 07:28:00 GMT";
  await Deno.utime(`${site.path}/page.txt`, new Date(date), new Date(date));
  await using server = await serve(site.path);
  const page = await ask(server.at, "GET /page.txt");
  const [, tag] = page.head.match(/^etag: (.*)\r$/im)!;
  const part = "Range: bytes=3-";
  for (
    const [status, body, ...headers] of [
      [304, "", `If-None-Match: ${tag}`],
      [304, "", `If-Modified-Since: ${date}`],
      [206, "jour\n", part],
      [304, "", part, `If-None-Match: ${tag}`],
      [200, PAGE, part, 'If-Range: "x"'],
      [200, PAGE, part, `If-Range: ${tag}`],
      [200, PAGE, part, `If-Range: ${date}`],
      [200, PAGE, part, 'If-Match: "x"'],
      [200, PAGE, part, `If-Unmodified-Since: ${before}`],
    ] as [number, string, ...string[]][]
  ) {
    await t.step(`${headers.join(", ")}: ${status}`, async () => {
      const answer = await ask(server.at, "GET /page.txt", ...headers);
      assertEquals([answer.status, answer.body], [status, body]);
      // Ranges are for GET alone (RFC 9110, 14.2), conditions are not.
      const head = await ask(server.at, "HEAD /page.txt", ...headers);
      const expected = status === 206 ? 200 : status;
      assertEquals([head.status, head.body], [expected, ""]);
    });
  }
});

/** Bytes that are not the same twice: what is sent twice or left out, shows. */
function random(size: number): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(size);
  for (let at = 0; at < size; at += 65536) {
    crypto.getRandomValues(data.subarray(at, at + 65536));
  }
  return data;
}

testWith(
  "curl",
  "web_server sends curl a file, whole or resumed, and leads it to a folder",
  async () => {
    const content = random(3_000_001);
    await using site = await folder({ "site/été/fichier": content });
    await using server = await serve(site.path);
    const copy = `${site.path}/copie`;
    const url = `http://localhost:${server.at}/site`;
    const curl = async (...args: string[]) => {
      await using client = new Program("curl", ["-sf4", ...args]);
      return await client.end();
    };
    for (const resume of [["-C", "-"], []]) {
      await Deno.writeFile(copy, content.subarray(0, 1_234_567));
      const file = `${url}/%C3%A9t%C3%A9/fichier`;
      const { code } = await curl(...resume, "-o", copy, file);
      assertEquals([code, await Deno.readFile(copy)], [0, content]);
    }
    const followed = await curl("-L", "-w%{url_effective}", url);
    assert(followed.out.endsWith(`${url}/`), followed.out);
  },
);

/** A file of 5 GB, which takes no room. */
async function giant() {
  const site = await folder({ "page.txt": PAGE, "geant": "" });
  await Deno.truncate(`${site.path}/geant`, 5e9);
  return site;
}

/** Whether nobody can connect. */
const refuses = (port: number) =>
  Deno.connect({ port }).then((conn) => conn.close(), () => true);

testWith(LINUX, "web_server outlives the want of descriptors", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(site.path);
  // A client whose connection is there before they run out.
  const port = server.at;
  await using early = await Peer.connect(port);
  const answer = async (end: string) => {
    early.text = "";
    await early.say(request("GET /page.txt"));
    await early.hears(RegExp(`${end}$`));
    return early.text;
  };
  assertMatch(await answer(PAGE), /^HTTP\/1.1 200 /);
  // The first client that cannot be accepted ends the listener.
  const runOut = async () => {
    const before = server.err.length;
    await harness.limit(server, 3);
    await refuses(port);
    const hasSaid = () => / 24\)\n/.test(server.err.slice(before));
    await server.until(hasSaid, "a complaint");
  };
  await runOut();
  assertMatch(await answer("503 Indisponible\n"), /^HTTP\/1.1 503 /);
  await harness.limit(server, 1000);
  while (await refuses(port));
  assertEquals((await ask(port, "GET /page.txt")).body, PAGE);
  await runOut();
  server.kill();
  const { code, out, err } = await server.end();
  assertEquals(code, 0);
  assertMatch(out, /\nServeur arrêté\n$/);
  // Deno itself may miss a file: of certificates, or of coverage.
  const lines = err.trim().split("\n").filter((line) =>
    !/certs|coverage/.test(line)
  );
  for (const line of lines) {
    assertMatch(
      line,
      /^Client non accepté : .*24\)$/,
    );
  }
  assert(lines.length < 200, err); // It waits between them.
});

/** A client that has asked for a file, and read the first of it. */
async function download(port: number, path: string) {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(bytes(request(`GET ${path}`, "Connection: close")));
  const buffer = new Uint8Array(1000);
  return { conn, first: buffer.subarray(0, (await conn.read(buffer))!) };
}

testWith(LINUX, "web_server stops at once on a second signal", async () => {
  await using site = await giant();
  await using server = await serve(site.path);
  const { conn } = await download(server.at, "/geant");
  using _stalled = conn;
  server.kill("SIGINT");
  // The first one has been heard when nobody is let in any more.
  while (!await refuses(server.at));
  server.kill("SIGINT");
  assertEquals((await server.end()).code, 130);
});

/** A test of `serve`, in this process, with `limit` ms for what has begun at the stop. */
function hereTest(
  name: string,
  limit: number,
  print: (line: string) => void,
  play: (port: number, stop: () => Promise<void>) => Promise<void>,
): void {
  Deno.test({
    name: `serve of web_server ${name}`,
    ignore: !POSIX,
    sanitizeOps: false, // Its limit goes on: it is main that ends the process.
    sanitizeResources: false,
  }, async () => {
    await using site = await giant();
    await Deno.writeFile(`${site.path}/fichier`, FILE);
    const ready = Promise.withResolvers<number>();
    const { log } = console;
    using _ = { [Symbol.dispose]: () => void (console.log = log) };
    console.log = (line: string) => {
      const [, port] = line.match(/^Serveur prêt.*:(\d+)\//) ?? [];
      if (port) ready.resolve(Number(port));
      else print(line);
    };
    const stop = new AbortController();
    const at = { hostname: "127.0.0.1", port: 0 };
    const served = serveFolder(site.path, at, stop.signal, limit);
    await play(await ready.promise, () => {
      stop.abort();
      return served;
    });
  });
}
/** More than the system keeps for a reader. */
const FILE = random(24_000_000);
const NEVER = 2 ** 31 - 1;

hereTest(
  "stops at once when nobody is served",
  NEVER,
  () => {},
  async (port, stop) => {
    await using _silent = await Peer.connect(port);
    await using half = await Peer.connect(port);
    await half.say("GET /page.txt HT");
    await using idle = await Peer.connect(port);
    await idle.say(request("GET /page.txt"));
    await idle.hears(PAGE);
    await stop();
  },
);

const lines: string[] = [];
hereTest(
  "ends a download before it stops",
  NEVER,
  (line) => lines.push(line),
  async (port, stop) => {
    const { conn, first } = await download(port, "/fichier");
    await ask(port, "GET /page.txt");
    const stopped = stop();
    const rest = await new Response(conn.readable).bytes();
    const all = await new Blob([first, rest]).bytes();
    assertEquals(all.subarray(-FILE.length), FILE);
    await stopped;
    // Each is logged when it is over.
    assertMatch(
      lines.join("\n"),
      / 200 8 octets .*\n.* 200 24000000 octets \d+ ms$/,
    );
  },
);

const full = () => {
  throw new Error("No space left on device (os error 28)");
};
hereTest(
  "answers without a log, and stops in time",
  200,
  full,
  async (port, stop) => {
    for (let i = 0; i < 3; i++) {
      assertEquals((await ask(port, "GET /page.txt")).body, PAGE);
    }
    const { conn } = await download(port, "/geant");
    const begin = performance.now();
    await stop();
    const time = performance.now() - begin;
    conn.close();
    assert(time < 20_000, `${time} ms`);
  },
);

Deno.test("web_server logs each request in one line that no client can forge", async () => {
  await using site = await folder({ "page.txt": PAGE });
  await using server = await serve(site.path);
  const expected: string[] = [];
  for (
    const [line, logged, ...headers] of [
      ["GET /page.txt?q=%0a", "GET /page.txt 200 8"],
      ["HEAD /page.txt", "HEAD /page.txt 200 8"],
      ["GET /page.txt", "GET /page.txt 206 3", "Range: bytes=0-2"],
      ["GET /rien", "GET /rien 404 16"],
      ["GET /%1b[31m%0a1.2.3.4", "GET /%1b[31m%0a1.2.3.4 404 16"],
      ["GET /\u202e\x9b\u2028", "GET /%E2%80%AE%C2%9B%E2%80%A8 404 16"],
      ["GET http://y:99999/\u202e", "GET http://y:99999/ 400 25"],
    ]
  ) {
    await ask(server.at, line, ...headers);
    expected.push(logged);
  }
  server.kill();
  const { out, err } = await server.end();
  const facts = out.trimEnd().split("\n").slice(1, -1).map((line) =>
    line.match(/^127\.0\.0\.1:\d+ (.*) octets \d+ ms$/)?.[1]
  );
  assertEquals([facts, err], [expected, ""]);
});

Deno.test("web_server serves --root, however it is written", async () => {
  await using site = await folder({ "la/page.txt": PAGE, "\x1b[2J/a": "" });
  const { path } = site;
  for (const root of [`${path}/la/`, `${path}/rien/../la/.`, "/"]) {
    await using server = await serve(root);
    const [, shown] = server.out.match(/ \(dossier (.*)\)\n$/)!;
    assertEquals(shown, root === "/" ? "/" : `${path}/la`);
    const page = `${path}/la/page.txt`.slice(shown.replace(/\/$/, "").length);
    assertEquals((await ask(server.at, `GET ${page}`)).body, PAGE);
    assertEquals((await ask(server.at, "GET /")).status, 200);
  }
  await using odd = await serve(`${path}/\x1b[2J`);
  assertMatch(odd.out, / \(dossier [\w/-]+\/\[2J\)\n$/);
});

Deno.test("web_server says in one line why it cannot start", async (t) => {
  for (
    const [problem, ...args] of [
      [/^AddrNotAvailable: /, "--host", "192.0.2.1"],
      [/^NotFound: /, "--root", "n'existe/pas"],
      [/^NotADirectory: /, "--root", "deno.json"],
      [/^\w+: /, "--root="],
      [/^\w+: /, "--host="],
      [/^Error: argument inconnu : dossier /, "dossier"],
    ] as [RegExp, ...string[]][]
  ) {
    await t.step(args.join(" "), async () => {
      const { code, out, err } = await run("web_server", args);
      assertEquals([code, out, err.split("\n").length], [1, "", 2], err);
      assertMatch(err.trimEnd(), problem);
    });
  }
});
