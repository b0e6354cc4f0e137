/**
 * Shows what a program does with its sockets: each call, once it has returned.
 *
 * Preloaded, it puts itself before Deno's functions; the program does what it did. A
 * line on stderr has the milliseconds since the start, the connection's number, which
 * in a worker follows the worker's, and the call. Packets it does not see, nor what
 * Deno.serve, fetch and node:net do inside Deno.
 *
 * @run deno run --allow-net --preload scripts/trace.ts scripts/server_simple.ts
 */

// deno-lint-ignore no-explicit-any
type Any = any; // The functions that are watched have many types.

/** Watches this thread. The program began at `start`, in milliseconds since 1970. */
export function trace(start = performance.timeOrigin, thread = ""): void {
  const { stderr } = Deno, known = new Set([Object.prototype]);
  const numbers = new WeakMap<object, string>();
  let sockets = 0, workers = 0;

  function watch(holder: Any, ...names: PropertyKey[]): void {
    for (const name of names.filter((name) => Object.hasOwn(holder, name))) {
      const apply = (target: Any, socket: Any, args: Any[]) => {
        // The buffer of a write may change before the write has returned.
        const before = name === "read" ? args : args.map(beginning);
        const succeed = (result: Any) => {
          meet(result);
          print([result, socket], () => success(name, args, before, result));
          return result;
        };
        const fail = (error: Any) => {
          print([socket], () => failure(name, args, error));
          throw error;
        };
        try {
          const result = Reflect.apply(target, socket, args);
          if (result instanceof Promise) return result.then(succeed, fail);
          return succeed(result);
        } catch (error) {
          fail(error);
        }
      };
      holder[name] = new Proxy(holder[name], { apply });
    }
  }

  /** Numbers a new socket, and watches the methods that all of its kind share. */
  function meet(socket: Any): void {
    if (!socket?.close) return;
    if (!socket.accept) numbers.set(socket, `#${thread}${++sockets}`);
    let kind = Object.getPrototypeOf(socket);
    while (!known.has(kind)) {
      known.add(kind);
      watch(
        kind,
        "accept",
        "read",
        "write",
        "closeWrite",
        "send",
        "receive",
        "close",
      );
      kind = Object.getPrototypeOf(kind);
    }
  }

  function print(sockets: Any[], call: () => string): void {
    try {
      const number = sockets.map((socket) => numbers.get(socket)).find(Boolean);
      const ms = performance.timeOrigin + performance.now() - start;
      const line = [
        ms.toFixed(1).padStart(8),
        (number ?? "").padEnd(5),
        call(),
      ];
      stderr.writeSync(new TextEncoder().encode(line.join("  ") + "\n"));
    } catch { /* The line is lost; the program does not notice. */ }
  }

  watch(Deno, "listen", "connect", "listenDatagram");
  globalThis.Worker = new Proxy(Worker, {
    construct(target, [specifier, options], newTarget) {
      const base = globalThis.location?.href;
      if (URL.canParse(specifier, base)) {
        workers++;
        const parts = [
          trace,
          success,
          failure,
          beginning,
          quote,
          escape,
          address,
        ];
        const code = `${
          parts.join("\n")
        }\ntrace(${start}, "${thread}${workers}.")`;
        const module = (code: string) =>
          `data:text/javascript,${encodeURIComponent(code)}`;
        specifier = module(
          `import "${module(code)}"; import "${new URL(specifier, base)}";`,
        );
      }
      return Reflect.construct(target, [specifier, options], newTarget);
    },
  });
}

function success(
  name: PropertyKey,
  [data, to]: Any[],
  [kept]: Any[],
  result: Any,
): string {
  switch (name) {
    case "read":
      if (result === null) return "read → null";
      return `read → ${result} ${quote(data.subarray(0, result))}`;
    case "write":
      return `write ${data.length} → ${result} ${
        quote(kept.subarray(0, result))
      }`;
    case "send":
      return `send ${data.length} → ${result} ${address(to)} ${quote(kept)}`;
    case "receive":
      return `receive → ${result[0].length} ${address(result[1])} ${
        quote(result[0])
      }`;
    case "closeWrite":
    case "close":
      return name;
    default: // A listener, a connection or a datagram socket.
      return `${String(name)} ${address(result.addr ?? result.remoteAddr)}`;
  }
}

function failure(call: PropertyKey, [first]: Any[], error: Any): string {
  const { name, code } = error;
  let asked = "";
  if (first?.length && call !== "read") asked = ` ${first.length}`;
  if (first?.port) asked = ` ${address(first)}`;
  return `${String(call)}${asked} → ${name === "Error" ? code ?? name : name}`;
}

function beginning(argument: Any): Any {
  return argument instanceof Uint8Array ? argument.slice(0, 161) : argument;
}

/** At most 40 characters; what is not to be seen, or is no UTF-8, is escaped. */
function quote(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "", at = 0;
  for (let count = 0; count < 40 && at < bytes.length; count++) {
    let shown = `\\x${bytes[at].toString(16).padStart(2, "0")}`, size = 1;
    for (const length of [4, 3, 2, 1]) {
      try {
        const [character] = decoder.decode(bytes.subarray(at, at + length));
        shown = escape(character);
        size = new TextEncoder().encode(character).length;
        break;
      } catch { /* These bytes are no whole characters. */ }
    }
    text += shown;
    at += size;
  }
  return `"${text}"${at < bytes.length ? "…" : ""}`;
}

function escape(character: string): string {
  const code = character.codePointAt(0)!.toString(16);
  const names: Record<string, string> = {
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
  };
  if (character in names) return names[character];
  if (/["\\]/.test(character)) return `\\${character}`;
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return character;
  if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
}

function address({ hostname = "0.0.0.0", port, path }: Any): string {
  if (path) return path;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

trace();
