/**
 * The protections of the scripts, each as the edit that takes it away. `from` stands
 * just once in the script.
 *
 * @module
 */

/** A protection of a script, and what the script is without it. */
export interface Mutant {
  script: string;
  name: string;
  from: string;
  to: string;
}

type Edit = [name: string, from: string, to: string];

/** What all scripts have that read a keyboard while their peer speaks. */
const TERMINAL: Edit[] = [
  ["FIN in any case", "fin\\s*$/i", "fin\\s*$/"],
  ["Ctrl-Z", 'keyboard.on("SIGCONT", () => keyboard.prompt(true));', ""],
  ["a pipe that waits", "else keyboard.pause();", ""],
  ["a pipe that goes on", "keyboard.resume()", "0"],
  ["a prompt after a line", "if (interactive) keyboard.prompt();", ""],
  ["the prompt's end", 'if (interactive) stdout.write("\\r\\x1b[J");', ""],
  ["a keyboard that is closed", "!interactive || !open", "!interactive"],
  ["a line of several rows", '"\\x1b[A".repeat(rows)', '""'],
  ["the rows of a half line", '+ "\\n".repeat(rows)', ""],
  ["a half line", "    keyboard.prompt(true);\n  };", "  };"],
  ["SIGINT's key", 'keyboard.on("SIGINT"', 'keyboard.on("x"'],
];

/** What both sides of the chat have. */
const CHAT: Edit[] = [
  ...TERMINAL,
  ["what may be shown", "printable(line)", "line"],
  ["Nagle", "conn.setNoDelay(true);", ""],
  ["keep-alive", "conn.setKeepAlive(true);", ""],
  ["what comes after FIN", "messages.length = fin + 1", "fin"],
  ["FIN of the peer", "if (fin >= 0) break;", ""],
  ["FIN of its own", "line === lastWord || isFin(line)", "line === lastWord"],
  ["Au revoir", 'lastWord = "Au revoir";', ""],
  [
    "one redraw for a read",
    "await (const messages of receive(conn, raw)) {",
    `await (const messages of (async function* () {
      for await (const all of receive(conn, raw)) yield* all.map((it) => [it]);
    })()) {`,
  ],
  ["the limit of a line", "conn[Symbol.dispose](), limits.line", "{}, 0"],
  [
    "a limit that is over",
    "write(conn, bytes).finally(() => clearTimeout(timer))",
    "write(conn, bytes)",
  ],
  ["the end of its half", "return await conn.closeWrite()", "return"],
  [
    "a wait for a line",
    "keyboard.read().catch(() => undefined)",
    "keyboard.read()",
  ],
  ["a stop before it begins", "stop.aborted || new", "new"],
  [
    "a stop",
    "new Promise((end) => stop.onabort = end)",
    "new Promise(() => {})",
  ],
  ["a refusal told", 'if (name === "Refusal") lastWord = message;', ""],
  ["the next one's line", "keyboard.releaseLock();", ""],
  [
    "the limit of the end",
    "conn[Symbol.dispose](), limits.end",
    "{}, limits.end",
  ],
  ["both loops' end", "await Promise.allSettled(loops);", ""],
  ["closing", "await hangUp(conn);", ""],
  ["the end's timer", "    clearTimeout(timer);\n  }", "  }"],
  ["an unreadable keyboard", 'keyboard.on("error", onEnd);', ""],
  ["the end of its input", "if (queue.desiredSize === 1) onEnd();", ""],
  [
    "the lines before its end",
    "if (queue.desiredSize === 1) onEnd();",
    "onEnd();",
  ],
  ["the end after its lines", ": onEnd(),", ": 0,"],
  ["a read that stays", "setImmediate(() => stdin.resume().pause());", ""],
];

