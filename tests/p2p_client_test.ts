import { assert, assertEquals, assertMatch } from "@std/assert";
import { Conversation } from "../scripts/p2p_client.ts";
import {
  has,
  header,
  Program,
  python,
  run,
  serve,
  start,
  testWith,
} from "./harness.ts";

const OPEN = "CONNEXION ETABLIE AVEC LE SERVEUR\n";
const WELCOME =
  "Serveur >> Vous êtes connecté au serveur, envoyez vos messages\n";
const READY = "Serveur prêt, en attente de requêtes sur 127.0.0.1:";
const OVER = "CONNEXION INTERROMPUE\n";

/** What a Python server does with its one client `c`, and the options to reach it. */
async function server(code: string) {
  const program = python(`
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1])
c, _ = s.accept()
c.settimeout(10)
def rest():
    data = b""
    while piece := c.recv(9999): data += piece
    return data.decode()
${code}`);
  const [port] = await program.says(/^\d+/);
  return Object.assign(program, { address: ["--port", port] });
}

/** Python that keeps the connection open, until the test ends the process. */
const STAY = "\nthreading.Event().wait()";

/** Python after which `c.close()` is a reset. */
const RESET =
  "c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))";

/** Starts the client with a keyboard that stays open. */
const startTyping = (args: string[]) =>
  start("p2p_client", args, { stdin: "piped" });

// The conversation, and its ends.

testWith("nc", "p2p_client lets both sides speak at any time", async () => {
  await using peer = new Program("nc", ["-lv", "127.0.0.1", "0"], {
    stdin: "piped",
  });
  const [, port] = await peer.complains(/Listening on \S+ (\d+)/);
  await using client = startTyping(["--port", port]);
  await client.says(OPEN);
  await peer.type("un\ndeux\n");
  await client.says("Serveur >> un\nServeur >> deux\n");
  await client.type("trois\nquatre\n");
  await peer.says("trois\nquatre\n");
  await peer.type("cinq\n");
  await client.says("Serveur >> cinq\n");
  await client.type("FIN\n");
  assertEquals((await client.end()).code, 0);
});

testWith(
  "python3",
  "p2p_client ends, with no key pressed, when the server says FIN in any case",
  async () => {
    for (const fin of ["FIN", "Fin"]) {
      await using peer = await server(`c.sendall(b"${fin}\\n"); print(rest())`);
      await using client = startTyping(peer.address);
      const { code, out, err } = await client.end();
      assertEquals([code, err], [0, ""]);
      assertEquals(out, `${OPEN}Serveur >> ${fin}\n${OVER}`);
      await peer.says(/^\d+\nAu revoir\n/);
    }
  },
);

testWith(
  "python3",
  "p2p_client ends when its keyboard says FIN in any case",
  async () => {
    for (const fin of ["FIN", "fin"]) {
      await using peer = await server(
        `print(rest()); c.sendall(b"Au revoir\\n")`,
      );
      await using client = startTyping(peer.address);
      await client.type(`bonjour\n${fin}\njamais dit\n`);
      const { code, out, err } = await client.end();
      assertEquals([code, err], [0, ""]);
      assertEquals(out, `${OPEN}Serveur >> Au revoir\n${OVER}`);
      assertMatch((await peer.end()).out, /^\d+\nbonjour\nFIN\n\n$/i);
    }
  },
);

testWith(
  "python3",
  "p2p_client sends what is left, then FIN, and ends when its input ends",
  async () => {
    for (const input of ["un\ndeux\n", "un\ndeux", undefined]) {
      await using peer = await server(`print(rest()); c.close()`);
      const { code, out, err } = await run("p2p_client", peer.address, {
        input,
      });
      assertEquals([code, out, err], [0, OPEN + OVER, ""]);
      const said = input ? "un\ndeux\nFIN\n" : "FIN\n";
      const printed = (await peer.end()).out.replace(/^\d+\n/, "");
      assertEquals(printed, said + "\n");
    }
  },
);

