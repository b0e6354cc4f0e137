/**
 * A real terminal, where to type is to press keys: tmux, with a shell in it.
 *
 * @module
 */
import net from "node:net";
import { header, PATIENCE, Peer, ROOT } from "./harness.ts";

/** How to open a {@linkcode Tmux}. */
export interface TmuxOptions {
  /** Its width; 60 unless told. */
  columns?: number;
  /** JavaScript that runs before the script. */
  preload?: string;
}

/** A terminal with a script in it, which a test closes in the end. */
export class Tmux implements AsyncDisposable {
  // For its socket, which is its own, so that tests run side by side.
  #folder = Deno.makeTempDirSync({ prefix: "tmux-" });

  /** Runs a script with its header's command in a shell with job control. */
  static async run(
    script: string,
    args: string[] = [],
    options: TmuxOptions = {},
  ): Promise<Tmux> {
    const { columns = 60, preload } = options;
    const tmux = new Tmux();
    const size = ["-x", `${columns}`, "-y", "30"];
    const shell = ["env", "ENV=", "PS1=$ ", "NO_COLOR=1", "sh", "-i"];
    const command = ["new-session", "-d", "-c", ROOT, ...size, ...shell];
    await tmux.#tmux("-u", "-f", "/dev/null", ...command);
    const { flags, path } = header(script);
    if (preload) {
      const code = encodeURIComponent(preload).replaceAll("'", "%27");
      flags.push("--preload", `'data:application/javascript,${code}'`);
    }
    await tmux.type(
      ["clear;", Deno.execPath(), "run", ...flags, path, ...args].join(" "),
    );
    await tmux.press("Enter");
    return tmux;
  }

  /** Types a text. */
  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** Presses keys, by the names that tmux has for them: `Enter`, `C-c`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  /** Pastes a text. */
  async paste(text: string): Promise<void> {
    const file = await Deno.makeTempFile({ prefix: "colle-" });
    await Deno.writeTextFile(file, text);
    await this.#tmux("load-buffer", file, ";", "paste-buffer");
    await Deno.remove(file);
  }

  /** Waits until what is on the screen matches, and returns the match. */
  async shows(pattern: RegExp | string): Promise<RegExpMatchArray> {
    if (typeof pattern === "string") pattern = RegExp.escape(pattern) + "$";
    const end = performance.now() + PATIENCE;
    while (true) {
      const rows = await this.#tmux("capture-pane", "-p");
      const screen = rows.split("\n").map((row) => row.trimEnd()).join("\n");
      const match = screen.trimEnd().match(pattern);
      if (match) return match;
      if (performance.now() > end) {
        throw new Error(`Waited in vain for ${pattern}\n--- screen\n${screen}`);
      }
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }

  /** Waits until the shell is back, and returns the exit code of the script. */
  async ended(): Promise<number> {
    await this.shows(/\$$/);
    await this.type("echo code $?");
    await this.press("Enter");
    return Number((await this.shows(/\ncode (\d+)\n\$$/))[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #tmux(...args: string[]): Promise<string> {
    const command = new Deno.Command("tmux", {
      args: ["-L", "test", ...args],
      env: { TMUX_TMPDIR: this.#folder },
    });
    const { success, stdout, stderr } = await command.output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  }
}

/** Runs a client at a terminal, and lets the test be its server. */
export async function atTerminal(
  script: string,
  play: (terminal: Tmux, server: Peer) => Promise<void>,
  options?: TmuxOptions,
): Promise<void> {
  const { promise: met, resolve } = Promise.withResolvers<net.Socket>();
  const listener = net.createServer({ allowHalfOpen: true }, resolve);
  await new Promise<void>((on) => listener.listen(0, "127.0.0.1", on));
  const { port } = listener.address() as net.AddressInfo;
  try {
    await using terminal = await Tmux.run(script, [`--port=${port}`], options);
    await using server = new Peer(await met);
    await play(terminal, server);
  } finally {
    await new Promise((closed) => listener.close(closed));
  }
}
