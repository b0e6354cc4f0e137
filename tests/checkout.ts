/** A copy of the checkout, whose scripts a test may change. */
import { ROOT } from "./harness.ts";

/** Copies the pages and the demo, with all that they are made of and run. */
export async function copyCheckout(
  prefix = "checkout-",
): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix });
  const parts = [
    "guide",
    "scripts",
    "std",
    "demo.ts",
    "deno.json",
    "deno.lock",
  ];
  const args = ["-R", ...parts.map((part) => ROOT + part), path];
  await new Deno.Command("cp", { args }).output();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
