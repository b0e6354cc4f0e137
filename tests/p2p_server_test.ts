import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Refusal } from "../scripts/encoding.ts";
import { Conversation } from "../scripts/p2p_server.ts";
import {
  bytes,
  exchange,
  header,
  limit,
  LINUX,
  PATIENCE,
  Program,
  python,
  run,
  serve,
  testWith,
} from "./harness.ts";

const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n";

/** Starts the server with a keyboard that stays open. */
const serveTyping = () => serve("p2p_server", [], { stdin: "piped" });

const portOf = (server: { address: string[] }) => Number(server.address[1]);

const connect = (server: { address: string[] }) =>
  Deno.connect({ hostname: "127.0.0.1", port: portOf(server) });

/** What `conn` says until `word` is among it, or until its end. */
async function heard(conn: Deno.Conn, word?: string): Promise<string> {
  const limit = setTimeout(() => conn.close(), PATIENCE);
  const decoder = new TextDecoder(), buffer = new Uint8Array(4096);
  let text = "";
  try {
    while (!word || !text.includes(word)) {
      const count = await conn.read(buffer);
      if (count === null) break;
      text += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
  } finally {
    clearTimeout(limit);
  }
  return text;
}

// The conversation, and its ends.

testWith("nc", "p2p_server lets both sides speak at any time", async () => {
  await using server = await serveTyping();
  await using client = new Program("nc", ["127.0.0.1", server.address[1]], {
    stdin: "piped",
  });
  await client.says(WELCOME);
  await server.type("un\ndeux\n");
  await client.says("un\ndeux\n");
  await client.type("trois\nquatre\n");
  await server.says("Client >> trois\nClient >> quatre\n");
  await server.type("cinq\n");
  await client.says("cinq\n");
});

testWith("nc", "p2p_server answers a client that has half-closed", async () => {
  await using server = await serve("p2p_server");
  for (const last of ["deux", "deux\n"]) {
    const args = ["-N", "127.0.0.1", server.address[1]];
    await using client = new Program("nc", args, { stdin: "piped" });
    await client.type("un\n" + last);
    await client.endInput();
    assertEquals((await client.end()).out, WELCOME + "Au revoir\n");
  }
  await server.says(
    /(Client connecté.*\nClient >> un\nClient >> deux\nCONNEXION INTERROMPUE\nServeur prêt.*\n){2}$/,
  );
});

Deno.test("p2p_server ends the conversation when the client says FIN in any case", async () => {
  await using server = await serve("p2p_server");
  for (const fin of ["FIN\n", "fin\n", "Fin\r\n"]) {
    using client = await connect(server);
    await client.write(bytes(`bonjour\n${fin}jamais lu\n`));
    assertEquals(await heard(client), WELCOME + "Au revoir\n");
  }
  await server.says(
    /(Client connecté.*\nClient >> bonjour\nClient >> FIN\nCONNEXION INTERROMPUE\nServeur prêt.*\n){3}$/i,
  );
});

Deno.test("p2p_server ends the conversation when its keyboard says FIN in any case", async () => {
  await using server = await serveTyping();
  for (const fin of ["FIN", "Fin"]) {
    using client = await connect(server);
    await heard(client, WELCOME);
    await server.type(fin + "\n");
    assertEquals(await heard(client), fin + "\n");
    await client.write(bytes("dernier mot\n"));
  }
  await server.says(
    /(Client connecté.*\nClient >> dernier mot\nCONNEXION INTERROMPUE\nServeur prêt.*\n){2}$/,
  );
});

Deno.test("p2p_server takes the next client, with no key pressed, when one leaves without a word", async () => {
  await using server = await serveTyping();
  for (let i = 0; i < 2; i++) {
    using client = await connect(server);
    await heard(client, WELCOME);
  }
  await server.says(
    /(Client connecté.*\nCONNEXION INTERROMPUE\nServeur prêt.*\n){2}$/,
  );
});

Deno.test("p2p_server makes a second client wait its turn", async () => {
  await using server = await serve("p2p_server");
  using first = await connect(server);
  using second = await connect(server);
  // It speaks before the first one does, and is heard after it.
  await second.write(bytes("deux\n"));
  await heard(first, WELCOME);
  await first.write(bytes("un\n"));
  await server.says("Client >> un\n");
  await first.write(bytes("FIN\n"));
  assertEquals(await heard(first), "Au revoir\n");
  first.close();
  await heard(second, WELCOME);
  await server.says(
    /^.*\nClient connecté.*\nClient >> un\nClient >> FIN\nCONNEXION INTERROMPUE\n.*\nClient connecté.*\nClient >> deux\n$/,
  );
});

Deno.test("p2p_server sends what is left and ends when its input ends", async () => {
  for (const last of ["deux", "deux\n"]) {
    await using server = await serveTyping();
    using client = await connect(server);
    await heard(client, WELCOME);
    await server.type("un\n" + last);
    await server.endInput();
    assertEquals(await heard(client), "un\ndeux\nFIN\n");
    client.close();
    const { code, out, err } = await server.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nCONNEXION INTERROMPUE\nServeur arrêté\n$/);
  }
});

