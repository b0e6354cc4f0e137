/**
 * The protocol line by line: one search, one decode and one write for each message,
 * as one would write it first.
 *
 * @module
 */
const ANSWER = new TextEncoder().encode("Message reçu\n");
const LF = 10;

async function handle(conn: Deno.TcpConn): Promise<void> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  for (let held = 0, count; (count = await conn.read(buffer.subarray(held)));) {
    let rest = buffer.subarray(0, held + count), end;
    while ((end = rest.indexOf(LF)) >= 0) {
      const line = decoder.decode(rest.subarray(0, end));
      await conn.write(ANSWER);
      if (line === "FIN") return conn.close();
      rest = rest.subarray(end + 1);
    }
    buffer.set(rest);
    held = rest.length;
  }
  conn.close();
}

const listener = Deno.listen({
  hostname: "127.0.0.1",
  port: 0,
  tcpBacklog: 4096,
});
console.log(`127.0.0.1:${listener.addr.port}`);
for await (const conn of listener) handle(conn).catch(() => {});
