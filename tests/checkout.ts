/** A copy of the checkout, whose scripts a test may change. */
import { Program, ROOT } from "./harness.ts";

/** Copies the pages and the demo, with all that they are made of and run. */
export async function copyCheckout(prefix = "checkout-") {
  const path = await Deno.makeTempDir({ prefix });
  const texts = ["demo.ts", "deno.json", "deno.lock"];
  const parts = ["guide", "scripts", "std", ...texts];
  const args = ["-R", ...parts.map((part) => ROOT + part), path];
  await new Deno.Command("cp", { args }).output();
  return {
    path,
    /** Puts a program in the place of a script, until this is disposed of. */
    put(script: string, program: string, flags = ""): Disposable {
      const file = `${path}/scripts/${script}.ts`;
      const text = Deno.readTextFileSync(file);
      const header = text.slice(0, text.indexOf("*/") + 3)
        .replace("@run deno run", `$&${flags && ` ${flags}`}`);
      Deno.writeTextFileSync(file, header + program);
      return { [Symbol.dispose]: () => Deno.writeTextFileSync(file, text) };
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

/** Starts `deno task web` in a checkout. The address that it prints has the token. */
export async function startWeb(cwd = ROOT) {
  const { tasks } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`));
  const args = [...tasks.web.command.split(" ").slice(1), "--port", "0"];
  // Its programs run on the Deno that it runs on, not on one in the PATH.
  const shell = 'PATH=/usr/bin:/bin exec "$@"';
  const web = new Program(Deno.execPath(), args, { cwd, shell });
  const [address] = await web.says(/http:\S+#\S+/);
  return Object.assign(web, { address });
}
