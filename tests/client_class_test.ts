import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { ClientSocket } from "../scripts/client_class.ts";
import { Refusal } from "../scripts/encoding.ts";
import { bytes, pair, rest, run, serve } from "./harness.ts";

Deno.test("ClientSocket receives messages one by one, then undefined", async () => {
  using ends = await pair();
  let noDelay: boolean | undefined;
  ends.client.setNoDelay = (on = true) => void (noDelay = on);
  await using socket = new ClientSocket(ends.client);
  assertEquals(noDelay, true);
  await ends.server.write(bytes("un\ndeux\ntro"));
  assertEquals(await socket.receive(), "un");
  assertEquals(await socket.receive(), "deux");
  await ends.server.write(bytes("is\nfin"));
  await ends.server.closeWrite();
  for (const word of ["trois", "fin", undefined, undefined]) {
    assertEquals(await socket.receive(), word);
  }
  ends.server.close();
  await socket.close(); // The block's end will close it again, which is no error.
});

Deno.test("ClientSocket in raw mode takes what one read brings for a message", async () => {
  using ends = await pair();
  const socket = new ClientSocket(ends.client, true);
  await ends.server.write(bytes("sans fin"));
  assertEquals(await socket.receive(), "sans fin");
});

Deno.test("ClientSocket sends nothing of what cannot be a message, and delivers its last one, though it reads no answer", async () => {
  using ends = await pair();
  await ends.server.write(bytes("que personne ne lira\n"));
  const leave = async () => {
    await using socket = new ClientSocket(ends.client);
    await assertRejects(() => socket.send("deux\nlignes"), Refusal);
    await socket.send("le dernier");
  };
  const leaving = leave().then(() =>
    assertThrows(() => ends.client.close(), Deno.errors.BadResource)
  );
  // With a reset, which closing alone would send, there would be an error here.
  const [heard] = await Promise.all([rest(ends.server), leaving]);
  assertEquals(heard, "le dernier\n");
});

Deno.test("ClientSocket waits no longer than its limit, to receive or to send, and then closes", async () => {
  for (const act of ["receive", "send"] as const) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { hostname, port } = listener.addr;
    await using socket = await ClientSocket.connect(hostname, port, true, 100);
    assertEquals(socket.limit, 100);
    const error = await assertRejects(
      // Nobody reads: sooner or later no more goes in.
      () => act === "send" ? socket.send("x".repeat(2e7)) : socket.receive(),
      DOMException,
    );
    assertEquals(error.name, "TimeoutError");
    assertThrows(() => socket.conn.close(), Deno.errors.BadResource);
  }
});

Deno.test("ClientSocket lets each call take its limit, not all of them together", async () => {
  using ends = await pair();
  const { timeout } = AbortSignal, limits: number[] = [];
  using after = new DisposableStack();
  after.defer(() => Object.assign(AbortSignal, { timeout }));
  AbortSignal.timeout = (ms) => {
    limits.push(ms);
    return new AbortController().signal;
  };
  await using socket = new ClientSocket(ends.client, false, 1000);
  for (let call = 0; call < 4; call++) {
    await ends.server.write(bytes("suite\n"));
    assertEquals(await socket.receive(), "suite");
  }
  assertEquals(limits, [1000, 1000, 1000, 1000]);
  await ends.server.closeWrite();
  ends.server.close();
});

Deno.test("ClientSocket says what ended it to each further call", async () => {
  using ends = await pair();
  await using socket = new ClientSocket(ends.client);
  await ends.server.write(Uint8Array.of(255, 10));
  for (let call = 0; call < 2; call++) {
    await assertRejects(() => socket.receive(), Refusal, "UTF-8");
    await assertRejects(() => socket.send("un mot ?"), Refusal, "UTF-8");
  }
});

Deno.test("client_class says that its connection is closed once it is", async () => {
  await using server = await serve("server_simple");
  const flags = ["--allow-net", "--preload", "scripts/trace.ts"];
  const options = { flags, shell: 'exec "$@" 2>&1' };
  const { out } = await run("client_class", server.address, options);
  assertMatch(out, / close\nConnexion fermée\n/);
});
