/**
 * Node's usual server: `net`, the messages of each `data` event answered by one
 * write, without Nagle's wait.
 */
import { createServer } from "node:net";

const ANSWER = "Message reçu\n";

const server = createServer({ noDelay: true }, (socket) => {
  let rest = "";
  socket.setEncoding("utf8"); // Holds back a character that is cut in two.
  socket.on("data", (text) => {
    const messages = (rest + text).split("\n");
    rest = messages.pop();
    const answers = ANSWER.repeat(messages.length);
    // False: it does not read its answers; no more of its messages until it does.
    if (answers && !socket.write(answers)) socket.pause();
  });
  socket.on("drain", () => socket.resume());
  socket.on("error", () => socket.destroy());
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