testWith(
  "python3",
  "p2p_client ends, with no key pressed, when the server leaves without a word",
  async () => {
    await using peer = await server("c.close()" + STAY);
    await using client = startTyping(peer.address);
    await client.says(OVER);
    const start = performance.now();
    const { code, out, err } = await client.end();
    assert(performance.now() - start < 2000, "something keeps it alive");
    assertEquals([code, out, err], [0, OPEN + OVER, ""]);
  },
);

testWith(
  "python3",
  "p2p_client ends when the server leaves, however much is still to be said",
  async () => {
    await using peer = await server("c.close()" + STAY);
    await using client = startTyping(peer.address);
    // The client may end before it has taken all of it.
    const typing = client.type("ligne\n".repeat(200)).catch(() => {});
    await client.says(OVER);
    const { err } = await client.end();
    await typing;
    assert(err.split("\n").length <= 2, `${err.split("\n").length} lines`);
  },
);

testWith("IPv6", "p2p_server and p2p_client talk over IPv6", async () => {
  await using listening = await serve("p2p_server", ["--host", "::1"]);
  assertMatch(listening.out, /^.*\[::1\]:\d+\n/);
  const args = ["--host", "::1", ...listening.address];
  const { code, out } = await run("p2p_client", args, { input: "bonjour\n" });
  assertEquals(code, 0);
  assertEquals(out, `${OPEN}${WELCOME}Serveur >> Au revoir\n${OVER}`);
  await listening.says(
    /\nClient connecté, adresse \[::1\]:\d+\nClient >> bonjour\n/,
  );
});

// What goes wrong.

testWith(
  "python3",
  "p2p_client says in one line that the server has reset",
  async () => {
    await using peer = await server(`c.recv(99); ${RESET}; c.close()`);
    await using client = startTyping(peer.address);
    await client.type("bonjour\n");
    const { code, out, err } = await client.end();
    assertEquals([code, out], [1, OPEN]);
    assertMatch(err, /^127\.0\.0\.1 port \d+ : .+\n$/);
  },
);

testWith(
  "python3",
  "p2p_client refuses what is no message, and says so to both sides",
  async () => {
    const refusals = [
      [`b"x" * 200000`, "plus de 65536 octets"],
      [`b"b\\xff\\n"`, "ce n'est pas de l'UTF-8"],
    ];
    for (const [sent, why] of refusals) {
      await using peer = await server(`c.sendall(${sent}); print(rest())`);
      await using client = startTyping(peer.address);
      const { code, out, err } = await client.end();
      assertEquals([code, out], [1, OPEN]);
      assertMatch(err, /^127\.0\.0\.1 port \d+ : Message refusé : .+\n$/);
      await peer.says(`\nMessage refusé : ${why}\n`);
    }
  },
);

testWith(
  "python3",
  "p2p_client shows nothing of a server that commands a terminal",
  async () => {
    await using peer = await server(
      `c.sendall("\\x1b[2Jrouge\\x9b31m\\u202egauche\\u2066\\x07\\0\\r!\\n".encode())`,
    );
    const { out } = await run("p2p_client", peer.address);
    assertEquals(out, `${OPEN}Serveur >> [2Jrouge31mgauche!\n${OVER}`);
  },
);

testWith(
  "python3",
  "p2p_client understands messages in pieces, and messages glued together",
  async () => {
    await using peer = await server(`
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "3 €\\n".encode(): c.sendall(bytes([byte]))
c.sendall(b"un\\r\\ndeux\\ntrois")
c.close()`);
    await using client = startTyping(peer.address);
    const { out } = await client.end();
    const lines = ["3 €", "un", "deux", "trois"].map((x) =>
      `Serveur >> ${x}\n`
    );
    assertEquals(out, OPEN + lines.join("") + OVER);
  },
);

