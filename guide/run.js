// Runs the section's programs and draws their calls, on a page that `deno task web`
// serves. Anywhere else the page stays as it is.
//
// deno-lint-ignore-file no-undef -- page.js defines `all`, `make`, `root` and `words`.

const say = (fr, en) => root.lang === "fr" ? fr : en;

/** What the network between client and server may do (guide/run.ts). */
const NETWORKS = {
  direct: say("tel quel", "as it is"),
  late: say("lent, ½ s de retard", "slow, ½ s late"),
  slice: say("un octet à la fois", "one byte at a time"),
  glue: say("regroupe ce qui arrive en 2 s", "glues what comes in 2 s"),
  cut: say("coupure après 10 octets", "cuts after 10 bytes"),
};

/** How a run has ended, or why there is none. */
const ENDS = {
  done: "",
  time: say("Arrêté au bout de dix minutes.", "Ended after ten minutes."),
  size: say("Arrêté : trop de texte.", "Ended: too much output."),
  replaced: say("Relancé dans un autre onglet.", "Run again in another tab."),
  lost: say("deno task web ne répond plus.", "deno task web has ended."),
  401: say(
    "Ouvrez l’adresse complète qu’affiche deno task web, # et suite compris.",
    "Open the address that deno task web prints, with what follows the #.",
  ),
};
const YOURS = say("Votre réponse\u00A0:", "Your answer:");
const OFF = say("(Pas avec ce --host.)", "(Not with this --host.)");
const LOST = say("Non transmis.", "Not delivered.");
const STOP = say("Arrêter", "Stop");
const HAPPENED = say("Ce qui s’est passé\u00A0:", "What happened:");

/** What a section's question counts: calls, or a number in what a program prints. */
const COUNTED = {
  "03-async": /(\d+) ms ensemble/,
  "05-udp": ({ name }) => name === "send",
  "06-simple": ({ by, name }) => by === 0 && name === "read",
  "07-class": ({ by, name }) => by === 1 && name === "read",
  "08-web": /absent\.html (\d+)/,
  "09-chat": ({ by, name }) => by === 0 && name === "write",
  "10-threads": /^threads : 2 .*×([\d,]+)/m,
  "11-multithread": ({ name }) => name === "listen",
}[words.page];

/** The paragraph that says that the programs run here. */
const place = all("main > p > a").find(({ textContent }) =>
  textContent === "deno task web"
)?.parentElement;

/** Asks the server to do something in this section. */
const ask = (action, body) =>
  fetch(`../run/${words.page}/${action}`, {
    method: "POST",
    body,
    headers: { Authorization: `Bearer ${sessionStorage.getItem("token")}` },
  });

/** The events of a run, as they come. */
async function* eventsOf(response) {
  if (!response.ok) return yield { end: response.status };
  let rest = "";
  // Not `for await`: Safari does not have it for streams.
  const texts = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let it = await texts.read(); !it.done; it = await texts.read()) {
    const lines = (rest + it.value).split("\n");
    rest = lines.pop();
    for (const line of lines) yield JSON.parse(line);
  }
}

// Calls, in an order that can be. The programs run side by side, and their lines come
// as they may: yet no call is drawn before the one that it follows from.

