/**
 * Bun's own sockets: `Bun.listen`, the messages of each `data` event answered by one
 * write. It takes what the kernel takes; the rest is ours to keep until `drain`.
 */
const ANSWER = "Message reçu\n";

/** Writes answers, or as much of them as the kernel takes. */
function write(socket, answers) {
  const rest = answers.subarray(Math.max(0, socket.write(answers)));
  socket.data.owed = rest;
  // While it does not read its answers, no more of its messages are read.
  if (rest.length > 0) socket.pause();
  else if (socket.data.ended) socket.end();
}

const listener = Bun.listen({
  hostname: "127.0.0.1",
  port: 0,
  allowHalfOpen: true, // What is owed at the end of its stream is still written.
  socket: {
    open(socket) {
      socket.setNoDelay(true);
      const owed = Buffer.alloc(0);
      const decoder = new TextDecoder();
      socket.data = { decoder, rest: "", owed, ended: false };
    },
    data(socket, bytes) {
      const client = socket.data;
      const text = client.decoder.decode(bytes, { stream: true });
      const messages = (client.rest + text).split("\n");
      client.rest = messages.pop();
      write(socket, Buffer.from(ANSWER.repeat(messages.length)));
    },
    drain(socket) {
      socket.resume();
      write(socket, socket.data.owed);
    },
    end(socket) {
      socket.data.ended = true;
      write(socket, socket.data.owed);
    },
  },
});
console.log(`127.0.0.1:${listener.port}`);