/** What takes protections away, by script. */
const edits: Record<string, Edit[]> = {
  encoding: [
    ["half of a surrogate pair", "!message.isWellFormed()", "false"],
    ["one message of several lines", "/\\n|\\r$/.test(message)", "false"],
    ['a message that ends with "\\r"', "/\\n|\\r$/", "/\\n/"],
    ["a message too long to send", "bytes.length > MAX_LINE", "false"],
    ["a write of only a part", "while (bytes.length > 0) bytes", "bytes"],
    ["the beginning of a message", "held = end - complete;", "held = 0;"],
    ["the last message, without its end", "raw || count === null", "raw"],
    ["one read, one message", "if (raw || count", "if (count"],
    ["broken UTF-8", "!isUtf8(bytes)", "false"],
    ["U+FFFD that was sent", "&& !isUtf8(bytes)", ""],
    ["the lines before a broken one", "if (broken > 0)", "if (false)"],
    ['the "\\r" before "\\n"', '.replaceAll("\\r\\n", "\\n")', ""],
    ["U+FEFF", "ignoreBOM: true", "ignoreBOM: false"],
    ["a line that never ends", "held === MAX_LINE", "false"],
    ["the limit, to the byte", "held === MAX_LINE", "held >= MAX_LINE - 1"],
    ["the others' turn", "await new Promise(setImmediate);", ""],
    ["a copy to the front", "copyWithin(0, complete, end)", "subarray()"],
    ["the end of hangUp's half", "await conn.closeWrite();", ""],
    ["what hangUp drains", "while (await conn.read(rest) !== null);", ""],
    ["hangUp's second", "conn[Symbol.dispose](), 1000", "{}, 1000"],
    ["a last word that is none", "if (error instanceof Refusal)", "if (false)"],
    ["hangUp's close", "(timer);\n    conn[Symbol.dispose]();", "(timer);"],
    ["control characters", "[\\p{Cc}\\p{Bidi", "[\\p{Bidi"],
    ["bidirectional characters", "\\p{Bidi_Control}", ""],
    ["line separators", "\\u2028\\u2029", ""],
  ],
  server_simple: [
    ["who has gone", "error instanceof Deno.errors.NotConnected", "false"],
    ["the pause", "resume) => setTimeout(resume, 50)", "resume) => resume(0)"],
    ["accept's errors", "console.error(`Client non", "throw (`Client non"],
    [
      "the time limit",
      '=> reject(new Refusal("Délai',
      '=> (new Refusal("Délai',
    ],
    [
      "who is there at the stop",
      '=> reject(new Refusal("Le',
      '=> (new Refusal("Le',
    ],
    ["who comes at the stop", "if (stop.aborted) onStop();", ""],
    ["its timer", "clearTimeout(timer);", ""],
    ["what may be shown", "printable(messages[0])", "messages[0]"],
    [
      "errors of a client",
      "console.error(`Client perdu : ${error}`);",
      "throw error;",
    ],
    ["a refusal told", 'error instanceof Refusal ? error.message : ""', '""'],
    ["IPv6's brackets", "`[${hostname}]`", "hostname"],
    ["the backlog", ", tcpBacklog: 5", ""],
    ["SIGTERM", 'addSignalListener("SIGTERM", onSignal)', "build"],
    ["the second signal", "Deno.exit(130)", "stop.abort()"],
    ["the hint", " : essayez --port 50001", ""],
    ["its own machine alone", 'host: "127.0.0.1"', 'host: "0.0.0.0"'],
  ],
  client_simple: [
    ["the time limit", "() => conn[Symbol.dispose]()", "() => {}"],
    [
      "a limit that is over",
      'timeout.removeEventListener("abort", close);',
      "",
    ],
    [
      "what the limit says",
      "timeout.aborted ? timeout.reason : error",
      "error",
    ],
    ["no answer", "if (!messages) throw", 'if (!messages) return ""; throw'],
    [
      "what may be shown",
      "printable(await ask(conn, message, raw))",
      "await ask(conn, message, raw)",
    ],
    ["words that are numbers", '["host", "port", "_"]', '["host", "port"]'],
    ["unknown options", "if (!option) return;", "return;"],
    ["the hint", " : lancez d'abord le serveur", ""],
  ],
  client_class: [
    ["Nagle", "conn.setNoDelay(true);", ""],
    [
      "messages glued together",
      "...value ?? []",
      "...(value ?? []).slice(0, 1)",
    ],
    ["the time limit", "() => this.conn[Symbol.dispose]()", "() => {}"],
    [
      "what the limit says",
      "timeout.aborted ? timeout.reason : error",
      "error",
    ],
    [
      "a limit that is over",
      'timeout.removeEventListener("abort", close);',
      "",
    ],
    ["a failure that stays one", "if (this.#failure) throw this.#failure;", ""],
    ["closing", "await hangUp(this.conn);", ""],
    ["no answer", "answer === undefined", "false"],
    ["what may be shown", "printable(answer)", "answer"],
  ],
  multithread_server: [
    ["the pause", "await pause(50);", ""],
    ["the stop of its clients", 'dismiss("Le serveur s\'arrête");', ";"],
    [
      "clients that have yet to leave",
      "while (dismissals.size > 0) await pause(10);",
      "",
    ],
    ["FIN", "/^\\s*fin\\s*$/i.test(text)", "false"],
    ["FIN in any case", "fin\\s*$/i", "fin\\s*$/"],
    ["what comes after FIN", "messages.splice(fin + 1)", "fin"],
    ["what may be shown", "printable(text)", "text"],
    ["quiet", "if (!quiet) log(`Message", "log(`Message"],
    [
      "an answer for each",
      "size > answer.length ? Buffer.alloc(size, answer) : answer",
      "answer",
    ],
    ["time that begins anew", "idle = 0;\n", ";\n"],
    ["full", "dismissals.size < maxClients", "true"],
    ["the time limit", "if (idle === 10)", "if (false)"],
    ["Nagle", "conn.setNoDelay(true);", ""],
    [
      "who takes no answer",
      "AbortSignal.timeout(1000).onabort = () => conn[Symbol.dispose]();",
      "",
    ],
    [
      "the last word after an answer",
      "    await answering;\n  } catch",
      "  } catch",
    ],
    ["nothing after the last word", "if (lastWord !== undefined) break;", ""],
    [
      "errors of a client",
      "log(`Client perdu, ${name} : ${error}`, console.error);",
      "throw error;",
    ],
    ["a refusal told", "lastWord = error.message;", ";"],
    ["its timer", "clearInterval(timer);", ""],
    ["the place of who has left", "dismissals.delete(resolve);", ""],
    ["a log that fails", "catch { /*", "catch (e) { throw e; /*"],
    [
      "another thread for a dead one",
      'if (reason === "done") return;',
      "return;",
    ],
    ["the end of the threads", 'worker.postMessage("stop")', "{}"],
    ["the number of threads", "!(threads >= 1 && threads <= 999)", "false"],
    ["its own file, unreadable", "await Deno.stat(import.meta.filename!);", ""],
    [
      "a port that is taken",
      "port: Number(args.port) }",
      "port: Number(args.port), reusePort: true }",
    ],
    ["a port that is shared", "reusePort: true", "reusePort: false"],
    ["a long backlog", "tcpBacklog: 4096", "tcpBacklog: 5"],
    ["SIGTERM", 'addSignalListener("SIGTERM", onSignal)', "build"],
    ["the second signal", "Deno.exit(130)", "stop.abort()"],
  ],
  web_server: [
    ["dotfiles", 'path.split("/").some(isHidden)', "false"],
    ["dotfiles behind a link", "inside.split(sep).some(isHidden)", "false"],
    [".well-known", "(?!well-known$)", ""],
    [
      "a name that is no file",
      'fileInfo.isFile && path.endsWith("/")',
      "false",
    ],
    ["FIFOs", "if (fileInfo.isFile || fileInfo.isDirectory) return", "return"],
    ["rebinding", "if (ownName && !known)", "if (false)"],
    ["other methods", "if (!isRead)", "if (false)"],
    [
      "parts of another version",
      "conditions.some((name) => headers.has(name))",
      "false",
    ],
    ["a relative Location", "`./${url", "`http://localhost/./${url"],
    ["Cache-Control", 'headers.set("Cache-Control", "no-cache");', ""],
    ["nosniff", 'headers.set("X-Content-Type-Options", "nosniff");', ""],
    [
      "what may be shown",
      "printable(`${what} ${status} ${size} octets ${ms} ms`)",
      "`${what} ${status} ${size} octets ${ms} ms`",
    ],
    ["a log that fails", "}).catch(() => {});", "});"],
    ["no descriptor", "server = undefined;", "return;"],
    ["the stop's limit", "pause(limit)]", "pause(60_000)]"],
    ["a folder that is none", "Deno.readDirSync(root);", ""],
  ],
  udp_server: [
    [
      "answers to answers",
      "if (message === ANSWER || message === REFUSAL) continue;",
      "",
    ],
    [
      "refusals of refusals",
      "message === ANSWER || message === REFUSAL",
      "message === ANSWER",
    ],
    [
      "who cannot be reached",
      "if (!stop.aborted) console.error(",
      "throw error; console.error(",
    ],
    ["what may be shown", "printable(message)", "message"],
    ["broken UTF-8", "isUtf8(bytes) ? ANSWER : REFUSAL", "ANSWER"],
    ["long datagrams", "new Uint8Array(65535)", "new Uint8Array(512)"],
  ],
  udp_client: [
    [
      "lost datagrams",
      "setTimeout(repeat, 1000), setTimeout(repeat, 3000)",
      "0",
    ],
    ["strangers", "if (from !== address(server)) {", "if (false) {"],
    [
      "the time limit",
      "const close = () => socket.close();",
      "const close = () => {};",
    ],
    ["broken UTF-8", "if (!isUtf8(bytes))", "if (false)"],
    ["a limit that is over", 'late.removeEventListener("abort", close);', ""],
    ["a port that is none", "!(to >= 1 && to <= 65535)", "false"],
  ],
  threads_demo: [
    ["an error in a worker", "main.postMessage(error);", "throw error;"],
    ["its own file, unreadable", "await Deno.stat(import.meta.filename!);", ""],
  ],
  p2p_server: [
    ...CHAT,
    [
      "who has gone",
      "if (error instanceof Deno.errors.NotConnected)",
      "if (false)",
    ],
    ["the pause", "resume) => setTimeout(resume, 50)", "resume) => resume(0)"],
    ["accept's errors", "terminal.show(`Client non", "throw (`Client non"],
    [
      "errors of a client",
      "show(`Client perdu : ${error}`, console.error);",
      "throw error;",
    ],
    ["who is not there", "lines.locked || !interactive", "true"],
    [
      "a pipe before its reader",
      "lines.locked || !interactive",
      "lines.locked",
    ],
    ["a service", "service || stop.abort()", "stop.abort()"],
    ["IPv6's brackets", "`[${hostname}]`", "hostname"],
    ["SIGTERM", 'addSignalListener("SIGTERM", onSignal)', "build"],
    ["the second signal", "Deno.exit(130)", "stop.abort()"],
    ["the hint", " : essayez --port 50001", ""],
    ["its own machine alone", 'host: "127.0.0.1"', 'host: "0.0.0.0"'],
  ],
  p2p_client: [
    ...CHAT,
    ["what went wrong", "    throw error;\n  } finally", "  } finally"],
    ["who never answers", "signal: AbortSignal.timeout(5000),", ""],
    ["the hint", " : lancez d'abord le serveur", ""],
  ],
  multithread_client: [
    ...TERMINAL,
    ["what may be shown", "messages.map(printable)", "messages"],
    ["a server that leaves", "if (!leaving) throw", "if (false) throw"],
    ["a server that leaves at FIN", "if (!leaving) throw", "throw"],
    ["what cannot be a message", "encode(line, raw);", "encode(line, true);"],
    ["one line at a time", ", answered.promise])", "])"],
    ["the time limit", "answered.reject(late)", "0"],
    [
      "a limit that is over",
      "      clearTimeout(timer);\n      if",
      "      if",
    ],
    ["FIN", "if (leaving) return;", ""],
    ["closing", "await hangUp(conn);", ""],
    ["its timer", "    clearTimeout(timer);\n    await", "    await"],
    [
      "an unreadable keyboard",
      'keyboard.on("error", () => keyboard.close());',
      "",
    ],
    ["an interruption that a shell sees", 'Deno.kill(Deno.pid, "SIGINT");', ""],
    ["the end of its input", "queue.close();", ""],
    ["a read that stays", "setImmediate(() => stdin.resume().pause());", ""],
    ["who never answers", "signal: AbortSignal.timeout(5000),", ""],
    ["the hint", " : lancez d'abord le serveur", ""],
  ],
};

/** All mutants, in the order of their scripts. */
export const mutants: Mutant[] = Object.entries(edits).flatMap(
  ([script, list]) =>
    list.map(([name, from, to]) => ({ script, name, from, to })),
);
