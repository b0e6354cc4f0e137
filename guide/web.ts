/**
 * The course as a web site on this machine: builds it, then serves it with the
 * course's own web server.
 *
 * Run it with `deno task web`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { serve } from "../scripts/web_server.ts";
import { build } from "./build.ts";

const HELP = "Options : --host, --port";

const ROOT = new URL("site/", import.meta.url);

async function main(): Promise<void> {
  const args = parseArgs(Deno.args, {
    boolean: ["help"],
    string: ["host", "port"],
    default: { host: "127.0.0.1", port: "8088" },
    unknown: (arg) => {
      throw new Error(`argument inconnu : ${arg}. ${HELP}`);
    },
  });
  if (args.help) return console.log(HELP);
  // `deno task` may be killed without a word: then this has another parent.
  const parent = Deno.ppid;
  build();
  // From here on it may do what its web server may, and no more.
  await Deno.permissions.revoke({ name: "write" });
  const stop = new AbortController();
  const onSignal = () => stop.signal.aborted ? Deno.exit(130) : stop.abort();
  Deno.addSignalListener("SIGINT", onSignal);
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", onSignal);
    Deno.addSignalListener("SIGHUP", onSignal); // The terminal was closed.
  }
  setInterval(() => Deno.ppid === parent || stop.abort(), 500);

  const at = { hostname: args.host.toLowerCase(), port: Number(args.port) };
  const serving = serve(await Deno.realPath(ROOT), at, stop.signal);
  await Promise.race([serving, undefined]); // Has it failed at once?
  console.log("Ouvrez cette adresse dans un navigateur ; Ctrl-C l'arrête");
  await serving;
  Deno.exit(0);
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 8089" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