/** What a line of trace.ts or relay.ts says; nothing, if it is another one. */
function parseCall(line) {
  const [, ms, socket, name, rest] =
    line.match(/^ *(\d+\.\d)(?: ms)? +(?:#([\d.]+) +)?(\S+) ?(.*)\n$/) ?? [];
  if (!name) return;
  const [, size = 0] = rest.match(/(?:^|→ )(\d+) (?=\S+ "|")/) ?? [];
  const [, text, cut] = rest.match(/"(.*)"(…?)$/) ?? [];
  const since = performance.now();
  return { ms: +ms, socket, name, rest, size: +size, text, cut, since };
}

/** From where to where a call takes something, and gives something. */
function waysOf({ by, socket, name, rest, size }, relayed) {
  const peer = relayed ? 2 : 1 - by;
  const [from, to] = { "→": [1, 0], "←": [0, 1] }[name] ?? [peer, peer];
  const isStart = /^(accept|connect)$/.test(name);
  const what = isStart ? "start" : size ? "bytes" : "end";
  // The relay does not say when it connects; and a reset, it sends both ways.
  const takes = /^(read|receive)$/.test(name) || size && by === 2 ||
    rest === "fin" || name === "accept" && !relayed;
  const gives = /^(connect|write|send|close|closeWrite|exit|→|←)$/.test(name) &&
    socket && !/→ [A-Z]|silence/.test(rest);
  const ends = rest === "reset" ? [0, 1] : [to];
  return {
    takes: takes && `${what} ${from}>${by}`,
    gives: gives ? ends.map((end) => `${what} ${by}>${end}`) : [],
  };
}

/** Hands on each call after its cause, or else 300 ms after it has come. */
function makeOrder(relayed, handOn) {
  const waiting = [[], [], []]; // Of each program, as it made them.
  const ways = {}; // How much was given in all, with which calls; and taken.
  const wayOf = (key) => ways[key] ??= { total: 0, given: [], taken: 0 };
  let timer;

  function isReady([call]) {
    if (!call?.takes) return Boolean(call);
    const { total, taken } = wayOf(call.takes);
    const isLate = performance.now() > call.since + 300;
    return isLate || total >= taken + (call.size || 1);
  }
  function pass(call) {
    const { takes, gives } = call;
    if (takes) {
      const way = wayOf(takes);
      call.cause = way.given.find(({ end }) => end > way.taken)?.call;
      // An end is there for each read that comes to it.
      if (!takes.startsWith("end")) way.taken += call.size || 1;
      way.given = way.given.filter(({ end }) => end > way.taken);
    }
    for (const way of gives.map(wayOf)) {
      way.total += call.size || 1;
      way.given.push({ end: way.total, call });
    }
    handOn(call);
  }
  function settle() {
    const next = () => waiting.find(isReady);
    for (let queue = next(); queue; queue = next()) pass(queue.shift());
    clearTimeout(timer);
    if (waiting.some(([call]) => call)) timer = setTimeout(settle, 100);
  }
  return (call) => {
    waiting[call.by].push({ ...call, ...waysOf(call, relayed) });
    settle();
  };
}

// A terminal: what a program prints, and a line to type.

/** Makes the terminal of a program, by its command. */
function makeTerminal(by, command) {
  const [name] = command.match(/\w+(?=\.ts)/);
  const hint = say(
    "ce programme ne lit rien ici",
    "this program reads nothing",
  );
  const reads = /^(p2p_|multithread_client)/.test(name);
  const figure = make("figure", { className: "terminal" });
  figure.innerHTML = `<figcaption>scripts/${name}.ts</figcaption>
    <pre tabindex="0" role="region" aria-label="${name}"><code></code></pre>
    <form><span aria-hidden="true">&gt;</span><input autocomplete="off"
      aria-label="${name}" placeholder="${reads ? "" : hint}"></form>`;
  const [code, form, typed] = figure.querySelectorAll("code, form, input");
  let line; // The last one, until it ends.
  const print = (text, kind = "", means = "") => {
    line ??= make("span", { className: kind, lang: kind ? "" : "fr" });
    line.append(text);
    code.append(line);
    if (!text.endsWith("\n")) return;
    if (root.lang === "en" && means) code.append(make("small", {}, means));
    line = undefined;
  };
  print(`${command}\n`, "command");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    print(`${typed.value}\n`, "typed");
    const lose = () => print(LOST + "\n", "error");
    ask(by, typed.value).then(({ ok }) => ok || lose(), lose);
    typed.value = "";
  });
  const end = (code) => {
    form.remove();
    print(say(`Fin, code ${code}`, `The end, code ${code}`), "over");
  };
  return { figure, print, end };
}

