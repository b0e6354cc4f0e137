/**
 * Shows what a program does with its sockets: each call, once it has returned.
 *
 * Preloaded, it puts itself before Deno's functions, which do what they did. A line on
 * stderr has the milliseconds since the start, the connection (in a worker, after the
 * worker's number) and the call. Streams, Deno.serve, fetch and node:net go past it.
 *
 * @run deno run --allow-net --preload scripts/trace.ts scripts/server_simple.ts
 */
import { resolveObjectURL } from "node:buffer";

/** Watches this thread; the program has started at `start` (ms since 1970). */
export function trace(start: number, thread = "", log = console.error): void {
  const numbers = new WeakMap<object, string>(), seen = new WeakSet<object>();
  let sockets = 0, workers = 0;

  function watch(holder: object, key: PropertyKey): void {
    if (!Object.hasOwn(holder, key)) return;
    const name = key === Symbol.dispose ? "close" : String(key);
    const apply = (target: VoidFunction, socket: object, args: unknown[]) => {
      // A copy: while it waits, the program may write into its buffer.
      const sent = /write|send/.test(name) && Object(args[0]).slice?.(0, 161);
      const print = (result: unknown, problem = "") => {
        try {
          const value = Object(result);
          if (value.close) meet(value);
          const number = numbers.get(value) ?? numbers.get(socket) ?? "";
          const ms = performance.timeOrigin + performance.now() - start;
          const time = `${ms.toFixed(1).padStart(8)} ms  ${number.padEnd(5)}`;
          const call = words(name, args, sent, result) + problem;
          log("%c%s%c  %s", "color: gray", time, "", call);
        } catch { /* The line is lost; the program does not notice. */ }
        return result;
      };
      const fail = (error: unknown) => {
        if (key === Symbol.dispose) return; // It may be called twice.
        const { name = "Error", code = name } = Object(error);
        print(undefined, ` → ${name === "Error" ? code : name}`);
        throw error;
      };
      try {
        const done = Reflect.apply(target, socket, args);
        return done instanceof Promise ? done.then(print, fail) : print(done);
      } catch (error) {
        fail(error);
      }
    };
    Reflect.set(holder, key, new Proxy(Reflect.get(holder, name), { apply }));
  }

  /** Numbers a new socket, and watches the methods that all of its kind share. */
  function meet(socket: object): void {
    if (!("accept" in socket)) numbers.set(socket, `#${thread}${++sockets}`);
    const keys = "accept read write closeWrite send receive close".split(" ");
    for (let kind = socket; kind; kind = Object.getPrototypeOf(kind)) {
      if (seen.has(kind)) return;
      seen.add(kind);
      for (const key of [Symbol.dispose, ...keys]) watch(kind, key);
    }
  }

  for (const name of ["listen", "connect", "listenDatagram"]) watch(Deno, name);
  globalThis.Worker = new Proxy(Worker, {
    construct(target, [module, ...rest], newTarget) {
      const url = URL.parse(module, globalThis.location?.href);
      if (url) {
        const blob = (part: BlobPart) =>
          URL.createObjectURL(new Blob([part], { type: "text/javascript" }));
        // A worker may be a blob of no type. What is imported may not.
        const own = resolveObjectURL(`${url}`) as Blob | undefined;
        const main = JSON.stringify(own?.type === "" ? blob(own) : url);
        // A worker preloads nothing. It imports these functions, then its own module.
        const code = `import { resolveObjectURL } from 'node:buffer';
          ${[trace, words, at, quote].join("\n")}
          Object.defineProperty(globalThis, "location", { value: new URL(${main}) });
          trace(${start}, "${thread}${++workers}.");`;
        module = blob(`import "${blob(code)}"; import ${main};`);
      }
      return Reflect.construct(target, [module, ...rest], newTarget);
    },
  });
}

/** A call and what has come of it; `sent` is the beginning of what it had to send. */
function words(name: string, args: unknown[], sent: unknown, result: unknown) {
  if (Array.isArray(result)) { // A datagram, and where it came from.
    return `receive → ${result[0].length}${at(result[1])} ${quote(result[0])}`;
  }
  const [first, to] = args.map(Object), bytes = sent || first;
  const call = sent ? `${name} ${first.length}` : name;
  if (result === null && name === "read") return "read → null";
  if (typeof result === "number" && bytes instanceof Uint8Array) {
    return `${call} → ${result}${at(to)} ${quote(bytes.subarray(0, result))}`;
  }
  return call + at(Object(result).addr ?? Object(result).remoteAddr ?? first);
}

function at({ hostname = "", port }: Partial<Deno.NetAddr> = {}): string {
  if (port === undefined) return "";
  return ` ${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

/** The first 40 characters; what is not UTF-8, or commands a terminal, is escaped. */
function quote(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let text = "", start = 0;
  for (let count = 0; count < 40 && start < bytes.length; count++) {
    const [character] = decoder.decode(bytes.subarray(start, start + 4));
    const broken = character === "\uFFFD"; // The decoder's, where it is not UTF-8.
    const code = character.charCodeAt(0).toString(16).padStart(4, "0");
    const visible = JSON.stringify(character).slice(1, -1)
      .replace("\\u00", "\\x")
      .replace(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u, `\\u${code}`);
    text += broken ? `\\x${bytes[start].toString(16)}` : visible;
    start += broken ? 1 : new TextEncoder().encode(character).length;
  }
  return `"${text}"${start < bytes.length ? "…" : ""}`;
}

trace(performance.timeOrigin);