Deno.test("p2p_server keeps lines for the clients to come", async () => {
  await using server = await serveTyping();
  await server.type("un\nFIN\ndeux");
  await server.endInput();
  for (const word of ["un", "deux"]) {
    using client = await connect(server);
    assertEquals(await heard(client), `${WELCOME}${word}\nFIN\n`);
  }
  const { code, err } = await server.end();
  assertEquals([code, err], [0, ""]);
});

Deno.test("p2p_server only listens when its input is empty from the start", async () => {
  await using server = await serve("p2p_server");
  for (const word of ["un", "deux", "trois"]) {
    const answer = await exchange(portOf(server), word + "\n");
    assertEquals(answer, WELCOME + "Au revoir\n");
    await server.says(`Client >> ${word}\nCONNEXION INTERROMPUE\n`);
  }
});

// What goes wrong.

/** Python, which can close a connection with a reset, as Deno cannot. */
const RESET = `
def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
`;

testWith("python3", "p2p_server keeps serving when clients reset", async () => {
  await using server = await serve("p2p_server");
  const code = RESET + `
first = connect()
first.recv(99)
for _ in range(3): reset(connect())  # Before accept: the first one is served.
first.sendall(b"bonjour\\n")
reset(first)
`;
  await using peer = python(code, portOf(server));
  assertEquals((await peer.end()).code, 0);
  const answer = await exchange(portOf(server), "toujours là\n");
  assertEquals(answer, WELCOME + "Au revoir\n");
  await server.says("Client >> toujours là\nCONNEXION INTERROMPUE\n");
  assertMatch(server.err, /^(Connexion perdue : .+\n){1,4}$/);
});

Deno.test("p2p_server refuses what is no message, and says so to both sides", async () => {
  await using server = await serve("p2p_server");
  const refusals: [string | Uint8Array, string][] = [
    ["x".repeat(200_000), "plus de 65536 octets"],
    [Uint8Array.of(0x62, 0xff, 0x0a), "ce n'est pas de l'UTF-8"],
  ];
  for (const [sent, why] of refusals) {
    const answer = await exchange(portOf(server), sent);
    assertEquals(answer, `${WELCOME}Message refusé : ${why}\n`);
    await server.complains(`Connexion perdue : Message refusé : ${why}\n`);
  }
  assertEquals(server.err.match(/\n/g)?.length, 2);
  assert(!server.out.includes("Client >> "));
  await exchange(portOf(server), "bonjour\n");
  await server.says("Client >> bonjour\n");
});

Deno.test("p2p_server shows nothing of a client that commands a terminal", async () => {
  await using server = await serve("p2p_server");
  const bad = "\x1b[2J\x1b]0;titre\x07rouge\0\b\u009b31m\u202egauche\u2066\r!";
  await exchange(portOf(server), bad + "\n");
  await server.says("Client >> [2J]0;titrerouge31mgauche!\n");
  await server.says("CONNEXION INTERROMPUE\n");
  assert(!/[^\P{Cc}\n]|\p{Bidi_Control}/u.test(server.out));
});

Deno.test("p2p_server understands messages in pieces, and messages glued together", async () => {
  await using server = await serve("p2p_server");
  using client = await connect(server);
  client.setNoDelay();
  for (const byte of bytes("3 €\n")) await client.write(Uint8Array.of(byte));
  await server.says("Client >> 3 €\n");
  await client.write(bytes("un\r\ndeux\ntrois\n"));
  await server.says("Client >> un\nClient >> deux\nClient >> trois\n");
});