testWith(
  "python3",
  "p2p_client shows any UTF-8 as it came, less NUL and the line ending",
  async () => {
    await using peer = await server(`
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in "\\ufeffa\\0b é € 😀\\ufffd\\r\\n".encode():
    c.send(bytes([byte]))
    time.sleep(0.005)
c.close()`);
    await using client = startTyping(peer.address);
    const { out, err } = await client.end();
    assertEquals(err, "");
    assertEquals(out, `${OPEN}Serveur >> \ufeffab é € 😀\ufffd\n${OVER}`);
  },
);

testWith(
  "python3",
  "p2p_client lets a line leave before the one before is acknowledged",
  async () => {
    // Python that acknowledges late, as most do (40 ms), and answers each pair. It
    // counts the milliseconds in between, of which noise can only make more.
    await using peer = await server(`
def until(lines):
    global heard
    while heard.count(b"\\n") < lines:
        if hasattr(socket, "TCP_QUICKACK"):
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        heard += c.recv(100) or sys.exit("end")
    return time.perf_counter()
least = 1000
for pair in range(10):
    heard = b""
    first = until(1)
    least = min(least, 1000 * (until(2) - first))
    c.sendall(b"suite %d\\n" % pair)
print(f"au mieux {least:.1f} ms")`);
    await using client = startTyping(peer.address);
    for (let pair = 0; pair < 10; pair++) {
      await client.type("un\ndeux\n");
      await client.says(`Serveur >> suite ${pair}\n`);
    }
    const [, least] = await peer.says(/au mieux (.*) ms/);
    assert(Number(least) < 20, `${least} ms`);
  },
);

testWith(
  "python3",
  "p2p_client still takes what is typed, and SIGTERM, while the server never pauses",
  async () => {
    await using peer = await server(
      `
def flood():
    while True: c.sendall(b"une ligne de texte\\n" * 1000)
threading.Thread(target=flood, daemon=True).start()
while piece := c.recv(999): print(piece.decode(), end="")` + STAY,
    );
    await using client = startTyping(peer.address);
    await client.says("Serveur >> une ligne");
    await client.type("au secours\n");
    await peer.says("\nau secours\n");
    client.kill("SIGTERM");
    await peer.says("\nFIN\n");
    const { code, err } = await client.end();
    assertEquals([code, err], [0, ""]);
  },
);

Deno.test("Conversation of p2p_client speaks while the server has always more to say", async () => {
  let reads = 0, said = 0;
  // Each read is ready at once: a loop of them lets nobody else in.
  const conn = {
    setNoDelay() {},
    read(buffer: Uint8Array) {
      const over = said > 0 || ++reads > 100;
      return Promise.resolve(over ? null : buffer.fill(10).length);
    },
    write(line: Uint8Array) {
      said ||= reads;
      return Promise.resolve(line.length);
    },
    closeWrite: () => Promise.resolve(),
    [Symbol.dispose]() {},
  };
  const talk = new Conversation(conn as unknown as Deno.TcpConn, () => {});
  await new Promise(setImmediate); // A key is pressed.
  await talk.say("au secours");
  await talk.over;
  assert(said <= 100, "when it had said all");
});

/** Python whose backlog is full, so that the kernel drops whoever else comes. */
const FULL = `
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(0)
port = s.getsockname()[1]
others = [socket.socket() for _ in range(3)]
for other in others:
    other.setblocking(False)
    other.connect_ex(("127.0.0.1", port))
`;

testWith(
  "python3",
  "p2p_client gives up a server that never reads, and one that never answers",
  async () => {
    await using full = python(FULL + "print(port)" + STAY);
    await using deaf = await server(STAY);
    const [port] = await full.says(/^\d+/);
    // More than the kernels of both sides hold.
    const input = ("x".repeat(60_000) + "\n").repeat(300);
    const [unread, unanswered] = await Promise.all([
      run("p2p_client", deaf.address, { input }),
      run("p2p_client", ["--port", port]),
    ]);
    assertEquals([unread.code, unanswered.code], [1, 1]);
    assertMatch(unanswered.err, /^127\.0\.0\.1 port \d+ : aucune réponse.+\n$/);
    assertMatch(unread.err, /^.+\n$/);
  },
);

