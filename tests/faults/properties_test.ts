/**
 * What must hold for any bytes: each server runs with its header's command, and
 * gets a thousand cases over real connections. `FUZZ_CASES` changes their number,
 * and `FUZZ_SEED` replays a run (a failure prints its seed).
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { anything, cut, cuts, linesOf } from "../any_bytes.ts";
import { bytes, exchange, PATIENCE, Peer, serve } from "../harness.ts";

const SEED = Number(Deno.env.get("FUZZ_SEED") ?? 20_250_101);
const CASES = Number(Deno.env.get("FUZZ_CASES") ?? 1000);

const HELLO = "Bonjour, je suis le serveur\n";
const WELCOME = "Vous êtes connecté au serveur, envoyez vos messages\n";
const RECEIVED = "Message reçu\n";

/** How a client goes: after all the answers, or without a look at them. */
const HOW = [...Array(12).fill("reads"), "closes", "leaves a half", "resets"];

/** A server under fire, and what it owes to those who keep to the rules. */
interface Target {
  script: string;
  args?: string[];
  data?: fc.Arbitrary<Uint8Array>;
  /** Throws if this is no answer to these bytes. */
  judge: (answer: string, data: Uint8Array) => void;
  /** A client that keeps to the rules: now and then, and at the end. */
  visit: (port: number) => Promise<void>;
  /** What each line on stdout begins with, where a client cannot choose it. */
  log?: RegExp;
}

