/**
 * `@std/fmt/colors` for machines that reach npm but not JSR: the functions that
 * this project uses, from `npm:deno-std`, with types. See "Dependencies" in
 * README.md.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/fmt/colors.js";

type Style = (text: string) => string;

/** Turns colours on or off for the whole program. `NO_COLOR` wins over `true`. */
export const setColorEnabled: (value: boolean) => void = std.setColorEnabled;

/** Makes text bold. */
export const bold: Style = std.bold;
/** Makes text faint. */
export const dim: Style = std.dim;
/** Makes text red. */
export const red: Style = std.red;
/** Makes text green. */
export const green: Style = std.green;
/** Makes text yellow. */
export const yellow: Style = std.yellow;
/** Makes text blue. */
export const blue: Style = std.blue;
/** Makes text magenta. */
export const magenta: Style = std.magenta;
/** Makes text cyan. */
export const cyan: Style = std.cyan;