Deno.test("p2p_client says in one line why it cannot connect, with exit code 1", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const refused = ["--port", String(listener.addr.port)];
  listener.close();
  for (const args of [refused, ["--host", "nulle-part.invalid"]]) {
    const { code, out, err } = await run("p2p_client", args);
    assertEquals([code, out], [1, ""]);
    assertMatch(
      err,
      args === refused
        ? /^127\.0\.0\.1 port \d+ : personne n'écoute.*\n$/
        : /^nulle-part\.invalid port 50000 : hôte inconnu.*\n$/,
    );
  }
});

Deno.test("p2p_client refuses wrong usage in one line, with exit code 2", async () => {
  const wrong = [["--port", "abc"], ["--port", "65536"], ["--port", "0"]];
  wrong.push(["--prot", "1"], ["--host", ""], ["bonjour"]);
  for (const args of wrong) {
    const { code, out, err } = await run("p2p_client", args);
    assertEquals([code, out], [2, ""], args.join(" "));
    assertMatch(err, /^.*(--port|--host|Usage).*\n$/);
  }
});

// How it is stopped.

testWith(
  "python3",
  "p2p_client, on SIGINT or SIGTERM, tells a silent server and ends",
  async () => {
    // At once, as the server that keeps its connection open costs 3 s each time.
    const signals: Deno.Signal[] = ["SIGINT", "SIGTERM"];
    const ends = await Promise.all(signals.map(async (signal) => {
      await using peer = await server("print(rest())" + STAY);
      await using client = startTyping(peer.address);
      await client.says(OPEN);
      const start = performance.now();
      client.kill(signal);
      await peer.says("\nFIN\n");
      return { ...await client.end(), took: performance.now() - start };
    }));
    for (const { code, out, err, took } of ends) {
      assertEquals([code, out, err], [0, OPEN + OVER, ""]);
      assert(took < 5000, `${took} ms`);
    }
  },
);

testWith(
  "python3",
  "p2p_client ends at once with 130 at the second signal",
  async () => {
    await using peer = await server("print(rest())" + STAY);
    await using client = startTyping(peer.address);
    await client.says(OPEN);
    client.kill("SIGTERM");
    await peer.says("\nFIN\n");
    client.kill("SIGINT");
    assertEquals((await client.end()).code, 130);
  },
);

const linux = Deno.build.os === "linux" && has("python3");

Deno.test({
  name: "p2p_client is stopped as well while it waits for an answer" +
    (linux ? "" : " (ignored: needs python3, and /proc of Linux)"),
  ignore: !linux,
  async fn() {
    // Says when one more than the others is in the state SYN_SENT, which is 02.
    await using full = python(
      FULL + `
def waiting():
    rows = [row.split() for row in open("/proc/net/tcp")]
    return sum(row[2].endswith(":%04X" % port) and row[3] == "02" for row in rows)
before = waiting()
print(port)
while waiting() == before: time.sleep(0.01)
print("waiting")${STAY}`,
    );
    const [port] = await full.says(/^\d+/);
    await using client = startTyping(["--port", port]);
    await full.says("waiting");
    client.kill("SIGTERM");
    const { code, err } = await client.end();
    assertEquals([code, err], [0, ""]);
  },
});

// The course's way.

testWith(
  "python3",
  "p2p_client --raw talks to the course's server",
  async () => {
    const args = ["tests/peers/p2p_server.py", "127.0.0.1", "0"];
    await using course = new Program("python3", args, { stdin: "piped" });
    const [, port] = await course.says(/Port (\d+)\n/);
    await using client = startTyping(["--raw", "--port", port]);
    await client.says(WELCOME);
    await client.type("bonjour\n");
    await course.says("Clientbonjour\nServeur >> ");
    await course.type("salut\n");
    await client.says("Serveur >> salut\n");
    await client.type("fin\n");
    const { code, out, err } = await client.end();
    assertEquals([code, err], [0, ""]);
    assertMatch(out, /\nServeur >> Au revoir\nCONNEXION INTERROMPUE\n$/);
    await course.says(/Clientfin\nCONNEXION INTERROMPUE\nServeur prêt/);
  },
);