Deno.test("p2p_server gives up a client that never reads, and takes the next", async () => {
  await using server = await serveTyping();
  using _deaf = await connect(server);
  using next = await connect(server);
  // More than the kernels of both sides hold. The end of the test cuts it short.
  const much = ("x".repeat(60_000) + "\n").repeat(300);
  const typing = server.type(much).catch(() => {});
  await heard(next, WELCOME);
  await server.says(/\nCONNEXION INTERROMPUE\n.*\nClient connecté.*\n$/);
  server.kill("SIGKILL");
  await typing;
});

testWith(
  LINUX,
  "p2p_server waits and serves on when no file descriptor is left",
  async () => {
    await using server = await serve("p2p_server");
    await limit(server, 3);
    const three = ["un\n", "deux\n", "trois\n"].map((word) =>
      exchange(portOf(server), word).catch((error) => `${error}`)
    );
    await server.complains(/^Connexion perdue : .+ 24\)$/m);
    // It pauses: 20 lines in this second, and without a pause thousands.
    await new Promise((resume) => setTimeout(resume, 1000));
    assert(server.err.length < 10_000, `${server.err.length} characters`);
    await limit(server, 1000);
    assertEquals(
      await Promise.all(three),
      Array(3).fill(WELCOME + "Au revoir\n"),
    );
    server.kill();
    const { code, err } = await server.end();
    assertEquals(code, 0);
    // Deno itself may miss the certificates of NODE_EXTRA_CA_CERTS.
    assertMatch(err, /^((Connexion perdue : .+ 24\)|.* extra certs .*)\n)+$/);
  },
);

testWith(
  "python3",
  "p2p_server says what is typed to a client that sends without pause, and stops all the same",
  async () => {
    await using server = await serveTyping();
    const code = RESET + `
s = connect()
def hear():
    for line in s.makefile(): print(line, end="")
threading.Thread(target=hear, daemon=True).start()
lines = (b"y" * 60 + b"\\n") * 100
while True: s.sendall(lines)`;
    await using greedy = python(code, portOf(server));
    await greedy.says(WELCOME);
    await server.says(/(Client >> y+\n){1000}/);
    await server.type("du calme\n");
    await greedy.says(WELCOME + "du calme\n");
    server.kill();
    const { code: exit, out, err } = await server.end();
    assertEquals([exit, err], [0, ""]);
    assert(out.endsWith("\nCONNEXION INTERROMPUE\nServeur arrêté\n"));
    assertEquals(greedy.out, WELCOME + "du calme\nFIN\n");
  },
);

testWith(
  LINUX,
  "p2p_server sends a second line at once, though the first is not acknowledged yet",
  async () => {
    await using server = await serveTyping();
    // Its acknowledgements come late, or with what it says itself.
    const code = RESET + `
s, held = connect(), b""
def hear():
    global held
    while b"\\n" not in held:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        held += s.recv(4096)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    line, held = held.split(b"\\n", 1)
waits = []
hear()
for _ in range(10):
    s.sendall(b"encore\\n")
    hear()
    begin = time.monotonic()
    hear()
    waits.append(time.monotonic() - begin)
print(min(waits) * 1000)`;
    await using client = python(code, portOf(server));
    for (let round = 1; round <= 10; round++) {
      const heard = () => server.out.split("Client >> encore\n").length > round;
      await server.until(heard, `round ${round}`);
      await server.type("un\ndeux\n");
    }
    const { out, err } = await client.end();
    assertEquals(err, "");
    assert(Number(out) < 20, `${out} ms`);
  },
);

Deno.test("p2p_server survives an unexpected error in a client's handler", async () => {
  // The first client that is accepted breaks its handler.
  const broken = `
    const { listen } = Deno;
    Deno.listen = (options) => {
      const listener = listen(options), accept = listener.accept.bind(listener);
      let first = true;
      listener.accept = async () => {
        const conn = await accept();
        if (first) conn.read = () => { throw new TypeError("cassé"); };
        first = false;
        return conn;
      };
      return listener;
    };`;
  const url = `data:application/javascript,${encodeURIComponent(broken)}`;
  const flags = [...header("p2p_server").flags, "--preload", url];
  await using server = await serve("p2p_server", [], { flags });
  await exchange(portOf(server), "un\n").catch(() => {});
  const answer = await exchange(portOf(server), "deux\n");
  assertEquals(answer, WELCOME + "Au revoir\n");
  server.kill();
  const { code, err } = await server.end();
  assertEquals([code, err], [0, "Connexion perdue : cassé\n"]);
});

