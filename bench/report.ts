/**
 * What `--json` prints, and the machine that it was measured on.
 *
 * @module
 */
import type { Result } from "./rounds.ts";

/** The machine, as far as it tells. */
export interface Machine {
  os: string;
  arch: string;
  cores: number;
  /** The name of the processor. */
  model: string;
  kernel: string;
}

/** All that was measured, and how. */
export interface Report {
  date: string;
  machine: Machine;
  /** Of Deno and of each peer that is there. */
  versions: Record<string, string>;
  /** One line for whatever is missing here, and so was not measured. */
  missing: string[];
  options: {
    quick: boolean;
    only: string[];
    rounds: number;
    /** Of one round. */
    seconds: number;
    /** Idle ones, for the memory. */
    clients: number;
  };
  /** Which load generator ran. */
  generator: string;
  /** Whose numbers the ratios divide by (web: nginx's); null where it could not run. */
  limit: string | null;
  results: Result[];
}

/** Looks at the machine. */
export function machine(): Machine {
  let model = "unknown processor";
  try {
    const info = Deno.readTextFileSync("/proc/cpuinfo");
    model = info.match(/^model name\s*:\s*(.*)$/m)?.[1] ?? model;
  } catch { /* Only Linux has it. */ }
  return {
    os: Deno.build.os,
    arch: Deno.build.arch,
    cores: navigator.hardwareConcurrency,
    model,
    kernel: `${Deno.build.os} ${Deno.osRelease()}`,
  };
}
