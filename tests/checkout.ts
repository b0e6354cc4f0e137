/** A copy of the checkout, whose scripts a test may change. */
import { Program, ROOT } from "./harness.ts";

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

/** Starts `deno task web` in a checkout. The address that it prints has the token. */
export async function startWeb(cwd = ROOT) {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const args = [...tasks.web.command.split(" ").slice(1), "--port", "0"];
  const web = new Program(Deno.execPath(), args, { cwd });
  const [address] = await web.says(/http:\S+#\S+/);
  return Object.assign(web, { address });
}
