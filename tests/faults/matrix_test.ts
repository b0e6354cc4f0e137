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
import { TcpRelay, UdpRelay } from "./relay.ts";

type Tcp<Script extends { tcp?: unknown }> = NonNullable<Script["tcp"]>;

/** What a fault is, and what must come of it. */
interface Fault {
  name: string;
  faults: Faults;
  /** The client ends so; `asked` is the first 4 characters of its message. */
  client: (client: Tcp<Client>, server: Tcp<Server>) => Partial<{
    code: number;
    whole: boolean;
    shows: string;
    err: RegExp;
  }>;
  /** What the server says of it on stdout, or on stderr. */
  server?: (server: Tcp<Server>, asked: string) => string;
  complains?: RegExp;
}

const whole = () => ({ code: 0, whole: true, err: /^$/ });
const LOST = {
  code: 1,
  err: /^(ConnectionReset|BrokenPipe|UnexpectedEof): .*\n$/,
};
const ONE = /^(\w+: .*\n)?$/;

const FAULTS: Fault[] = [
  {
    name: "understand each other when each piece is late",
    faults: { late: 30 },
    client: whole,
  },
  {
    name: "understand each other one byte at a time",
    faults: { slice: 1 },
    client: whole,
  },
  {
    name: "understand each other when messages are glued together",
    faults: { glue: 50 },
    client: whole,
  },
  {
    name: "end well when the client's side ends in the middle of a message",
    faults: { "half-close-after": 4 },
    client: (client, server) => ({
      shows: client.shows(server.answer([""]).trim()),
      err: ONE,
    }),
    server: (server, asked) => server.shows(asked),
  },
  {
    name: "end well when the server's side ends in the middle of a message",
    faults: { "half-close-after": 4, way: "←" },
    client: (client, server) => ({
      shows: client.shows((server.welcome + server.answer([""])).slice(0, 4)),
      err: ONE,
    }),
  },
  {
    name: "say so when a reset comes in the middle of the client's message",
    faults: { "reset-after": 4 },
    client: () => LOST,
    complains: /^.*(ConnectionReset|BrokenPipe|NotConnected).*\n/,
  },
  {
    name: "say so when a reset comes in the middle of the server's message",
    faults: { "reset-after": 4, way: "←" },
    client: () => LOST,
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
      const expected = fault.client(client, server);
      // Where something is lost, its input stays open: it must end by itself.
      const typed = expected.whole ? client.typed : client.typed.slice(0, 1);
      if (keyboard) await through.type(typed.join(""));
      const end = await through.end();
      const said = `${end.out}${end.err}`;
      assertMatch(end.err, expected.err ?? /^$/, said);
      assertEquals(end.code, expected.code ?? Number(end.err !== ""), said);
      if (expected.whole) {
        assertEquals(end.out.replace(first, ""), client.whole, said);
      }
      assert(end.out.includes(expected.shows ?? ""), said);
      if (fault.server) {
        const [asked] = (client.typed[0] ?? "Bonjour").match(/^..../)!;
        await program.says(fault.server(server, asked));
      }
      if (fault.complains) await program.complains(fault.complains);
      // Whoever is still connected is cut off: the next one finds the server free.
      await relay[Symbol.asyncDispose]();
      const answer = server.welcome + server.answer(["encore"]);
      assertEquals(await exchange(port, "encore\n"), answer);
      await program.says(server.shows("encore"));
      program.kill("SIGTERM");
      const { code, err } = await program.end();
      assertEquals(code, 0);
      assertMatch(err, /^(Client .*\n)?$/);
    });
  }
}

Deno.test("udp_client and udp_server understand each other when a datagram is lost, and others come late and twice", async () => {
  await using server = await serve("udp_server");
  // With this seed, the first datagram that goes up is lost.
  using relay = new UdpRelay(await server.port(), {
    drop: 0.5,
    duplicate: 1,
    delay: 30,
  }, 9);
  const { code, out, err } = await run("udp_client", [
    "--port",
    `${relay.port}`,
  ]);
  assertEquals(relay.copies.up, [0, 2]);
  assertEquals([code, err], [0, ""]);
  assertEquals(out, "Bonjour, je suis le serveur\n");
});
