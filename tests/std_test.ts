/** std/: what it re-exports works, and is typed as JSR's own packages are. */
import * as assertions from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";
import * as colors from "@std/fmt/colors";
import { type ServeDirOptions, serveFile } from "@std/http/file-server";
import { ROOT } from "./harness.ts";

const { assertEquals, assertMatch } = assertions;

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

// Each @ts-expect-error is the assertion itself: it fails `deno check` as soon as its
// next line is no longer a type error. That is how a wrong type of std/ is noticed.
Deno.test("std types what it re-exports, so that a misspelt name is an error", () => {
  const misspelt = [
    // @ts-expect-error misspelt on purpose: std/fmt exports no such colour
    colors.gren,
    // @ts-expect-error misspelt on purpose: std/assert exports no such assertion
    assertions.asert,
  ];
  assertEquals(misspelt, [undefined, undefined]);
  // @ts-expect-error misspelt on purpose: parseArgs of std/cli has no such option
  parseArgs([], { strnig: ["host"] });
  const { host, help, ...rest } = parseArgs(["--help"], {
    boolean: ["help"],
    string: ["host"],
    default: { host: "::1" },
  });
  const typed: [string, boolean] = [host, help];
  assertEquals(typed, ["::1", true]);
  // @ts-expect-error misspelt on purpose: no option of this name was asked for
  assertEquals(rest.hots, undefined);
  // @ts-expect-error wrong on purpose: the published serveDir has no such option
  const options: ServeDirOptions = { cleanUrls: true };
  assertEquals(Object.keys(options), ["cleanUrls"]);
});
