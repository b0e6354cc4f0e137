/**
 * Node's usual server: `net`, the messages of each `data` event answered by one
 * write, without Nagle's wait.
 */
import { createServer } from "node:net";

const ANSWER = "Message reçu\n";
const MAX_MESSAGE = 64 * 1024;

const options = { allowHalfOpen: true, noDelay: true };
const server = createServer(options, (socket) => {
  let rest = "", ended = false;
  const answer = (lines) => {
    const fin = lines.findIndex((line) => /^\s*fin\s*$/i.test(line));
    if (fin >= 0) lines.length = fin + 1;
    ended ||= fin >= 0;
    // False: it does not read its answers; no more of its messages until it does.
    if (lines.length > 0 && !socket.write(ANSWER.repeat(lines.length))) {
      socket.pause();
    }
    if (ended) socket.end();
  };
  socket.setEncoding("utf8"); // Holds back a character that is cut in two.
  socket.on("data", (text) => {
    // After FIN it is only read to its end.
    if (ended) return;
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    if (rest.length > MAX_MESSAGE) return socket.destroy();
    answer(lines);
  });
  socket.on("drain", () => socket.resume());
  socket.on("end", () => {
    if (ended) return;
    ended = true;
    answer(rest ? [rest] : []);
  });
  socket.on("error", () => socket.destroy());
});
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, () => {
  console.log(`127.0.0.1:${server.address().port}`);
});
