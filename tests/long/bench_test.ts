/** The benchmark runs: every peer that is there, under every load. */
import { assertEquals } from "@std/assert";
import { Program, testWith } from "../harness.ts";

testWith(
  "cc",
  "The benchmark measures every peer, and none of them fails",
  async () => {
    const args = ["run", "--allow-all", "bench/bench.ts", "--quick"];
    await using bench = new Program(Deno.execPath(), args);
    const { code, out } = await bench.end(300_000);
    // The five loads; the memory; files of three sizes.
    const count = (name: string) => out.match(RegExp(`│ ${name} +│ \\d`, "g"));
    assertEquals(count("multithread_server")?.length, 6);
    assertEquals(count("web_server")?.length, 3);
    assertEquals([code, out.match(/Failed: .*|NaN|Infinity/g)], [0, null]);
  },
);
