/**
 * What this package takes from `npm:deno-std`, with types.
 *
 * @module
 */
import { format } from "npm:deno-std@1.4.0/fmt/bytes.js";
import * as html from "npm:deno-std@1.4.0/html/mod.js";
import * as etag from "npm:deno-std@1.4.0/http/etag.js";
import * as status from "npm:deno-std@1.4.0/http/status.js";
import * as mediaTypes from "npm:deno-std@1.4.0/media_types/mod.js";
import * as path from "npm:deno-std@1.4.0/path/mod.js";
import * as posix from "npm:deno-std@1.4.0/path/posix/mod.js";
import * as streams from "npm:deno-std@1.4.0/streams/mod.js";

export const formatBytes: (size: number) => string = format;

export const escape: (text: string) => string = html.escape;

export const eTag: (
  entity: string | Deno.FileInfo,
  options: { algorithm?: AlgorithmIdentifier; weak?: boolean },
) => Promise<string | undefined> = etag.eTag;

/** `false` if the header lists the tag. */
export const ifNoneMatch: (header: string | null, etag?: string) => boolean =
  etag.ifNoneMatch;

export const STATUS_TEXT: Record<number, string> = status.STATUS_TEXT;

export const contentType: (extension: string) => string | undefined =
  mediaTypes.contentType;

export const extname: (path: string) => string = path.extname;
export const join: (...paths: string[]) => string = path.join;
export const relative: (from: string, to: string) => string = path.relative;
export const SEPARATOR_PATTERN: RegExp = path.SEPARATOR_PATTERN;
/** For a URL's path, on every system. */
export const normalize: (path: string) => string = posix.normalize;

type Bytes = Uint8Array<ArrayBuffer>;
/** Passes on the bytes from `start` to `end`, both included. */
export const ByteSliceStream: new (
  start: number,
  end: number,
) => TransformStream<Bytes, Bytes> = streams.ByteSliceStream;