// At a terminal, for both scripts.

const WIDTH = 40;

/**
 * Starts a script at a pseudo-terminal, where to type is to press keys. It ends with
 * 99 if it leaves the terminal in another state than it found it in.
 */
function atTerminal(script: string, args: string[]): Program {
  const spawn =
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
  const shell = `stty cols ${WIDTH} rows 24; before=$(stty -g); TERM=xterm "$@"
    code=$?; [ "$(stty -g)" = "$before" ] || code=99; exit $code`;
  const { flags, path } = header(script);
  const command = [Deno.execPath(), "run", ...flags, path, ...args];
  return new Program(
    "python3",
    ["-c", spawn, "sh", "-c", shell, "sh", ...command],
    { stdin: "piped" },
  );
}

/** What a terminal shows when `out` has been written to it. */
function screen(out: string): string {
  const rows: string[][] = [[]];
  let row = 0, column = 0;
  const draw = (char: string) => {
    // As in xterm, the last column wraps when the next character comes.
    if (column === WIDTH) row++, column = 0;
    rows[row] ??= [];
    while (rows[row].length < column) rows[row].push(" ");
    rows[row][column++] = char;
  };
  for (const [all, count, command] of out.matchAll(/\p{Cc}\[(\d*)(\w)|./gsu)) {
    const n = Number(count || 1);
    if (all === "\r") column = 0;
    else if (all === "\n") rows[++row] ??= [];
    else if (!command) draw(all);
    else if (command === "A") row = Math.max(0, row - n);
    else if (command === "G") column = n - 1;
    else if (command === "K") rows[row] = [];
    else if (command === "J") rows.splice(row + 1), rows[row].splice(column);
    else throw new Error(`The screen of this test does not know ${command}`);
  }
  return rows.map((row) => row.join("").trimEnd()).join("\n").trimEnd();
}

/** Waits until the screen shows exactly this text, its long lines on several rows. */
async function shows(program: Program, text: string): Promise<void> {
  const row = new RegExp(`.{1,${WIDTH}}`, "gu");
  const rows = text.split("\n").flatMap((line) => line.match(row) ?? [""]);
  const wanted = rows.map((row) => row.trimEnd()).join("\n").trimEnd();
  try {
    await program.until(() => screen(program.out) === wanted, "its screen");
  } catch {
    assertEquals(screen(program.out), wanted);
  }
}

testWith(
  "python3",
  "p2p_server and p2p_client, at a terminal, keep what is half typed when a line comes in",
  async () => {
    await using left = atTerminal("p2p_server", ["--port", "0"]);
    const port = await left.port();
    await using right = atTerminal("p2p_client", ["--port", `${port}`]);
    const [, address] = await left.says(/Client connecté, adresse (\S+)\r/);
    let atLeft = `${READY}${port}\nClient connecté, adresse ${address}\n`;
    let atRight = OPEN + WELCOME;
    await left.type("je suis");
    await right.type("et moi");
    await shows(left, atLeft + "Serveur >> je suis");
    await shows(right, atRight + "Client >> et moi");

    await left.type(" le serveur\rà");
    atLeft += "Serveur >> je suis le serveur\n";
    atRight += "Serveur >> je suis le serveur\n";
    await shows(left, atLeft + "Serveur >> à");
    await shows(right, atRight + "Client >> et moi");

    await right.type(" le client\r");
    atLeft += "Client >> et moi le client\n";
    atRight += "Client >> et moi le client\n";
    await shows(left, atLeft + "Serveur >> à");
    await shows(right, atRight + "Client >> ");
  },
);

testWith(
  "python3",
  "p2p_client, at a terminal, keeps a line that is longer than the screen is wide",
  async () => {
    await using peer = await serve("p2p_server", [], { stdin: "piped" });
    await using client = atTerminal("p2p_client", peer.address);
    let seen = OPEN + WELCOME;
    // With the prompt: short of one row, exactly one row, one more, three rows.
    for (const length of [29, 30, 31, 90]) {
      const line = "0123456789".repeat(9).slice(0, length);
      await client.type(line);
      await shows(client, seen + "Client >> " + line);
      await peer.type("un\ndeux\n");
      seen += "Serveur >> un\nServeur >> deux\n";
      await shows(client, seen + "Client >> " + line);
      if (length === 90) await client.type("\r");
      else await client.type("\x15"); // Ctrl-U rubs it out.
    }
    await peer.says(`\nClient >> ${"0123456789".repeat(9)}\n`);
  },
);

testWith(
  "python3",
  "p2p_client, at a terminal, ends by itself when the server leaves while a line is typed",
  async () => {
    for (const how of ["pass", RESET]) {
      await using peer = await server(`c.recv(99); ${how}; c.close()` + STAY);
      await using client = atTerminal("p2p_client", peer.address);
      await shows(client, OPEN + "Client >> ");
      await client.type("un\rà moit");
      const { code } = await client.end();
      assertEquals(code, how === RESET ? 1 : 0);
      // On a row of its own, whatever was being typed.
      const last = how === RESET ? /^127\.0\.0\.1 port/m : /^CONNEXION INT/m;
      assertMatch(screen(client.out), last);
    }
  },
);

testWith(
  "python3",
  "p2p_server, at a terminal, takes the next client while a line is typed",
  async () => {
    await using left = atTerminal("p2p_server", ["--port", "0"]);
    const port = await left.port();
    let seen = `${READY}${port}\n`;
    for (const keys of ["à moi", "tié\r"]) {
      await using peer = python(
        `
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
print(s.getsockname()[1])
while piece := s.recv(99): print(piece.decode())`,
        port,
      );
      const [client] = await peer.says(/^\d+/);
      seen += `Client connecté, adresse 127.0.0.1:${client}\n`;
      await left.type(keys);
      if (keys === "à moi") await shows(left, seen + "Serveur >> à moi");
      else await peer.says("à moitié\n");
      seen += `CONNEXION INTERROMPUE\n${READY}${port}\n`;
    }
  },
);

testWith(
  "python3",
  "p2p_client, at a terminal, ends cleanly on Ctrl-C and on Ctrl-D",
  async () => {
    for (const key of ["\x03", "\x04"]) {
      await using peer = await serve("p2p_server");
      await using client = atTerminal("p2p_client", peer.address);
      await shows(client, OPEN + WELCOME + "Client >> ");
      await client.type(key);
      assertEquals((await client.end()).code, 0, client.out);
      assertMatch(
        screen(client.out),
        /Serveur >> Au revoir\nCONNEXION INTERROMPUE$/,
      );
      await peer.says("\nClient >> FIN\nCONNEXION INTERROMPUE\n");
    }
  },
);

testWith(
  "python3",
  "p2p_server, at a terminal, ends cleanly on Ctrl-C and on Ctrl-D",
  async () => {
    for (const key of ["\x03", "\x04"]) {
      for (const alone of [true, false]) {
        await using left = atTerminal("p2p_server", ["--port", "0"]);
        const args = ["--port", `${await left.port()}`];
        await using right = alone ? undefined : startTyping(args);
        if (right) await left.says("Serveur >> ");
        await left.type(key);
        assertEquals((await left.end()).code, 0, left.out);
        assertMatch(screen(left.out), /\nServeur arrêté$/);
        if (right) assertEquals((await right.end()).code, 0);
      }
    }
  },
);
