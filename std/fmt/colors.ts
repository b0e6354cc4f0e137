/**
 * `@std/fmt/colors` for machines that reach npm but not JSR: the functions that
 * this project uses, from `npm:deno-std`, with types. See "Copy a script" in
 * README.md.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/fmt/colors.js";

/** Turns colours on or off for the whole program. `NO_COLOR` wins over `true`. */
export const setColorEnabled: (value: boolean) => void = std.setColorEnabled;

/** Makes text bold. */
export const bold: (str: string) => string = std.bold;
/** Makes text faint. */
export const dim: (str: string) => string = std.dim;
/** Makes text red. */
export const red: (str: string) => string = std.red;
/** Makes text green. */
export const green: (str: string) => string = std.green;
/** Makes text yellow. */
export const yellow: (str: string) => string = std.yellow;
/** Makes text blue. */
export const blue: (str: string) => string = std.blue;
/** Makes text magenta. */
export const magenta: (str: string) => string = std.magenta;
/** Makes text cyan. */
export const cyan: (str: string) => string = std.cyan;
/** Takes colours and other escape sequences out of a text. */
export const stripAnsiCode: (str: string) => string = std.stripAnsiCode;
