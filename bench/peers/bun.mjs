/**
 * Bun's own sockets: `Bun.listen`, the messages of each `data` event answered by one
 * write. It takes what the kernel takes; the rest is ours to keep until `drain`.
 */
const ANSWER = "Message reçu\n";
const NOTHING = Buffer.alloc(0);

/** Writes answers, or as much of them as the kernel takes. */
function write(socket, answers) {
  const sent = Math.max(0, socket.write(answers));
  if (sent < Buffer.byteLength(answers)) {
    socket.data.owed = Buffer.from(answers).subarray(sent);
    socket.pause(); // While it does not read its answers, nor do we its messages.
  } else {
    socket.data.owed = NOTHING;
    if (socket.data.ended) socket.end();
  }
}

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  allowHalfOpen: true, // What is owed at the end of its stream is still written.
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      socket.data = { rest: NOTHING, owed: NOTHING, ended: false };
    },
    data(socket, bytes) {
      const client = socket.data;
      if (client.rest.length > 0) bytes = Buffer.concat([client.rest, bytes]);
      const end = bytes.lastIndexOf(10) + 1;
      client.rest = NOTHING;
      if (end < bytes.length) client.rest = Buffer.from(bytes.subarray(end));
      if (end === 0) return;
      const messages = bytes.toString("utf8", 0, end - 1).split("\n");
      write(socket, ANSWER.repeat(messages.length));
    },
    drain(socket) {
      socket.resume();
      write(socket, socket.data.owed);
    },
    end(socket) {
      socket.data.ended = true;
      if (socket.data.owed.length === 0) socket.end();
    },
  },
});
console.log(`127.0.0.1:${listener.port}`);
