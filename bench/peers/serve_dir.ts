/** What web_server.ts stands on, and nothing else: `serveDir`, as it comes. */
import { serveDir } from "@std/http/file-server";

const [fsRoot] = Deno.args;
Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen: ({ port }) => console.log(`127.0.0.1:${port}`),
}, (request) => serveDir(request, { fsRoot }));
