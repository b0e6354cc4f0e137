/** From one machine to many: the guide's configuration of HAProxy, with its servers. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  bytes,
  PATIENCE,
  Peer,
  Program,
  rest,
  ROOT,
  serve,
  testWith,
} from "./harness.ts";

const ANSWER = "Message reçu\n";

/** Starts HAProxy on a free port. It knows no port 0: so it may have to try again. */
async function balance(servers: number[], socket: string) {
  for (let tries = 1; tries <= 5; tries++) {
    const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr;
    probe.close();
    const [A, B, C] = servers;
    const env = Object.entries({ PORT: port, A, B, C, SOCKET: socket })
      .map((pair) => pair.join("="));
    const command = ["haproxy", "-f", `${ROOT}guide/haproxy.cfg`];
    const program = new Program("env", [...env, ...command]);
    const end = performance.now() + PATIENCE;
    while (!program.err.includes("ALERT") && performance.now() < end) {
      // To ask at the port would be one more client.
      const admin = await Deno.connect({ transport: "unix", path: socket })
        .catch(() => undefined);
      admin?.close();
      if (admin) return Object.assign(program, { port });
      await new Promise((resume) => setTimeout(resume, 10));
    }
    await program[Symbol.asyncDispose]();
  }
  throw new Error("HAProxy does not start");
}

testWith(
  "haproxy",
  "HAProxy shares clients out, avoids a dead server, uses it again, and drains",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "haproxy-" });
    await using stack = new AsyncDisposableStack();
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const socket = `${folder}/admin.sock`;
    const start = async (port: number) =>
      stack.use(await serve("multithread_server", ["--port", `${port}`]));
    const servers = await Promise.all([0, 0, 0].map(start));
    const ports = await Promise.all(servers.map((server) => server.port()));
    const haproxy = stack.use(await balance(ports, socket));

    /** A new client, and the place of the server that answered it. */
    const peers: Peer[] = [];
    const join = async () => {
      const peer = stack.use(await Peer.connect(haproxy.port));
      peers.push(peer);
      const message = `Client ${peers.length}.`;
      await peer.say(message + "\n");
      await peer.hears(ANSWER);
      const logged = servers.map(async (server, place) => {
        await server.says(message);
        return place;
      });
      return { peer, place: await Promise.any(logged) };
    };
    const clients: { peer: Peer; place: number }[] = [];
    for (let i = 0; i < 6; i++) clients.push(await join());
    const places = clients.map(({ place }) => place);
    assertEquals(places.toSorted(), [0, 0, 1, 1, 2, 2]);
    const at = (place: number) => clients[places.indexOf(place)].peer;

    // A server that dies takes its own clients with it, and nobody else.
    servers[0].kill("SIGKILL");
    await servers[0].end(); // Its listener may close after its clients' connections.
    for (const { peer, place } of clients) {
      if (place === 0) assertEquals(await peer.ended(), ANSWER);
      else {
        await peer.say("Encore là ?\n");
        await peer.hears(ANSWER + ANSWER);
      }
    }
    // It is avoided from the very first client on, before any check has failed.
    for (let i = 0; i < 3; i++) assert((await join()).place > 0);

    // One that returns is used again, and first, having the fewest clients.
    await haproxy.complains("Server servers/a is DOWN");
    servers[0] = await start(ports[0]);
    await haproxy.complains("Server servers/a is UP");
    const { peer: returned, place } = await join();
    assertEquals(place, 0);

    // While a server drains, its clients are served, and others get the new ones.
    using admin = await Deno.connect({ transport: "unix", path: socket });
    await admin.write(bytes("set server servers/a state drain\n"));
    assertEquals((await rest(admin)).trim(), "");
    for (let i = 0; i < 3; i++) assert((await join()).place > 0);
    await returned.say("Encore là ?\n");
    await returned.hears(ANSWER + ANSWER);

    // A server that is stopped says so, through HAProxy.
    servers[1].kill("SIGTERM");
    assert((await at(1).ended()).endsWith("Le serveur s'arrête\n"));

    // One that hangs, although its kernel still accepts, has its clients cut off.
    servers[2].kill("SIGSTOP");
    await haproxy.complains("Server servers/c is DOWN");
    assertEquals(await at(2).ended(), ANSWER + ANSWER);

    // HAProxy itself, told to stop, takes nobody new, and waits for who is there.
    haproxy.kill("SIGUSR1");
    await haproxy.complains("Proxy clients stopped");
    await assertRejects(
      () => Peer.connect(haproxy.port),
      Error,
      "ECONNREFUSED",
    );
    await returned.say("Et maintenant ?\n");
    await returned.hears(ANSWER.repeat(3));
    for (const peer of peers) await peer[Symbol.asyncDispose]();
    assertEquals((await haproxy.end()).code, 0);
  },
);
