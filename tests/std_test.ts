/** std/: what it re-exports works, and is typed as JSR's own packages are. */
import { assertEquals, assertMatch } from "@std/assert";
import { serveFile } from "@std/http/file-server";
import { Program, ROOT } from "./harness.ts";

Deno.test("serveFile of std/http sends a file with all that caches need", async () => {
  const file = `${ROOT}README.md`;
  const fileInfo = await Deno.stat(file);
  const request = new Request("http://localhost");
  const { headers, body } = await serveFile(request, file, { fileInfo });
  await body!.cancel();
  const { etag, ...others } = Object.fromEntries(headers);
  assertMatch(etag, /^W\/"/);
  assertEquals(others, {
    "accept-ranges": "bytes",
    "content-length": `${fileInfo.size}`,
    "content-type": "text/markdown; charset=UTF-8",
    "last-modified": fileInfo.mtime!.toUTCString(),
    "server": "deno",
  });
});

Deno.test("std types what it re-exports, so that a misspelt name is an error", async () => {
  // The lines after the imports: two that are right, and five of which none is.
  const program = `import * as assertions from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import * as colors from "@std/fmt/colors";
import { serveDir } from "@std/http/file-server";
const args = parseArgs([], { boolean: ["help"], string: ["host"] });
export const typed: [string | undefined, boolean] = [args.host, args.help];
export const green = colors.gren;
export const assert = assertions.asert;
parseArgs([], { strnig: ["host"] });
export const help: string = args.help;
serveDir(new Request("http://localhost"), { showDirListings: true });
`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, program);
  const command = ["check", "--config", `${ROOT}deno.json`, file];
  await using check = new Program(Deno.execPath(), command);
  const { code, err } = await check.end();
  await Deno.remove(file);
  assertEquals(code, 1);
  const lines = [
    ...err.matchAll(RegExp(`${RegExp.escape(file)}:(\\d+):`, "g")),
  ];
  assertEquals(lines.map(([, line]) => line), ["7", "8", "9", "10", "11"], err);
});