Deno.test("p2p_server shows U+FEFF, U+FFFD and an emoji as they were sent, without the NUL", async () => {
  await using server = await serve("p2p_server");
  const odd = "\ufeffa\0b é € 😀\ufffd";
  await exchange(portOf(server), odd + "\r\n");
  await server.says(`\nClient >> ${odd.replace("\0", "")}\n`);
});

// How it is stopped.

Deno.test("p2p_server, on SIGINT or SIGTERM, tells a silent client and ends", async () => {
  // At once, as the client that keeps its connection open costs 3 s each time.
  const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
  const ends = await Promise.all(signals.map(async (signal) => {
    await using server = await serveTyping();
    using silent = await connect(server);
    await heard(silent, WELCOME);
    const start = performance.now();
    server.kill(signal);
    const told = await heard(silent);
    return { ...await server.end(), told, took: performance.now() - start };
  }));
  for (const { code, out, err, told, took } of ends) {
    assertEquals([told, code, err], ["FIN\n", 0, ""]);
    assertMatch(out, /\nCONNEXION INTERROMPUE\nServeur arrêté\n$/);
    assert(took < 5000, `${took} ms`);
  }
});

Deno.test("p2p_server ends at once with 130 at the second signal", async () => {
  await using server = await serveTyping();
  using silent = await connect(server);
  await heard(silent, WELCOME);
  server.kill("SIGTERM");
  await heard(silent, "FIN\n");
  server.kill("SIGINT");
  assertEquals((await server.end()).code, 130);
});

Deno.test("p2p_server stops when no client is there and its keyboard is open", async () => {
  await using server = await serveTyping();
  server.kill("SIGTERM");
  const { code, out, err } = await server.end();
  assertEquals([code, err], [0, ""]);
  assertMatch(
    out,
    /^Serveur prêt, en attente de requêtes.*\nServeur arrêté\n$/,
  );
});

// The course's way.

testWith(
  "python3",
  "p2p_server --raw talks to the course's client",
  async () => {
    await using server = await serve("p2p_server", ["--raw"], {
      stdin: "piped",
    });
    const args = ["tests/peers/p2p_client.py", "127.0.0.1", server.address[1]];
    const welcome = "Server>>  " + WELCOME + "Client >> ";
    {
      await using client = new Program("python3", args, { stdin: "piped" });
      await client.says(welcome);
      await client.type("bonjour\n");
      await server.says("Client >> bonjour\n");
      await server.type("salut\n");
      await client.says("Server>>  salut\nClient >> ");
      await client.type("FIN\n");
      await server.says("Client >> FIN\n");
      // The course's client shows the farewell, and asks for one more line.
      await client.says("Server>>  Au revoir\nClient >> ");
    }
    await using client = new Program("python3", args, { stdin: "piped" });
    await client.says(welcome);
    await client.type("bonsoir\n");
    await server.says("Client >> bonsoir\n");
    await server.type("fin\n");
    assertMatch(
      (await client.end()).out,
      /\nClient >> Connexion interrompue\n$/,
    );
    await server.says(/Client >> bonsoir\nCONNEXION INTERROMPUE\n/);
  },
);

Deno.test("p2p_server --raw takes each read for a message, and keeps characters whole", async () => {
  await using server = await serve("p2p_server", ["--raw"]);
  using client = await connect(server);
  assertEquals(await heard(client, "messages"), WELCOME.trimEnd());
  const [first, ...others] = bytes("€");
  await client.write(Uint8Array.of(0x33, 0x20, first));
  await server.says("Client >> 3 \n");
  await client.write(Uint8Array.from(others));
  await server.says("Client >> €\n");
});

// Usage.

Deno.test("p2p_server refuses wrong usage in one line, with exit code 2", async () => {
  const wrong = [["--port", "abc"], ["--port", "65536"], ["--port"]];
  wrong.push(["--prot", "1"], ["--host", ""], ["bonjour"]);
  for (const args of wrong) {
    const { code, out, err } = await run("p2p_server", args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, /^.*(--port|--host|Usage).*\n$/);
  }
});

