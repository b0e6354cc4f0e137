/**
 * The course as a web site on this machine: builds it, then serves it as the course's
 * own web server does, and runs the programs of its pages. Run it with `deno task web`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { handle } from "../scripts/web_server.ts";
import { build } from "./build.ts";
import { makeRunner } from "./run.ts";

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
  const parent = Deno.ppid; // Another one, once `deno task` has been killed.
  build();
  // From here on it may read, serve, and run programs, and no more.
  await Deno.permissions.revoke({ name: "write" });
  const hostname = args.host.toLowerCase(), port = Number(args.port);
  const root = await Deno.realPath(ROOT);
  const serve = async (request: Request): Promise<Response> => {
    const answer = await runner.answer(request) ??
      await handle(request, root, runner.isLocal ? hostname : "");
    answer.headers.set("Cache-Control", "no-cache"); // Ask each time.
    answer.headers.set("X-Content-Type-Options", "nosniff"); // Do not guess.
    answer.headers.set("X-Frame-Options", "DENY"); // No page has it in a frame.
    return answer;
  };
  const compressed = { automaticCompression: true, onListen() {} };
  const server = Deno.serve({ hostname, port, ...compressed }, serve);
  const runner = makeRunner(server.addr);
  const end = () => {
    runner.end();
    Deno.exit(0);
  };
  Deno.addSignalListener("SIGINT", end);
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", end);
    Deno.addSignalListener("SIGHUP", end); // The terminal was closed.
  }
  setInterval(() => Deno.ppid === parent || end(), 500);
  console.log(`Ouvrez ${runner.url} dans un navigateur ; Ctrl-C arrête tout`);
  await server.finished;
}

if (import.meta.main) {
  await main().catch((error) => {
    const hint = error.name === "AddrInUse" ? " : essayez --port 8089" : "";
    console.error(`${error}${hint}`);
    Deno.exit(1);
  });
}
