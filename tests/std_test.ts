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

// That a wrong name is a type error is what this test asserts, and TypeScript has one
// way to assert it: `deno check` fails where the line below such a comment is none.
Deno.test("std types what it re-exports, so that a misspelt name is an error", () => {
  const misspelt = [
    // @ts-expect-error misspelt on purpose: the colour that std/fmt exports is green
    colors.gren,
    // @ts-expect-error misspelt on purpose: what std/assert exports is assert
    assertions.asert,
  ];
  assertEquals(misspelt, [undefined, undefined]);
  // @ts-expect-error misspelt on purpose: the option of parseArgs is string
  parseArgs([], { strnig: ["host"] });
  const { host, help } = parseArgs(["--help"], {
    boolean: ["help"],
    string: ["host"],
    default: { host: "::1" },
  });
  const typed: [string, boolean] = [host, help];
  assertEquals(typed, ["::1", true]);
  // @ts-expect-error wrong on purpose: what parseArgs makes of help is a boolean
  const text: string = help;
  assertEquals<unknown>(text, true);
  // @ts-expect-error misspelt on purpose: the option of serveDir is showDirListing
  const options: ServeDirOptions = { showDirListings: true };
  assertEquals(Object.keys(options), ["showDirListings"]);
});
