/**
 * The whole course, played in one terminal: each script is started as its header
 * says, servers on a free port, and both sides' lines appear under the title of
 * their section. It ends with 0 only if every script did what it should.
 *
 * Run it with `deno task demo`.
 *
 * @module
 */
import {
  bold,
  cyan,
  dim,
  green,
  magenta,
  red,
  setColorEnabled,
  yellow,
} from "@std/fmt/colors";

type Colour = (text: string) => string;

/** The scripts that are running. None may outlive the demo, however it ends. */
const running = new Set<Deno.ChildProcess>();

/** A script on the stage: it speaks its lines, and is told what to type. */
class Actor {
  #child: Deno.ChildProcess;
  #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  #exit: Promise<number>;
  // What it has said and nobody has waited for yet.
  #said: string[] = [];
  #wake = Promise.withResolvers<void>();
  #over = false;

  constructor(
    readonly role: string,
    readonly colour: Colour,
    script: string,
    ...args: string[]
  ) {
    const file = new URL(`scripts/${script}.ts`, import.meta.url);
    const command = Deno.readTextFileSync(file).match(/@run deno (run .*)$/m)!;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...command[1].split(" "), ...args],
      cwd: new URL(".", import.meta.url),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    running.add(this.#child);
    this.#keyboard = this.#child.stdin.getWriter();
    this.#exit = this.#play();
  }

  /** Shows all that it says, and gives the code that it ends with. */
  async #play(): Promise<number> {
    const { stdout, stderr, status } = this.#child;
    status.then(() => running.delete(this.#child));
    await Promise.all([this.#speak(stdout), this.#speak(stderr)]);
    const { code } = await status;
    this.#over = true;
    this.#wake.resolve();
    return code;
  }

  #show(line: string): void {
    console.log(`${this.colour(this.role.padEnd(9))}${dim("│")} ${line}`);
  }

  async #speak(stream: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        this.#show(line);
        this.#said.push(line);
      }
      this.#wake.resolve();
    }
    if (rest) this.#show(rest); // It has ended in the middle of a line.
  }

  /** No step may take longer than three minutes: the machine may be busy. */
  async #soon<T>(step: Promise<T>, problem: string): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const fail = () => reject(new Error(`${this.role} ${problem}`));
    const timer = setTimeout(fail, 180_000);
    return await Promise.race([step, late]).finally(() => clearTimeout(timer));
  }

  /** Waits for a line with this text, and returns it. */
  async says(text: string): Promise<string> {
    while (true) {
      const index = this.#said.findIndex((line) => line.includes(text));
      if (index >= 0) return this.#said.splice(0, index + 1)[index];
      const problem = `n'a pas affiché « ${text} »`;
      if (this.#over) throw new Error(`${this.role} ${problem}`);
      this.#wake = Promise.withResolvers();
      await this.#soon(this.#wake.promise, problem);
    }
  }

  /** Waits until a server is ready, and returns the options to find it. */
  async ready(): Promise<string[]> {
    const line = await this.says("Serveur prêt, en attente de requêtes sur ");
    return ["--port", line.match(/127\.0\.0\.1:(\d+)/)![1]];
  }

  /** Types a line, which is shown as its own terminal would show it. */
  async types(line: string): Promise<void> {
    this.#show(dim(`⌨ ${line}`));
    await this.#keyboard.write(new TextEncoder().encode(line + "\n"));
  }

  /** Waits until it has ended by itself, with 0. */
  async leaves(): Promise<void> {
    const code = await this.#soon(this.#exit, "ne se termine pas");
    if (code !== 0) {
      throw new Error(`${this.role} s'est terminé avec le code ${code}`);
    }
  }

  /** Asks a server to stop, and waits until it has. */
  async stops(): Promise<void> {
    this.#child.kill("SIGTERM");
    // On Windows this is no request: the process just ends, with another code.
    if (Deno.build.os !== "windows") await this.leaves();
  }
}

/** Starts a server on a free port. */
const server = (script: string, ...args: string[]) =>
  new Actor("serveur", cyan, script, "--port", "0", ...args);

/** Plays a script that needs no partner. */
async function alone(...cast: ConstructorParameters<typeof Actor>) {
  await new Actor(...cast).leaves();
}

