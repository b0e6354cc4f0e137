/** std/: each package loads, has what this project uses, and is typed. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import {
  serveDir,
  type ServeDirOptions,
  serveFile,
} from "@std/http/file-server";
import { ROOT } from "./harness.ts";

const get = (path: string) => new Request(new URL(path, "http://localhost"));

Deno.test("serveFile sends a file with all that caches need", async () => {
  const file = `${ROOT}README.md`;
  const fileInfo = await Deno.stat(file);
  const { status, headers, body } = await serveFile(get("/"), file, {
    fileInfo,
  });
  await body!.cancel();
  assertEquals(status, 200);
  const { etag, ...others } = Object.fromEntries(headers);
  assertStringIncludes(etag, 'W/"');
  assertEquals(others, {
    "accept-ranges": "bytes",
    "content-length": `${fileInfo.size}`,
    "content-type": "text/markdown; charset=UTF-8",
    "last-modified": fileInfo.mtime!.toUTCString(),
    "server": "deno",
  });
});

Deno.test("serveDir lists a folder, finds what is in it, and no more", async () => {
  const options: ServeDirOptions = { fsRoot: ROOT, quiet: true };
  const list = await serveDir(get("/scripts/"), {
    ...options,
    showDirListing: true,
  });
  const page = await list.text();
  assertStringIncludes(page, '<a href="./web_server.ts">web_server.ts</a>');
  assertStringIncludes(page, "kB");
  assertEquals(list.headers.get("content-type"), "text/html; charset=UTF-8");
  const headers = ["x-a: b"];
  const { status, headers: had } = await serveDir(get("/rien"), {
    ...options,
    headers,
    enableCors: true,
  });
  assertEquals([status, had.get("x-a")], [404, "b"]);
  assertEquals(had.get("access-control-allow-origin"), "*");
  // @ts-expect-error An assertion: std/http must refuse what the published serveDir lacks.
  await serveDir(get("/rien"), { ...options, cleanUrls: true });
});

Deno.test("parseArgs knows which options there are, and of what type", () => {
  const unknown: string[] = [];
  const { host, help, _ } = parseArgs(["--host", "1", "a", "--nope"], {
    boolean: ["help"],
    string: ["host"],
    default: { host: "::1" },
    unknown: (argument) => unknown.push(argument) < 0,
  });
  const typed: [string, boolean] = [host, help];
  assertEquals([...typed, _, unknown], ["1", false, [], ["a", "--nope"]]);
});
