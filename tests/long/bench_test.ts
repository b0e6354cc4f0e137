/** The benchmark runs: every peer that is there, under every load. */
import { assertEquals, assertMatch } from "@std/assert";
import { findTools, linePeers } from "../../bench/peers.ts";
import { Program, testWith } from "../harness.ts";

testWith(
  "cc",
  "The benchmark measures every peer, and none of them fails",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "bench-test-" });
    const peers = await linePeers(await findTools(false), folder);
    await Deno.remove(folder, { recursive: true });
    const args = ["run", "--allow-all", "bench/bench.ts", "--quick"];
    await using bench = new Program(Deno.execPath(), args);
    await bench.until(
      () => bench.out.includes("10 MiB"),
      "the last table",
      300_000,
    );
    const { code, out } = await bench.end();
    assertEquals(code, 0);
    for (const name of Object.keys(peers)) {
      // In the tables of the five loads, and of the memory.
      const rows = out.match(RegExp(`^│ ${name} +│ [\\d.]+ +│`, "gm"));
      assertEquals(rows?.length, 6, `${name}\n${out}`);
    }
    assertMatch(out, /^Where this project is behind/m);
    assertEquals(out.match(/^Failed: .*$/gm), null);
  },
);
