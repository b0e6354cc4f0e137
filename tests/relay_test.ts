/** What relay does to the bytes on their way, what it shows, and what it survives. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import net from "node:net";
import { once } from "node:events";
import { type Faults, relay } from "../scripts/relay.ts";
import { startRelay } from "./faults/relay.ts";
import {
  bytes,
  exchange,
  hold,
  LINUX,
  PATIENCE,
  Peer,
  preload,
  read,
  rest,
  run,
  serve,
  testWith,
} from "./harness.ts";

const LOCAL = { hostname: "127.0.0.1", port: 0 };
const TEXT = "Voila ce qui passe.";

/** A connection through a relay: what the client and what the server holds. */
async function through(faults: Faults) {
  await using stack = new AsyncDisposableStack();
  const listener = stack.use(Deno.listen(LOCAL));
  const relay = stack.use(await startRelay(listener.addr.port, faults));
  const client = stack.use(await Peer.connect(relay.port));
  const server = stack.use(await listener.accept());
  // A read that waits in vain fails.
  const limit = setTimeout(() => server[Symbol.dispose](), PATIENCE);
  stack.defer(() => clearTimeout(limit));
  const all = stack.move();
  return {
    relay,
    client,
    server,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

Deno.test("relay without faults passes both ways, and the end of each half", async () => {
  for (const serverFirst of [false, true]) {
    await using way = await through({});
    const { client, server, relay } = way;
    const speak = async () => {
      await client.say(TEXT);
      client.socket.end();
      assertEquals([await read(server), await read(server)], [TEXT, ""]);
    };
    if (!serverFirst) await speak();
    await server.write(bytes("la réponse"));
    await server.closeWrite();
    assertEquals(await client.ended(), "la réponse");
    assertEquals(await relay.end, serverFirst ? "← fin" : "→ fin");
    if (serverFirst) await speak();
  }
});

Deno.test("relay keeps each piece for a while, in order, and no longer (Nagle's algorithm)", async () => {
  const { setNoDelay } = net.Socket.prototype, undelayed = new Set();
  net.Socket.prototype.setNoDelay = function (on) {
    undelayed.add(this);
    return setNoDelay.call(this, on);
  };
  await using way = await through({ slice: 4, late: 30 });
  await way.server.write(bytes(TEXT));
  await way.client.hears(TEXT);
  way.client.say(TEXT).then(() => way.client.socket.end());
  assertEquals(await rest(way.server), TEXT);
  assertEquals(way.relay.pieces, {
    "→": [4, 4, 4, 4, 3],
    "←": [4, 4, 4, 4, 3],
  });
  Object.assign(net.Socket.prototype, { setNoDelay });
  assertEquals(undelayed.size, 3, "the client's, and both of the relay");
});

Deno.test("relay reads no more while a piece has yet to be taken", async () => {
  const { write } = net.Socket.prototype;
  let waiting = 0;
  Object.assign(net.Socket.prototype, {
    write(this: net.Socket, ...args: Parameters<typeof write>) {
      waiting = Math.max(waiting, this.writableLength);
      return write.apply(this, args);
    },
  });
  await using way = await through({});
  // More than all the buffers on the way hold.
  way.client.say(new Uint8Array(2e7)).then(() => way.client.socket.end());
  assertEquals((await rest(way.server)).length, 2e7);
  Object.assign(net.Socket.prototype, { write });
  assertEquals(waiting, 0);
});

Deno.test("relay glues what comes in several writes", async () => {
  await using way = await through({ glue: 1000 });
  await way.client.drip("un\n");
  assertEquals(await read(way.server), "un\n");
  for (const byte of bytes("deux")) {
    await way.server.write(Uint8Array.of(byte));
    await new Promise((resume) => setTimeout(resume, 1));
  }
  await way.client.hears("deux");
  assertEquals(way.relay.pieces["←"], [4]);
});

Deno.test("relay half-closes after so many bytes, and the other half goes on", async () => {
  await using way = await through({ "half-close-after": 5 });
  await way.client.say(TEXT);
  assertEquals([await read(way.server), await read(way.server)], ["Voila", ""]);
  // More than all the buffers on the way hold: what comes too late is lost.
  await way.client.say(new Uint8Array(2e7));
  await way.server.write(bytes("entendu"));
  await way.client.hears("entendu");
});

Deno.test("relay resets both sides after so many bytes", async () => {
  await using way = await through({ "reset-after": 4, way: "←" });
  let told = "";
  way.client.socket.on("error", ({ message }) => told = message);
  await way.server.write(bytes(TEXT));
  assertEquals(await way.relay.end, "← reset");
  assertEquals(way.relay.pieces["←"], [4]);
  await way.client.ended();
  assertMatch(told, /ECONNRESET/);
  assertEquals(await rest(way.server), "ConnectionReset");
});

Deno.test("relay passes a reset on", async () => {
  await using way = await through({});
  await way.client.say("lu");
  assertEquals(await read(way.server), "lu");
  await way.client.reset();
  assertEquals(await rest(way.server), "ConnectionReset");
});

Deno.test("relay stalls one way, and leaves the other one open", async () => {
  await using way = await through({ "stall-after": 4 });
  await way.client.say(TEXT);
  assertEquals(await way.relay.end, "→ silence");
  assertEquals(await read(way.server), "Voil");
  await way.server.write(bytes("j'attends"));
  await way.client.hears("j'attends");
  assertEquals(way.relay.pieces["→"], [4]);
});

/** The script, in front of a server on this port. */
const before = (port: number, ...faults: string[]) =>
  serve("relay", ["--to", `127.0.0.1:${port}`, ...faults]);

Deno.test("relay shows each piece and each end, with its time and its connection", async () => {
  using listener = Deno.listen(LOCAL);
  await using relay = await before(listener.addr.port, "--slice", "48");
  await using client = await Peer.connect(await relay.port());
  using server = await listener.accept();
  const odd = 'é\x1b[2J\u202e\x85"\\\r\n😀€\ufeff';
  await client.say(Uint8Array.of(255, ...bytes(odd)));
  await relay.says(/→ 26 .*\n/);
  await server.write(bytes("x".repeat(50)));
  await server.closeWrite();
  await relay.says("← fin\n");
  const shown = relay.out.split("\n").slice(1, -1);
  const at = shown.map((line) => line.match(/^ *(\d+\.\d) ms {2}/)!);
  assertEquals(shown.map((line, i) => line.replace(at[i][0], "")), [
    String.raw`#1     → 26 "\xffé\x1b[2J\u202e\u0085\"\\\r\n😀€` + '\ufeff"',
    `#1     ← 48 "${"x".repeat(40)}"…`,
    '#1     ← 2 "xx"',
    "#1     ← fin",
  ]);
  const times = at.map(([, ms]) => Number(ms));
  assertEquals(times, times.toSorted((a, b) => a - b));
});

testWith("IPv6", "relay reaches a server on IPv6", async () => {
  await using server = await serve("server_simple", ["--host", "::1"]);
  const to = `[::1]:${await server.port()}`;
  await using relay = await serve("relay", ["--to", to]);
  const answer = await exchange(await relay.port(), "Bonjour\n");
  assertEquals(answer, "Bonjour, je suis le serveur\n");
});

Deno.test("relay ends each client that it has no server for, in one line", async () => {
  await using relay = await before(1); // Nobody listens there.
  for (const number of [1, 2]) {
    // The reset may come before Deno has told that the connection is there.
    const connecting = Peer.connect(await relay.port());
    await using client = await connecting.catch(({ code }) => {
      assertMatch(code, /^(ECONNRESET|ENOTCONN)$/);
      return null;
    });
    await client?.ended();
    const line = ` ms  #${number}     ← connect ECONNREFUSED 127.0.0.1:1`;
    await relay.says(line + " : lancez le serveur\n");
  }
  assertEquals(relay.err, "");
});

Deno.test("relay says of a name with several addresses what is wrong with the first", async () => {
  const server = net.createServer({ allowHalfOpen: true });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as net.AddressInfo;
  const accepted = once(server, "connection");
  await using _client = await Peer.connect(port);
  const [socket] = await accepted;
  const addresses = ["127.0.0.2", "127.0.0.3"].map((address) => ({
    address,
    family: 4,
  }));
  const lookup: net.LookupFunction = (_host, _options, done) =>
    done(null, addresses);
  const to = { host: "deux", port, lookup }, shown: string[] = [];
  await relay(socket, to, {}, (...line) => shown.push(line.join(" ")));
  assertEquals(shown[0], `← connect ECONNREFUSED 127.0.0.2:${port}`);
  server.close();
});

testWith(
  LINUX,
  "relay listens where it says, and connects the next one after clients that reset before they are accepted",
  async () => {
    await using server = await serve("server_simple");
    await using relay = await before(await server.port());
    const port = await relay.port();
    const elsewhere = () => Peer.connect(port, "127.0.0.2");
    await assertRejects(elsewhere, Error, "ECONNREFUSED");
    await hold(relay);
    for (let gone = 0; gone < 5; gone++) {
      await using client = await Peer.connect(port);
      await client.reset();
    }
    relay.kill("SIGCONT");
    const answer = await exchange(port, "Bonjour\n");
    assertEquals(answer, "Bonjour, je suis le serveur\n");
  },
);

Deno.test("relay connects a hundred at most, lest descriptors run out, then others", async () => {
  using listener = Deno.listen(LOCAL);
  const args = ["--to", `127.0.0.1:${listener.addr.port}`];
  await using relay = await serve("relay", args, {
    shell: 'ulimit -n 256; exec "$@"',
  });
  const port = await relay.port();
  await using clients = new AsyncDisposableStack();
  const come = async () => clients.use(await Peer.connect(port));
  using servers = new DisposableStack();
  const [first] = await Promise.all(Array.from({ length: 100 }, come));
  for (let n = 0; n < 100; n++) servers.use(await listener.accept());
  assertEquals(await (await come()).ended(), "");
  await first.reset();
  await relay.says("ECONNRESET\n"); // Now it is no longer counted.
  const next = await come();
  const server = servers.use(await listener.accept());
  await next.say("là ?");
  assertEquals(await read(server), "là ?");
});

Deno.test("relay passes on what it cannot show, and takes its connections along on SIGINT", async () => {
  using listener = Deno.listen(LOCAL);
  const full = `const { log } = console;
    console.log = (line) => {
      log(line);
      console.log = () => { throw new Error("disque plein"); };
    };`;
  const args = ["--to", `127.0.0.1:${listener.addr.port}`];
  await using relay = await serve("relay", args, preload("relay", full));
  await using client = await Peer.connect(await relay.port());
  using server = await listener.accept();
  for (const word of ["un", "deux"]) {
    await client.say(word);
    assertEquals(await read(server), word);
  }
  relay.kill("SIGINT");
  await client.ended();
  const { code, err } = await relay.end();
  assertEquals([code, err], [0, ""]);
});

Deno.test("relay says in one line that a number is not whole, and what --to wants", async () => {
  const wrongs = ["--slice=0", "--late=1.5", "--glue=-1", "--to=50000"]
    .concat(["half-close", "reset", "stall"].map((end) => `--${end}-after=`));
  for (const wrong of wrongs) {
    const { code, out, err } = await run("relay", ["--port", "0", wrong]);
    assertEquals([code, out], [1, ""], wrong);
    assertMatch(err, RegExp(`^Error: ${wrong.replace(/=.*/, "")} : .*\n$`));
  }
});
