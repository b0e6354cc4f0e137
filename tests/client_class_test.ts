import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ClientSocket } from "../scripts/client_class.ts";
import { encode, MessageReader, Refusal, write } from "../scripts/encoding.ts";
import { bytes, Program, ROOT, run, serve, testWith } from "./harness.ts";

Deno.test("client_class greets server_simple with the date", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  const { code, out, err } = await run("client_class", server.address);
  assertEquals([code, err], [0, ""]);
  assertEquals(
    out,
    `Connecté au serveur : 127.0.0.1:${port}\n` +
      "Bonjour, je suis le serveur\nConnexion fermée\n",
  );
  const today = new Date().toLocaleDateString("fr-FR");
  const [line] = await server.says(/^Bonjour du client TCP.*$/m);
  // Only a test that runs at midnight could see another day.
  assertStringIncludes(line, today);
});

testWith(
  "python3",
  "client_class --raw talks to the course's server",
  async () => {
    await using server = new Program("python3", [
      `${ROOT}tests/peers/server_simple.py`,
      "0",
    ]);
    const [, port] = await server.says(/^(\d+)$/m);
    const { code, out } = await run("client_class", ["--raw", "--port", port]);
    assertEquals(code, 0);
    assertStringIncludes(out, "\nBonjour, je suis le serveur\n");
  },
);

Deno.test("client_class says in one line what is wrong, and exits with 1 or 2", async () => {
  for (
    const [args, expected, problem] of [
      [["--port", "1"], 1, "personne n'écoute"],
      [["--host", "nulle.part.invalid"], 1, "nulle.part.invalid"],
      [["--port", "x"], 2, "--port"],
      [["bonjour"], 2, "inconnu"],
    ] as const
  ) {
    const { code, out, err } = await run("client_class", [...args]);
    assertEquals([code, out, err.split("\n").length], [expected, "", 2], err);
    assertStringIncludes(err, problem);
  }
});

/** A listener, and the next connection to it. */
function listen() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return { listener, port: listener.addr.port };
}

Deno.test("ClientSocket receives messages one by one, then null", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  assertEquals(socket.address, `127.0.0.1:${port}`);
  const conn = await listener.accept();
  await write(conn, bytes("un\ndeux\ntro"));
  assertEquals(await socket.receive(), "un");
  await write(conn, bytes("is\nfin"));
  conn.close();
  assertEquals(await socket.receive(), "deux");
  assertEquals(await socket.receive(), "trois");
  assertEquals(await socket.receive(), "fin");
  assertEquals(await socket.receive(), null);
  assertEquals(await socket.receive(), null);
});

Deno.test("ClientSocket delivers its last message though it reads no answer", async () => {
  const { listener, port } = listen();
  using _ = listener;
  const accepted = listener.accept();
  let conn: Deno.TcpConn;
  const leaving = (async () => {
    await using socket = await ClientSocket.connect("127.0.0.1", port);
    conn = await accepted;
    await write(conn, encode("que personne ne lira"));
    await socket.send("le dernier");
  })();
  const reader = new MessageReader(await accepted);
  assertEquals(await reader.read(), ["le dernier"]);
  assertEquals(await reader.read(), null, "an orderly end, and no reset");
  conn!.close();
  await leaving;
});

Deno.test("ClientSocket waits no longer than its limit, to receive or to send", async () => {
  const { listener, port } = listen();
  using _ = listener;
  const { Interrupted } = Deno.errors;
  const options = { timeout: 0.1 };
  {
    await using socket = await ClientSocket.connect("127.0.0.1", port, options);
    await assertRejects(() => socket.receive(), Interrupted);
  }
  {
    await using socket = await ClientSocket.connect("127.0.0.1", port, options);
    await assertRejects(async () => {
      // Nobody reads: sooner or later no more goes in.
      while (true) await socket.send("x".repeat(60_000));
    }, Interrupted);
  }
  for (let i = 0; i < 2; i++) (await listener.accept()).close();
});

Deno.test("ClientSocket keeps messages whole that are sent all at once", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  using conn = await listener.accept();
  // More than the kernel holds, so that it takes only part of some of them.
  const messages = Array.from({ length: 200 }, (_, i) => `${i} `.repeat(9000));
  const sending = Promise.all(messages.map((text) => socket.send(text)));
  const reader = new MessageReader(conn), received: string[] = [];
  while (received.length < messages.length) {
    received.push(...await reader.read() ?? []);
  }
  await sending;
  // Not assertEquals, which would print megabytes.
  assert(messages.every((text, i) => text === received[i]), "mixed up");
  await conn.closeWrite();
});

Deno.test("ClientSocket tells the server that its bytes are not UTF-8", async () => {
  const { listener, port } = listen();
  using _ = listener;
  await using socket = await ClientSocket.connect("127.0.0.1", port);
  using conn = await listener.accept();
  await write(conn, Uint8Array.of(0xff, 10));
  const failing = assertRejects(() => socket.receive(), Refusal, "UTF-8");
  const [refusal] = await new MessageReader(conn).read() ?? [];
  assertMatch(refusal, /^Message refusé/);
  conn.closeWrite();
  await failing;
});
