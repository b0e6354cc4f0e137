/**
 * `@std/cli/parse-args` for machines that reach npm but not JSR: the same
 * function, from `npm:deno-std`, with types. See "Copy a script" in README.md.
 *
 * The types are stricter than the published ones: a name that is not among
 * the options does not exist on the result. What compiles here compiles there.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/cli/parse_args.js";

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  Booleans extends string,
  Strings extends string,
  Defaults,
> {
  /** Names that take no value; `false` unless given. */
  boolean?: Booleans | readonly Booleans[];
  /** Names that take a value, kept as text. */
  string?: Strings | readonly Strings[];
  /** Values of what is not given. */
  default?:
    & Defaults
    & Record<Exclude<keyof Defaults, Booleans | Strings>, never>;
  /** Puts everything after the first positional argument into `_`. */
  stopEarly?: boolean;
  /**
   * Called with each argument that no option names (a positional argument has
   * no `key`); the argument is dropped if it returns `false`.
   */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Result of {@linkcode parseArgs}. */
export type Args<Booleans extends string, Strings extends string, Defaults> =
  & { [Name in Booleans]: boolean }
  & {
    [Name in Strings]: Name extends keyof Defaults ? string | Defaults[Name]
      : string | undefined;
  }
  & { _: (string | number)[] };

/**
 * Parses command line arguments.
 *
 * @param args What follows the script's name, usually `Deno.args`.
 * @param options Which names there are, and what they take.
 * @returns The value of each option; positional arguments are in `_`.
 */
export const parseArgs: <
  Booleans extends string = never,
  Strings extends string = never,
  Defaults extends Record<string, unknown> = Record<never, never>,
>(
  args: string[],
  options?: ParseOptions<Booleans, Strings, Defaults>,
) => Args<Booleans, Strings, Defaults> = std.parseArgs;
