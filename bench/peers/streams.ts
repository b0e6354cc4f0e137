/**
 * The protocol on Deno's streams, as its manual shows them: each read passes through
 * a decoder and a splitter, each answer is a write of its own.
 *
 * @module
 */
const ANSWER = new TextEncoder().encode("Message reçu\n");

async function handle(conn: Deno.TcpConn): Promise<void> {
  const writer = conn.writable.getWriter();
  let rest = "";
  for await (const text of conn.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      await writer.write(ANSWER);
      if (line === "FIN") return conn.close();
    }
  }
}

const listener = Deno.listen({
  hostname: "127.0.0.1",
  port: 0,
  tcpBacklog: 4096,
});
console.log(`127.0.0.1:${listener.addr.port}`);
for await (const conn of listener) handle(conn).catch(() => {});
