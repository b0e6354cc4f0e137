import { assert, assertEquals, assertMatch } from "@std/assert";
import { getEventListeners } from "node:events";
import { handleClient } from "../scripts/server_simple.ts";
import {
  exchange,
  pair,
  Peer,
  printed,
  read,
  rest,
  run,
  serve,
} from "./harness.ts";

const ANSWER = "Bonjour, je suis le serveur\n";

Deno.test("server_simple logs whom it serves, and what was said", async () => {
  await using server = await serve("server_simple");
  const port = await server.port();
  await run("client_simple", [...server.address, "Salut", "!"]);
  await server.says("Connexion fermée");
  assertMatch(
    server.out.replace(`${port}`, "PORT"),
    /^Serveur prêt, en attente de requêtes sur 127\.0\.0\.1:PORT\nClient connecté, adresse 127\.0\.0\.1:\d+\nSalut !\nConnexion fermée\n$/,
  );
  assertEquals(await exchange(port, ""), ANSWER);
  await server.says("Client parti sans un mot\n");
});

Deno.test("server_simple serves the second client when the first is done", async () => {
  await using server = await serve("server_simple");
  await using first = await Peer.connect(await server.port());
  await server.says("Client connecté");
  await using second = await Peer.connect(await server.port());
  await second.say("deuxième\n");
  await first.say("premier\n");
  await first.end();
  assertEquals(await second.end(), ANSWER);
  await server.says(
    /premier\nConnexion fermée\nClient connecté.*\ndeuxième\n/,
  );
});

Deno.test("handleClient of server_simple ends a client at its limit, though it drips", async () => {
  using ends = await pair();
  const dripping = setInterval(
    () => ends.client.write(Uint8Array.of(33)),
    20,
  );
  const { signal } = new AbortController();
  const dispose = ends.server[Symbol.dispose].bind(ends.server);
  ends.server[Symbol.dispose] = () => {
    console.log("fermée");
    dispose();
  };
  const lines = await printed(async () => {
    let over = false;
    const handled = handleClient(ends.server, signal, false, 200)
      .then(() => over = true);
    assertEquals(await read(ends.client), "Délai dépassé\n");
    clearInterval(dripping);
    assert(!over, "the client has not ended yet");
    await ends.client.closeWrite();
    await handled;
    assertEquals(getEventListeners(signal, "abort"), [], "it leaves nothing");
  });
  assert(lines.includes("Client perdu : Refusal: Délai dépassé"), `${lines}`);
  assertEquals(lines.slice(-2), ["fermée", "Connexion fermée"]);
});

Deno.test("handleClient of server_simple sends off a client that was accepted while it stops", async () => {
  using ends = await pair();
  await ends.client.closeWrite();
  await printed(() => handleClient(ends.server, AbortSignal.abort()));
  assertEquals(await rest(ends.client), "Le serveur s'arrête\n");
});
