/**
 * Node's usual server: `net`, the messages of each `data` event answered by one
 * write, without Nagle's wait.
 */
import { createServer } from "node:net";

const ANSWER = "Message reçu\n";
const MAX_LINE = 64 * 1024;

const options = { allowHalfOpen: true, noDelay: true };
const server = createServer(options, (socket) => {
  let rest = "";
  let ended = false;
  const answer = (messages) => {
    const fin = messages.findIndex((message) => /^fin\r?$/i.test(message));
    const count = fin < 0 ? messages.length : fin + 1;
    // False: it does not read its answers; no more of its messages until it does.
    if (count > 0 && !socket.write(ANSWER.repeat(count))) socket.pause();
    return fin >= 0;
  };
  const end = () => {
    ended = true;
    socket.end();
  };
  socket.setEncoding("utf8"); // Holds back a character that is cut in two.
  socket.on("data", (text) => {
    if (ended) return; // After FIN it is only read to its end.
    const messages = (rest + text).split("\n");
    rest = messages.pop();
    if (rest.length > MAX_LINE) socket.destroy();
    else if (answer(messages)) end();
  });
  socket.on("drain", () => socket.resume());
  socket.on("end", () => {
    if (ended) return;
    if (rest) answer([rest]);
    end();
  });
  socket.on("error", () => socket.destroy());
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
