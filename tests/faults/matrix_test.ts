/**
 * Each client and its server, with each fault on the way between them. Either the
 * conversation is complete and right, or who can know says in one line what
 * happened; and the server serves the next client, and stops when it is asked to.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { exchange, run, serve, start } from "../harness.ts";
import { all, type Client, scripts, type Server } from "../scripts.ts";
import type { Faults } from "../../scripts/relay.ts";
import { TcpRelay } from "./relay.ts";

type Tcp<Script extends { tcp?: unknown }> = NonNullable<Script["tcp"]>;

/** What a fault is; unless it says else, the conversation is complete. */
interface Fault {
  name: string;
  faults: Faults;
  /** What the client shows all the same. */
  shows?: (client: Tcp<Client>, server: Tcp<Server>) => string;
  /** The client says that it was cut off. */
  lost?: boolean;
  /** What the server shows of it, of a message of which `asked` has come. */
  serverShows?: (server: Tcp<Server>, asked: string) => string;
  serverComplains?: RegExp;
}

const FAULTS: Fault[] = [
  {
    name: "understand each other one byte at a time",
    faults: { slice: 1 },
  },
  {
    name: "understand each other when messages are glued together",
    faults: { glue: 50 },
  },
  {
    name: "end well when the client's side ends in the middle of a message",
    faults: { "half-close-after": 4 },
    shows: (client, server) => client.shows(server.answer([""]).trim()),
    serverShows: (server, asked) => server.shows(asked),
  },
  {
    name: "end well when the server's side ends in the middle of a message",
    faults: { "half-close-after": 4, way: "←" },
    shows: (client, server) =>
      client.shows((server.welcome + server.answer([""])).slice(0, 4)),
  },
  {
    name: "say so when a reset comes in the middle of the client's message",
    faults: { "reset-after": 4 },
    lost: true,
    serverComplains: /^.*(ConnectionReset|BrokenPipe|NotConnected).*\n/,
  },
  {
    name: "say so when a reset comes in the middle of the server's message",
    faults: { "reset-after": 4, way: "←" },
    lost: true,
  },
];

for (
  const { name, partner, first, keyboard, tcp: client } of all("client", "tcp")
) {
  const { args, tcp: server } = scripts[partner] as Server;
  if (!client || !server) continue;
  for (const fault of FAULTS) {
    Deno.test(`${name} and ${partner} ${fault.name}`, async () => {
      await using program = await serve(partner, args);
      const port = await program.port();
      await using relay = await TcpRelay.start(port, fault.faults);
      await using through = start(name, ["--port", `${relay.port}`], {
        stdin: keyboard && "piped",
      });
      const { shows, lost, serverShows, serverComplains } = fault;
      const whole = !shows && !lost;
      // Where something is lost, its input stays open: it must end by itself.
      const typed = whole ? client.typed : client.typed.slice(0, 1);
      if (keyboard) await through.type(typed.join(""));
      const { code, out, err } = await through.end();
      if (whole) {
        assertEquals([code, err], [0, ""], out);
        assertEquals(out.replace(first, ""), client.whole);
      } else if (lost) {
        assertEquals(code, 1, out);
        assertMatch(err, /^(ConnectionReset|BrokenPipe|UnexpectedEof): .*\n$/);
      } else {
        assertMatch(err, /^(\w+: .*\n)?$/);
        assertEquals(code, Number(err !== ""), err);
        assert(out.includes(shows!(client, server)), out);
      }
      const [asked] = (client.typed[0] ?? "Bonjour").match(/^..../)!;
      if (serverShows) await program.says(serverShows(server, asked));
      if (serverComplains) await program.complains(serverComplains);
      // Whoever is still connected is cut off: the next one finds the server free.
      await relay[Symbol.asyncDispose]();
      const answer = server.welcome + server.answer(["encore"]);
      assertEquals(await exchange(port, "encore\n"), answer);
      await program.says(server.shows("encore"));
      program.kill("SIGTERM");
      const end = await program.end();
      assertEquals(end.code, 0);
      assertMatch(end.err, /^(Client .*\n)?$/);
    });
  }
}

Deno.test("udp_client and udp_server understand each other when a datagram is lost, and others come twice", async () => {
  await using server = await serve("udp_server");
  const at = { hostname: "127.0.0.1", port: 0, transport: "udp" } as const;
  const front = Deno.listenDatagram(at);
  const back = Deno.listenDatagram(at);
  const { port } = front.addr as Deno.NetAddr;
  const asked = run("udp_client", ["--port", `${port}`]).finally(() => {
    front.close();
    back.close();
  });
  await front.receive(); // This one is lost.
  const [question, client] = await front.receive();
  const target = { ...at, port: await server.port() };
  await Promise.all([1, 2].map(() => back.send(question, target)));
  const [answer] = await back.receive();
  await Promise.all([1, 2].map(() => front.send(answer, client)));
  const out = "Bonjour, je suis le serveur\n";
  assertEquals(await asked, { code: 0, out, err: "" });
  await server.says(/(^Message reçu .*\n){2}/m);
});
