/**
 * Each TCP client and its server, with each fault on the way between them. What comes
 * is shown, or who can know says in one line what happened; and the server serves the
 * next client, and stops when it is asked to.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { exchange, serve, start } from "../harness.ts";
import { all, type Client, scripts, type Server } from "../scripts.ts";
import type { Faults } from "../../scripts/relay.ts";
import { startRelay } from "./relay.ts";

type Tcp<Script extends { tcp?: unknown }> = NonNullable<Script["tcp"]>;

/** A fault, and what comes of it. */
interface Fault {
  name: string;
  faults: Faults;
  /** What the client shows all the same; without it, it says that it was cut off. */
  shows?: (client: Tcp<Client>, server: Tcp<Server>) => string;
  /** What the server shows of it, of a message of which `asked` has come. */
  serverShows?: (server: Tcp<Server>, asked: string) => string;
  serverComplains?: RegExp;
}

const FAULTS: Fault[] = [
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
    serverComplains: /^.*(ConnectionReset|BrokenPipe|NotConnected).*\n/,
  },
  {
    name: "say so when a reset comes in the middle of the server's message",
    faults: { "reset-after": 4, way: "←" },
  },
];

for (const { name, partner, keyboard, tcp: client } of all("client", "tcp")) {
  const { args, tcp: server } = scripts[partner] as Server;
  if (!client || !server) continue;
  for (const fault of FAULTS) {
    Deno.test(`${name} and ${partner} ${fault.name}`, async () => {
      await using program = await serve(partner, args);
      const port = await program.port();
      await using relay = await startRelay(port, fault.faults);
      await using through = start(name, ["--port", `${relay.port}`], {
        stdin: keyboard && "piped",
      });
      const { shows, serverShows, serverComplains } = fault;
      // Its input stays open: it must end by itself.
      if (keyboard) await through.type(client.typed[0]);
      const { code, out, err } = await through.end();
      if (!shows) {
        assertEquals(code, 1, out);
        assertMatch(
          err,
          /^(ConnectionReset|BrokenPipe|UnexpectedEof|NotConnected): .*\n$/,
        );
      } else {
        assertMatch(err, /^(\w+: .*\n)?$/);
        assertEquals(code, Number(err !== ""), err);
        assert(out.includes(shows(client, server)), out);
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
