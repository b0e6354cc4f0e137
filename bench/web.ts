/**
 * The web server and its peers, each giving out the same files and writing a line of
 * log for each request.
 *
 * @module
 */
import type { Command } from "./measure.ts";
import { type Peers, script, type Tools } from "./peers.ts";
import { type Context, measureLoads, type Result } from "./rounds.ts";

/** Bytes of the files, and how many connections ask for each. */
const FILES: [name: string, bytes: number, clients: number][] = [
  ["1 KiB", 1024, 16],
  ["100 KiB", 100 * 1024, 16],
  ["10 MiB", 10 * 1024 * 1024, 4],
];

/** nginx as it is usually set up, but for what its packages' own paths need root. */
const NGINX = (folder: string, port: number) => `
daemon off;
master_process off; # One process: the one whose CPU time is read.
pid ${folder}/nginx.pid;
error_log ${folder}/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log ${folder}/nginx-access.log;
  sendfile on;
  keepalive_requests 1000000000; # 1000 would reconnect, which no other does.
  client_body_temp_path ${folder}/nginx-body;
  proxy_temp_path ${folder}/nginx-proxy;
  fastcgi_temp_path ${folder}/nginx-fastcgi;
  uwsgi_temp_path ${folder}/nginx-uwsgi;
  scgi_temp_path ${folder}/nginx-scgi;
  server { listen 127.0.0.1:${port}; root ${folder}/www; }
}
`;

/** Measures requests for each size of file. */
export async function measureWeb(
  context: Context,
  tools: Tools,
): Promise<Result[]> {
  const { folder } = context, { python3, nginx, serve } = tools.commands;
  const root = `${folder}/www`;
  await Deno.mkdir(root);
  for (const [, size] of FILES) {
    await Deno.writeFile(`${root}/file-${size}`, new Uint8Array(size).fill(46));
  }
  const peers: Peers = {
    web_server: script("web_server", "--port", "0", "--root", root),
  };
  if (python3) {
    const command: Command = [...python3, "-m", "http.server"];
    command.push("--bind", "127.0.0.1", "--directory", root);
    // Its own way, a connection for each request, and what it can do since 3.11.
    peers["http.server, HTTP/1.0"] = [...command, "0"];
    const [, minor] = tools.versions.python3!.split(".").map(Number);
    if (minor >= 11) {
      peers["http.server, HTTP/1.1"] = [...command, "-p", "HTTP/1.1", "0"];
    }
  }
  if (serve) {
    peers["npm serve"] = [...serve, "-l", "tcp://127.0.0.1:0", root];
  }
  let port = 0;
  if (nginx) {
    using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    port = probe.addr.port;
    await Deno.writeTextFile(`${folder}/nginx.conf`, NGINX(folder, port));
    const log = ["-e", `${folder}/nginx-error.log`];
    peers.nginx = [...nginx, "-c", `${folder}/nginx.conf`, ...log];
  }
  const cases = FILES.map(([name, get, clients]) => ({
    name: `${name}, ${clients} connections`,
    load: { clients, get },
  }));
  // nginx alone cannot be asked which port it was given.
  const known = (server: string) => server === "nginx" ? port : 0;
  const results = await measureLoads(context, "web", peers, cases, known);
  for (const { case: name, rounds, median } of results) {
    const size = FILES.find(([file]) => name.startsWith(file + ","))![1];
    for (const numbers of [...rounds, median]) {
      numbers.mb_per_s = numbers.rate_per_s * size / 1e6;
    }
  }
  return results;
}
