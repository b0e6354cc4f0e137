/**
 * Bun's own sockets: `Bun.listen`, the messages of each `data` event answered by one
 * write. A write takes what the kernel takes; the rest is ours to keep until `drain`.
 */
const ANSWER = "Message reçu\n";
const MAX_LINE = 64 * 1024;

/** Writes what is owed, or as much as the kernel takes. */
function flush(socket) {
  const client = socket.data;
  if (client.owed.length > 0) {
    client.owed = client.owed.subarray(Math.max(0, socket.write(client.owed)));
    // While it does not read its answers, no more of its messages are read.
    if (client.owed.length > 0) socket.pause();
    else socket.resume();
  }
  if (client.ended && client.owed.length === 0) socket.shutdown();
}

function answer(socket, messages) {
  const client = socket.data;
  const fin = messages.findIndex((message) => /^fin\r?$/i.test(message));
  client.ended = fin >= 0;
  const count = fin < 0 ? messages.length : fin + 1;
  client.owed = Buffer.concat([client.owed, Buffer.from(ANSWER.repeat(count))]);
  flush(socket);
}

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  allowHalfOpen: true,
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      const decoder = new TextDecoder();
      socket.data = { decoder, rest: "", owed: Buffer.alloc(0), ended: false };
    },
    data(socket, bytes) {
      const client = socket.data;
      if (client.ended) return; // After FIN it is only read to its end.
      const text = client.decoder.decode(bytes, { stream: true });
      const messages = (client.rest + text).split("\n");
      client.rest = messages.pop();
      if (client.rest.length > MAX_LINE) socket.terminate();
      else answer(socket, messages);
    },
    drain: flush,
    end(socket) {
      const client = socket.data;
      if (client.rest && !client.ended) answer(socket, [client.rest]);
      client.ended = true;
      flush(socket);
    },
  },
});
console.log(`127.0.0.1:${listener.port}`);