Deno.test("p2p_server says in one line why it cannot listen, with exit code 1", async () => {
  await using server = await serve("p2p_server");
  const taken = await run("p2p_server", server.address);
  assertEquals([taken.code, taken.out], [1, ""]);
  assertMatch(taken.err, /^Port \d+ déjà utilisé : .*--port\n$/);
  const nowhere = await run("p2p_server", ["--host", "nulle-part.invalid"]);
  assertEquals([nowhere.code, nowhere.out], [1, ""]);
  assertMatch(nowhere.err, /^.*nulle-part\.invalid.*\n$/);
});

// Conversation, which both scripts hold.

/** Two ends of one connection. */
async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr;
  return await Promise.all([
    Deno.connect({ hostname, port }),
    listener.accept(),
  ]);
}

Deno.test("Conversation carries lines both ways, and FIN ends both sides", async () => {
  const [here, there] = await pair();
  const heardHere: string[] = [], heardThere: string[] = [];
  const a = new Conversation(here, (line) => heardHere.push(line));
  const met = Promise.withResolvers<void>();
  const b = new Conversation(there, (line) => {
    heardThere.push(line);
    if (line === "deux") met.resolve();
  });
  await b.say("bonjour");
  await Promise.all([a.say("un"), a.say("deux")]);
  await met.promise;
  await a.say("fin");
  await Promise.all([a.over, b.over]);
  assertEquals(heardHere, ["bonjour", "Au revoir"]);
  assertEquals(heardThere, ["un", "deux", "fin"]);
});

Deno.test("Conversation keeps lines whole that are said all at once to a slow reader", async () => {
  const [here, there] = await pair();
  const a = new Conversation(here, () => {});
  // More than the kernel holds, so that it takes only part of some of them.
  const lines = Array.from({ length: 200 }, (_, i) => `${i} `.repeat(15_000));
  const said = [...lines, "FIN"].map((line) => a.say(line));
  const settled = Promise.allSettled(said);
  const received = (await heard(there)).split("\n");
  there.close();
  await settled;
  await a.over;
  // Not assertEquals, which would print megabytes.
  assert(lines.every((line, i) => line === received[i]), "lines are mixed up");
  assertEquals(received.slice(lines.length), ["FIN", ""]);
  await Promise.all(said);
});

Deno.test("Conversation does not say what is no line, and goes on", async () => {
  const [here, there] = await pair();
  const a = new Conversation(here, () => {});
  for (const line of ["x".repeat(65_537), "un\ndeux", "\ud800"]) {
    await assertRejects(() => a.say(line), Refusal);
  }
  await a.say("x".repeat(65_536));
  assertEquals((await heard(there, "\n")).length, 65_537);
  there.close();
  await a.over;
});

Deno.test("Conversation that is over rejects what is said too late, and leaves nothing behind", async () => {
  const [here, there] = await pair();
  const a = new Conversation(here, () => {});
  there.close();
  await a.over;
  await assertRejects(() => a.say("trop tard"), Error);
});

Deno.test("Conversation rejects with the refusal that it has sent", async () => {
  const [here, there] = await pair();
  const a = new Conversation(here, () => {});
  const refused = assertRejects(() => a.over, Refusal, "UTF-8");
  await there.write(Uint8Array.of(0xff, 0x0a));
  assertMatch(await heard(there), /^Message refusé : .*UTF-8\n$/);
  there.close();
  await refused;
});

testWith("python3", "Conversation rejects when the peer resets", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const code = RESET + `s = connect(); s.recv(1); reset(s)`;
  await using peer = python(code, listener.addr.port);
  const a = new Conversation(await listener.accept(), () => {});
  await a.say("bonjour");
  await assertRejects(() => a.over, Deno.errors.ConnectionReset);
  await peer.end();
});

Deno.test("p2p_server that loads slowly still takes /dev/null for no keyboard", async () => {
  const slow = "const end = performance.now() + 1200;" +
    "while (performance.now() < end);";
  const url = `data:application/javascript,${encodeURIComponent(slow)}`;
  const flags = [...header("p2p_server").flags, "--preload", url];
  await using server = await serve("p2p_server", [], { flags });
  for (let client = 0; client < 2; client++) {
    assertMatch(await exchange(await server.port(), "FIN\n"), /Au revoir\n$/);
  }
});
