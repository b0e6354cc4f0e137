/** A copy of the checkout, whose scripts a test may change. */
import { ROOT } from "./harness.ts";

/** Copies what the pages, and the programs that they run, are made of. */
export async function copyCheckout(): Promise<
  AsyncDisposable & { path: string }
> {
  const path = await Deno.makeTempDir({ prefix: "checkout-" });
  const parts = ["guide", "scripts", "std", "deno.json", "deno.lock"];
  const args = ["-R", ...parts.map((part) => ROOT + part), path];
  await new Deno.Command("cp", { args }).output();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
