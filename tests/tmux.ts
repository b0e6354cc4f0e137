/** A real terminal, where to type is to press keys: tmux, with a shell in it. */
import {
  header,
  listen,
  PATIENCE,
  Peer,
  Program,
  testWith,
} from "./harness.ts";
import { scripts } from "./scripts.ts";

/** A terminal, 60 columns wide, with a script in it. */
export class Tmux implements AsyncDisposable {
  // For its socket, which is its own, so that tests run side by side.
  #folder = Deno.makeTempDirSync({ prefix: "tmux-" });

  /** Runs a script in a shell with job control. */
  static async run(
    script: string,
    flags: string[],
    args: string[],
  ): Promise<Tmux> {
    const tmux = new Tmux();
    const size = ["-x", "60", "-y", "30"];
    const shell = ["env", "ENV=", "PS1=$ ", "sh", "-i"];
    const command = ["new-session", "-d", ...size, ...shell];
    await tmux.#tmux("-u", "-f", "/dev/null", ...command);
    const all = [...flags, header(script).path, ...args];
    const quoted = all.map((arg) => JSON.stringify(arg));
    const line = ["clear;", Deno.execPath(), "run", ...quoted];
    await tmux.type(line.join(" "));
    await tmux.press("Enter");
    return tmux;
  }

  async type(text: string): Promise<void> {
    await this.#tmux("send-keys", "-l", text);
  }

  /** Presses keys, by the names that tmux has for them: `Enter`, `C-c`. */
  async press(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  async paste(text: string): Promise<void> {
    await this.#tmux("set-buffer", text, ";", "paste-buffer");
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
    const socket = ["-S", `${this.#folder}/socket`];
    await using tmux = new Program("tmux", [...socket, ...args]);
    const { code, out, err } = await tmux.end();
    if (code !== 0) throw new Error(err);
    return out;
  }
}

/** A test with a script at a terminal, which has asked for a line, and with its peer. */
export function atTerminal(
  script: string,
  what: string,
  play: (terminal: Tmux, peer: Peer) => Promise<void>,
  { flags }: { flags: string[] } = header(script),
): void {
  testWith("tmux", `${script}, at a terminal, ${what}`, async () => {
    if (scripts[script].kind === "server") {
      await using terminal = await Tmux.run(script, flags, ["--port=0"]);
      const [, port] = await terminal.shows(/127\.0\.0\.1:(\d+)\n.*>>$/);
      await using peer = await Peer.connect(Number(port));
      await terminal.shows(/\nClient connecté.*\n.*>>$/);
      return await play(terminal, peer);
    }
    await using listener = await listen();
    await using terminal = await Tmux.run(script, flags, listener.address);
    const peer = await listener.met;
    await terminal.shows(/>>$/);
    await play(terminal, peer);
  });
}