/** Plays a client that asks one question of a server. */
async function question(serverScript: string, clientScript: string) {
  const serveur = server(serverScript);
  const address = await serveur.ready();
  const client = new Actor("client", green, clientScript, ...address);
  await client.says("Bonjour, je suis le serveur");
  await client.leaves();
  await serveur.says("Bonjour");
  await serveur.stops();
}

/** A web page, asked for as a browser does. */
async function page() {
  const serveur = server("web_server", "--root", "scripts");
  const port = (await serveur.ready())[1];
  const { status, headers, body } = await fetch(
    `http://127.0.0.1:${port}/web_server.ts`,
  );
  await body!.cancel();
  // What came is the script itself.
  const line = `${status}, ${headers.get("content-length")} octets`;
  console.log(`${green("fetch".padEnd(9))}${dim("│")} ${line}`);
  if (status !== 200) throw new Error("fetch n'a pas reçu la page");
  await serveur.says("GET /web_server.ts 200");
  await serveur.stops();
}

/** The chat, played by both sides. */
async function chat() {
  const serveur = server("p2p_server");
  const address = await serveur.ready();
  const client = new Actor("client", green, "p2p_client", ...address);
  await client.says("Vous êtes connecté au serveur");
  await client.types("Bonjour ! Je peux parler deux fois de suite :");
  await client.types("tu me reçois ?");
  await serveur.says("tu me reçois ?");
  await serveur.types("Cinq sur cinq.");
  await client.says("Cinq sur cinq.");
  await client.types("FIN");
  await client.says("Au revoir");
  await client.leaves();
  await serveur.says("CONNEXION INTERROMPUE");
  await serveur.stops();
}

/** Three clients at once. */
async function crowd() {
  const serveur = server("multithread_server", "--threads", "2");
  const address = await serveur.ready();
  const clients = ["A", "B", "C"].map((name, i) =>
    new Actor(
      `client ${name}`,
      [green, yellow, magenta][i],
      "multithread_client",
      ...address,
    )
  );
  for (const client of clients) await client.says("Tapez FIN");
  for (const client of clients) await client.types(`Je suis ${client.role}`);
  for (const client of clients) await client.says("Message reçu");
  for (const client of clients) await client.types("FIN");
  for (const client of clients) await client.leaves();
  await serveur.stops();
}

const SCENES: [section: string, scripts: string, play: () => Promise<void>][] =
  [
    [
      "Synchrone et asynchrone",
      "async_demo.ts",
      () => alone("attente", magenta, "async_demo"),
    ],
    [
      "1) Les sockets : DGRAM, c'est-à-dire UDP",
      "udp_server.ts, udp_client.ts",
      () => question("udp_server", "udp_client"),
    ],
    [
      "2) Sockets procéduraux",
      "server_simple.ts, client_simple.ts",
      () => question("server_simple", "client_simple"),
    ],
    [
      "3) Sockets orientés objet",
      "server_simple.ts, client_class.ts",
      () => question("server_simple", "client_class"),
    ],
    ["4) Serveur web", "web_server.ts", page],
    ["5) P2P, une conversation", "p2p_server.ts, p2p_client.ts", chat],
    [
      "4') Le multithread",
      "threads_demo.ts",
      async () => {
        await alone("threads", magenta, "threads_demo");
        await alone("threads", magenta, "threads_demo", "--work");
      },
    ],
    [
      "4') Serveur multithread",
      "multithread_server.ts, multithread_client.ts",
      crowd,
    ],
  ];

/** Ends the scripts that are running. */
function endAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

// Windows knows SIGINT alone of these.
const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of signals) {
  Deno.addSignalListener(signal, function end() {
    endAll();
    // Without its listener, the signal does what it would have done.
    Deno.removeSignalListener(signal, end);
    Deno.kill(Deno.pid, signal);
  });
}
// Such as a line that cannot be shown, on a full disk.
addEventListener("unhandledrejection", ({ reason }) => {
  endAll();
  console.error(`${reason}`);
  Deno.exit(1);
});

setColorEnabled(Deno.stdout.isTerminal());
try {
  console.log(dim("⌨ : ce qui est tapé au clavier"));
  for (const [section, scripts, play] of SCENES) {
    console.log(`\n${bold(section)} ${dim(`— ${scripts}`)}`);
    await play();
  }
  console.log(green("\n✓ Chaque script a joué son rôle."));
} catch (error) {
  endAll();
  console.error(red(`\n✗ ${(error as Error).message}`));
  Deno.exitCode = 1;
}
