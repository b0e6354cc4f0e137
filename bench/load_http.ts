/**
 * The part of load.ts that speaks HTTP.
 *
 * @module
 */
import { note } from "./histogram.ts";
import { type Client, join, type Options, send, skip } from "./load.ts";

/** A client that gets a file over and over, on one connection if the server keeps it. */
export async function browser(options: Options): Promise<Client> {
  const { port, get } = options;
  const request = new TextEncoder().encode(
    `GET /file-${get} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  );
  const room = new Uint8Array(256 * 1024);
  let conn: Deno.Conn | undefined = await join(options);
  const ask = async () => {
    conn ??= await join(options);
    await send(conn, request);
    let head = "", end = -1;
    while (end < 0) {
      const got = await conn.read(room);
      if (got === null && head === "") return conn = undefined;
      if (got === null) throw new Error("the server broke off");
      // One byte, one character: what is counted are bytes.
      head += String.fromCharCode(...room.subarray(0, Math.min(got, 8192)));
      end = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      const more = Math.max(0, got - 8192), body = head.length - end - 4 + more;
      const headers = head.slice(0, end);
      const length = Number(headers.match(/^content-length: *(\d+)/im)?.[1]);
      if (!headers.includes(" 200 ") || length !== get) {
        throw new Error("no 200, or not the length that was expected");
      }
      await skip(conn, get - body, room);
      if (/^HTTP\/1\.0|^connection: *close/im.test(headers)) {
        conn.close();
        conn = undefined;
      }
      return true;
    }
  };
  return async (run) => {
    do {
      const begin = performance.now();
      // It may close between two requests: once more, then.
      if (!await ask() && !await ask()) throw new Error("no answer");
      note(run, begin, 1);
    } while (performance.now() < run.end);
  };
}
