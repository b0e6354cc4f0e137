/**
 * The course as a web site on this machine: builds it if a source has changed, then
 * serves it with the course's own web server.
 *
 * Run it with `deno task web`, or `deno task web --open`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { build } from "./build.ts";

const HELP = "Usage : deno task web [--open (dans le navigateur)]" +
  " [--host 127.0.0.1] [--port 8088] [--help]";

const ROOT = new URL("../", import.meta.url);
const SERVER = "scripts/web_server.ts";

/** Opens an address with what the system has for it; that it cannot is no end. */
async function open(address: string): Promise<void> {
  const [command, ...args] = {
    darwin: ["open"],
    windows: ["cmd", "/c", "start", ""],
  }[Deno.build.os as string] ?? ["xdg-open"];
  const stdio = "null", quiet = { stdin: stdio, stdout: stdio, stderr: stdio };
  try {
    const opener = new Deno.Command(command, {
      args: [...args, address],
      ...quiet as Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr">,
    });
    const { success } = await opener.spawn().status;
    if (success) return;
  } catch { /* There is no such program. */ }
  console.error(`Navigateur non ouvert (${command}) : ouvrez-le vous-même`);
}

function exit(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

/** Serves the site until it is asked to stop, and returns the server's exit code. */
async function serve(args: string[], opens: boolean): Promise<number> {
  const source = await Deno.readTextFile(new URL(SERVER, ROOT));
  const [, flags] = source.match(/^ \* @run deno (run .*) \S+$/m)!;
  const server = new Deno.Command(Deno.execPath(), {
    args: [...flags.split(" "), SERVER, "--root", "guide/site", ...args],
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    // In a group of its own, Ctrl-C does not reach it twice, from the terminal and
    // from here: it would take the second for impatience.
    detached: true,
  }).spawn();
  const stop = () => {
    try {
      server.kill("SIGTERM");
    } catch { /* It has just ended. */ }
  };
  let asked = false;
  const onSignal = () => asked ||= (stop(), true);
  Deno.addSignalListener("SIGINT", onSignal);
  // Windows has no SIGTERM: there, Ctrl-C alone asks it to stop.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", onSignal);

  let told = false;
  const lines = server.stdout.pipeThrough(new TextDecoderStream());
  for await (const text of lines) {
    console.log(text.replace(/\n$/, ""));
    const address = text.match(/^Serveur prêt.* (http:\S+)/m)?.[1];
    if (!address || told) continue;
    told = true;
    console.log(
      `Ouvrez ${address} dans un navigateur ; Ctrl-C arrête le serveur`,
    );
    if (opens) open(address);
  }
  const { code } = await server.status;
  return asked && Deno.build.os === "windows" ? 0 : code;
}

async function main(): Promise<void> {
  const { help, open, host, port } = parseArgs(Deno.args, {
    boolean: ["help", "open"],
    string: ["host", "port"],
    unknown: (arg) => exit(2, `"${arg}" : argument inconnu. ${HELP}`),
  });
  if (help) return console.log(HELP);
  try {
    if (await build({ ifNewer: true })) console.log("Pages faites");
  } catch (error) {
    exit(1, `Pages non faites : ${(error as Error).message}`);
  }
  const args = Object.entries({ host, port }).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, value]
  );
  Deno.exit(await serve(args, open));
}

if (import.meta.main) await main();