/** Fires all the cases at a server, and looks at what is left of it. */
async function besiege(target: Target): Promise<void> {
  const { script, args, data = anything(2), judge, visit, log = /^/ } = target;
  await using server = await serve(script, args);
  const port = await server.port();
  let number = 0;
  const how = fc.constantFrom(...HOW);
  const attack = fc.asyncProperty(data, cuts(3), how, async (data, at, how) => {
    await play(port, cut(data, at), how, (answer) => judge(answer, data));
    // One that is not awaited may be in the queue still, which could overflow.
    if (++number % 100 === 0 || how !== "reads") await visit(port);
  });
  // A smaller case would find another server: what this one did stays done.
  await fc.assert(attack, { seed: SEED, numRuns: CASES, endOnFailure: true });
  await visit(port);
  server.kill("SIGTERM");
  const { code, out, err } = await server.end();
  assertEquals(code, 0, err.slice(-2000));
  const said = out + err;
  const odd = said.search(/(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u);
  assertEquals(odd, -1, `a terminal obeys ${said.slice(odd - 50, odd + 50)}`);
  assert(!/^\s+at |^error:|Uncaught/m.test(err), err.slice(-2000));
  const forged = out.split("\n").slice(0, -1).find((line) => !log.test(line));
  assertEquals(forged, undefined, "no client writes a line of the log");
}

/** One client. What it sends and what it hears go side by side. */
async function play(
  port: number,
  parts: Uint8Array[],
  how: string,
  judge: (answer: string) => void,
): Promise<void> {
  await using client = await Peer.connect(port);
  if (how === "leaves a half") parts.length = Math.ceil(parts.length / 2);
  for (const part of parts) await client.say(part);
  if (how === "resets") await client.reset();
  if (how === "reads") judge(await client.end());
}

Deno.test("server_simple outlives any bytes, and answers each client as it should", async () => {
  await besiege({
    script: "server_simple",
    judge(answer, data) {
      const { messages, error, least } = linesOf(data);
      const right = messages.length > 0 || !error ? [HELLO] : [];
      if (error && least === 0) right.push(error + "\n");
      assert(right.includes(answer), answer);
    },
    async visit(port) {
      assertEquals(await exchange(port, "Bonjour\n"), HELLO);
    },
  });
});

Deno.test("p2p_server outlives any bytes, and answers each client as it should", async () => {
  await besiege({
    script: "p2p_server",
    judge(answer, data) {
      const { messages, error, least } = linesOf(data);
      const isFin = (line: string) => /^\s*fin\s*$/i.test(line);
      const fin = messages.findIndex(isFin);
      const right = fin >= 0 || !error ? ["Au revoir"] : [];
      if (error && !(fin >= 0 && fin < least)) right.push(error);
      assert(right.some((word) => answer === `${WELCOME}${word}\n`), answer);
    },
    async visit(port) {
      const answer = await exchange(port, "Bonjour\nFIN\n");
      assertEquals(answer, `${WELCOME}Au revoir\n`);
    },
    log: /^(Serveur |Client connecté, |Client >> |CONNEXION INTERROMPUE$)/,
  });
});

Deno.test("multithread_server outlives any bytes, and neither the sender nor its neighbour gets a wrong answer", async () => {
  let neighbour: Peer | undefined, said = 0;
  await besiege({
    script: "multithread_server",
    args: ["--threads", "2"],
    judge(answer, data) {
      const { messages, error, least } = linesOf(data);
      const fin = messages.findIndex((line) => /^\s*fin\s*$/i.test(line));
      const most = fin < 0 ? messages.length : fin + 1;
      const [, heard, word] = answer.match(/^((?:Message reçu\n)*)(.*\n)?$/)!;
      const count = heard.length / RECEIVED.length;
      assert(count >= Math.min(least, most) && count <= most, `${count}`);
      if (word) assertEquals(word, error + "\n");
      else assert(fin >= 0 || !error, "no word of what is wrong");
    },
    async visit(port) {
      neighbour ??= await Peer.connect(port);
      await neighbour.say("Bonjour\nencore\n");
      said += 2;
      await neighbour.hears(RegExp(`^(${RECEIVED}){${said}}$`));
    },
    log:
      /^(Serveur |Instance de serveur prête pour |Message reçu du client |Connexion fermée avec )/,
  }).finally(() => neighbour?.[Symbol.asyncDispose]());
});

const SECRET = "ceci est hors du dossier";

/** Requests: right ones for odd things, and ones as broken as can be. */
function requests(): fc.Arbitrary<Uint8Array> {
  const one = (...some: string[]) => fc.constantFrom(...some);
  const part = one(
    ...["a.txt", "secret.txt", "dossier", "lien", ".git", "..", ".", "", "//"],
    ...["%2e%2e", "%2f", "%2e%2e%2fsecret.txt", "%5c", "%00", "%", "%zz"],
    ...["%1b%5b31m", "%e2%80%ae", "%c2%9b", "%0d%0aX:y", "\x1b[31m", "\\", "é"],
  );
  const path = fc.oneof(
    one("/a.txt", "/lien/secret.txt", "/.git/secret.txt", "/dossier/", "/"),
    fc.array(part, { maxLength: 4 }).map((all) => "/" + all.join("/")),
  );
  const header = one(
    ...["Range: bytes=0-3", "Range: bytes=9-1", "Range: x", "If-Range: *"],
    ...["If-Modified-Since: Mon, 99 Foo 9999", "Cookie: é", "Host: y", "X"],
    ...["Content-Length: 5", "Transfer-Encoding: chunked", "X\x1b: \0"],
  );
  const request = fc.tuple(
    one(...Array(6).fill("GET"), "HEAD", "POST", "OPTIONS", "get", "\0"),
    path,
    one(...Array(9).fill("HTTP/1.1"), "HTTP/1.0", "HTTP/9", ""),
    one(...Array(20).fill("Host: localhost"), "", "Host: ../..", "Host"),
    fc.array(header, { maxLength: 3 }),
    one("", "", "5\r\nabcde\r\n0\r\n\r\n", "abcde", "\0"),
  ).map(([method, path, version, host, headers, body]) => {
    const head = [`${method} ${path} ${version}`, host, ...headers, "", ""];
    return bytes(head.join("\r\n") + body);
  });
  return fc.oneof(
    { weight: 9, arbitrary: request },
    { weight: 1, arbitrary: anything(1) },
  );
}

Deno.test("web_server outlives any bytes, answers its other clients, and shows nothing outside its folder", async () => {
  const folder = await Deno.makeTempDir({ prefix: "siège-" });
  const content = "Bonjour, voici un fichier\n";
  for (const name of ["dossier", ".git"]) {
    await Deno.mkdir(`${folder}/racine/${name}`, { recursive: true });
  }
  for (const name of ["racine/.git/secret.txt", "secret.txt"]) {
    await Deno.writeTextFile(`${folder}/${name}`, SECRET);
  }
  for (const name of ["a.txt", "dossier/a.txt"]) {
    await Deno.writeTextFile(`${folder}/racine/${name}`, content);
  }
  await Deno.symlink(folder, `${folder}/racine/lien`);
  await besiege({
    script: "web_server",
    args: ["--root", `${folder}/racine`],
    data: requests(),
    judge(answer) {
      // Deno.serve may drop a request whose client has ended its half.
      assertMatch(answer, /^(HTTP\/1\.[01] [1-4]\d\d |$)/);
      assert(!answer.includes(SECRET), "it shows what is outside its folder");
    },
    async visit(port) {
      const signal = AbortSignal.timeout(PATIENCE);
      const page = await fetch(`http://localhost:${port}/a.txt`, { signal });
      assertEquals([page.status, await page.text()], [200, content]);
    },
    // Of a client that has reset, Deno.serve only knows 0.0.0.0:0.
    log: /^(Serveur |127\.0\.0\.1:\d+ |0\.0\.0\.0:0 )/,
  }).finally(() => Deno.remove(folder, { recursive: true }));
});
