/**
 * `@std/assert` for machines that reach npm but not JSR: the assertions that this
 * project uses, from `npm:deno-std`, with types. See "Copy a script" in README.md.
 *
 * @module
 */
import * as std from "npm:deno-std@1.4.0/assert/mod.js";

/** Asserts that `expr` is truthy. */
export const assert: (expr: unknown, msg?: string) => asserts expr = std.assert;

/** Asserts that two values are equal, deeply. */
export const assertEquals: <T>(actual: T, expected: T, msg?: string) => void =
  std.assertEquals;

/** Asserts that `actual` matches a regular expression. */
export const assertMatch: (
  actual: string,
  expected: RegExp,
  msg?: string,
) => void = std.assertMatch;

/** Asserts that `actual` contains `expected`. */
export const assertStringIncludes: (
  actual: string,
  expected: string,
  msg?: string,
) => void = std.assertStringIncludes;

/** Asserts that `fn` throws an error of this class, whose text contains this. */
export const assertThrows: <E extends Error = Error>(
  fn: () => unknown,
  errorClass: abstract new (...args: never[]) => E,
  msgIncludes?: string,
  msg?: string,
) => E = std.assertThrows;

/** Asserts that the promise rejects with such an error. */
export const assertRejects: <E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: abstract new (...args: never[]) => E,
  msgIncludes?: string,
  msg?: string,
) => Promise<E> = std.assertRejects;
