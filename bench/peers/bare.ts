/**
 * The least that Deno does for a message: one read, one write, nothing looked at. What
 * a server costs beyond it is the server's own.
 *
 * @module
 */
const ANSWER = new TextEncoder().encode("Message reçu\n");

async function handle(conn: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(512);
  while (await conn.read(buffer) !== null) await conn.write(ANSWER);
  conn.close();
}

const options = { hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 };
const listener = Deno.listen(options);
console.log(`127.0.0.1:${listener.addr.port}`);
for await (const conn of listener) handle(conn).catch(() => {});