// The drawing: a list of calls beside the programs' lines, and arrows.

/** Makes the drawing for the programs with these names. */
function makeDrawing(names, isCounted) {
  const figure = make("figure", { className: `calls of${names.length}` });
  const heads = names.map((it, by) => make("b", { className: `by${by}` }, it));
  figure.innerHTML = `<p aria-hidden="true"></p>
    <div role="log"><svg aria-hidden="true">
    <marker id="to" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8"
      markerHeight="8" orient="auto"><path d="M0 1 10 5 0 9z"/></marker>
    <g></g></svg><ol></ol></div>`;
  const [title, svg, drawing, list] = figure.querySelectorAll("p, svg, g, ol");
  title.append(...heads);
  const rows = [], last = []; // The calls that have a row; each program's last one.

  /** Adds a call: a row, or one more in its program's last row if it is the same. */
  function add(call) {
    const { by, name, size } = call, before = last[by];
    const isSame = size && before?.name === name && before.size === size;
    const row = isSame ? before : call;
    // Their clocks differ by some milliseconds: no effect is before its cause.
    call.at = Math.max(call.at, call.cause?.at ?? 0, before?.at ?? 0);
    call.row = row;
    if (isSame) {
      row.count++;
      if (row.text.length < 40) row.text += call.text;
      else row.cut = "…";
    } else {
      row.count = 1;
      row.item = make("li", { className: `by${by}` });
      row.item.classList.toggle("counted", isCounted(call));
      last[by] = row;
      rows.push(row);
      list.append(row.item);
    }
    const { item, at, rest, count, text, cut } = row;
    const what = rest.replace(/ ?".*$/, "");
    const times = count > 1 ? say(`, ${count} fois`, `, ${count} times`) : "";
    item.replaceChildren(
      make("span", { className: "who" }, `${names[by]} `),
      make("small", {}, `${Math.round(at)} ms `),
      make("code", {}, `${name} ${what}${times}`),
    );
    if (text) item.append(" ", make("q", { lang: "fr" }, text + cut));
    if (rows.length > 300) rows.shift().item.remove();
    schedule();
  }

  let frame;
  const schedule = () => frame ??= requestAnimationFrame(draw);
  function draw() {
    frame = undefined;
    const { clientWidth: width, clientHeight: height } = list;
    const lanes = heads.map(({ offsetLeft }) => offsetLeft);
    const drawn = lanes.map((x) =>
      `<path class="lane" d="M${x} 0V${height}"/>`
    );
    /** Where an arrow meets a row: at its line, or at the box of the relay's. */
    const meet = ({ by, item }, other) => {
      const side = Math.sign(lanes[other.by] - lanes[by]);
      const room = by === 2 ? item.offsetWidth / 2 : 4;
      return [lanes[by] + side * room, item.offsetTop + item.offsetHeight / 2];
    };
    for (const row of rows) {
      const { size, count, cause } = row, [line, middle] = meet(row, row);
      drawn.push(`<circle cx="${line}" cy="${middle}" r="3"/>`);
      const from = cause?.row;
      if (!from?.item.isConnected) continue;
      const [[x1, y1], [x2, y2]] = [meet(from, row), meet(row, from)];
      const d = `d="M${x1} ${y1}L${x2} ${y2}" marker-end="url(#to)"`;
      drawn.push(`<path class="${size ? "bytes" : "end"}" ${d}/>`);
      const times = count > 1 ? `${count} × ` : "";
      const unit = `${say("octet", "byte")}${size > 1 ? "s" : ""}`;
      const at = `x="${(x1 + x2) / 2}" y="${(y1 + y2) / 2}"`;
      if (size) drawn.push(`<text ${at}>${times}${size} ${unit}</text>`);
    }
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.innerHTML = drawn.join("");
  }
  new ResizeObserver(schedule).observe(list);
  return { figure, add };
}

// The panel: what is chosen before a run, and the run.

function makePanel(programs) {
  const panel = make("div", { className: "panel" });
  const isTcp = programs.length > 1 && words.page !== "05-udp";
  const options = Object.entries(NETWORKS)
    .map(([way, text]) => `<option value="${way}">${text}</option>`);
  panel.innerHTML = `<form>
    <label>${YOURS} <input name="answer" size="5" autocomplete="off"></label>
    <label>${say("Réseau", "Network")}
      <select name="network">${options.join("")}</select></label>
    <label><input type="checkbox" name="raw"> --raw</label>
    <button name="run">${say("Lancer", "Run")}</button>
    <button name="stop" type="button" disabled>${STOP}</button>
    <output name="output"></output></form><div></div>`;
  const [form, stage] = panel.children;
  const { answer, network, raw, run, stop, output } = form.elements;
  if (!isTcp) [network, raw].forEach((choice) => choice.parentElement.remove());
  place.after(panel);

  /** Runs the programs, and shows what comes until they have ended. */
  async function play() {
    const relayed = network.value !== "direct";
    const names = programs.map((program) => program.split(" ")[0]);
    if (relayed) names.push(say("relais", "relay"));
    const isCounted = (call) => COUNTED instanceof Function && COUNTED(call);
    const drawing = makeDrawing(names, isCounted);
    const pair = make("div", { className: "pair" });
    const terminals = [], begins = [];
    const start = performance.now();
    let count = 0, printed = "";
    const tell = (number) => {
      const yours = answer.value && `${YOURS} ${answer.value}. `;
      output.textContent = `${yours}${HAPPENED} ${number}.`;
    };
    const order = makeOrder(relayed, (call) => {
      if (isCounted(call)) tell(++count);
      if (call.ms && !drawing.figure.isConnected) stage.append(drawing.figure);
      drawing.add(call);
    });
    output.textContent = "";
    stage.replaceChildren(pair);
    const response = await ask(network.value + (raw.checked ? "?raw" : ""));
    for await (const event of eventsOf(response)) {
      const { by, command, text, error, means, exit } = event;
      const now = performance.now() - start;
      if (event.end) output.append(` ${ENDS[event.end] ?? event.end}`);
      begins[by] ??= now; // The first event of a program is its command.
      if (command && by < 2) {
        terminals[by] = makeTerminal(by, command);
        pair.append(terminals[by].figure);
      }
      if (exit !== undefined) {
        terminals[by]?.end(exit);
        order({ by, at: now, socket: "all", name: "exit", rest: `${exit}` });
      }
      if (!text) continue;
      // What the relay prints is what it lets pass; of the others, trace.ts writes.
      const isTraced = (by === 2) !== Boolean(error);
      const call = isTraced ? parseCall(text) : undefined;
      if (call) order({ ...call, by, at: begins[by] + call.ms });
      else terminals[by]?.print(text, error ? "error" : "", means);
      printed = (printed + text).slice(-2000);
      const number = COUNTED instanceof RegExp && printed.match(COUNTED)?.[1];
      if (number) tell(number);
      const [href] = text.match(/http:\/\/127\.0\.0\.1:\d+\/(?= )/) ?? [];
      if (href) stage.append(make("a", { href, target: "_blank" }, href));
    }
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    [run.disabled, stop.disabled] = [true, false];
    await play().catch(() => output.append(ENDS.lost));
    [run.disabled, stop.disabled] = [false, true];
  });
  stop.addEventListener("click", () => ask("stop"));
}

/** Shows the panel where the site comes from what can run its programs. */
async function begin() {
  const programs = await (await fetch("../run.json")).json();
  if (programs?.[words.page]) makePanel(programs[words.page]);
  else if (programs) place.append(` ${OFF}`);
}
if (place && location.protocol !== "file:") begin();
