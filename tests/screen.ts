/**
 * What a person sees of a program, to be compared with a printed transcript.
 *
 * @module
 */
import { header, type Program } from "./harness.ts";

/** The command in a script's header, as README and the guide print it. */
export function command(script: string): string {
  const { flags, path } = header(script);
  return ["deno", "run", ...flags, path].join(" ");
}

/** What a person sees of a program: what it says, and what they type. */
export class Screen {
  text: string;
  #seen = 0;
  constructor(command: string, readonly program: Program) {
    this.text = `$ ${command}\n`;
  }

  /** Waits for all the lines up to this one. */
  async sees(last: string): Promise<void> {
    const end = await this.program.until(() => {
      const at = this.program.out.indexOf(last, this.#seen);
      return at < 0 ? undefined : this.program.out.indexOf("\n", at) + 1;
    }, last);
    this.text += this.program.out.slice(this.#seen, end);
    this.#seen = end;
  }

  async types(line: string, prompt = ""): Promise<void> {
    await this.program.type(line + "\n");
    this.text += `${prompt}${line}\n`;
  }

  /** The screen with the ports of a transcript: the server's, and 54321, 54322… */
  shown(port: number, as = 50000): string {
    const clients: number[] = [];
    return this.text.replaceAll(/(?<=127\.0\.0\.1:)\d+/g, (found) => {
      if (Number(found) === port) return `${as}`;
      if (!clients.includes(Number(found))) clients.push(Number(found));
      return `${54321 + clients.indexOf(Number(found))}`;
    });
  }
}
