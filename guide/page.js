// What the pages do beyond being read: each part stands alone, and none is needed.

const { body, documentElement: root } = document;
const words = body.dataset;

/** All elements that match. */
const all = (selector) => [...document.querySelectorAll(selector)];

/** Makes an element, with properties, and what is in it. */
function make(tag, properties, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

// Copying: a button for each listing and each command.

/** Puts a text on the clipboard, which plain HTTP lets only an old command do. */
async function copy(text) {
  if (navigator.clipboard) return await navigator.clipboard.writeText(text);
  const field = make("textarea", { value: text });
  body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (!done) throw new Error("not copied");
}

for (const source of all(".command, pre.code > code")) {
  const shown = source.cloneNode(true);
  for (const note of shown.querySelectorAll(".note")) note.remove();
  const text = shown.textContent;
  const caption = source.closest("figure.script")?.querySelector("figcaption");
  const isCommand = source.className === "command";
  const button = make("button", { className: "copy" }, words.copy);
  button.ariaLive = "polite";
  button.addEventListener("click", async () => {
    const said = await copy(text).then(() => "copied", () => "failed");
    button.focus();
    button.textContent = words[said];
    setTimeout(() => button.textContent = words.copy, 2000);
  });
  (isCommand ? source : caption ?? source.parentElement).append(button);
}

// A region is a stop for the keyboard only where it does scroll.

const regions = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const region of all("[role=group]")) regions.observe(region);

// The contents follow the reading, and with them the other language's link and the
// place to go on from.

const details = document.querySelector(".contents details");
const list = details.querySelector("ol");
const language = document.querySelector(".language");
const links = all(".contents a[href^='#']");
const headings = links.map(({ hash }) =>
  document.getElementById(decodeURIComponent(hash.slice(1)))
);
let current;

/** Brings the current section into sight in the contents. */
function reveal() {
  const item = list.querySelector("[aria-current=true]") ??
    list.querySelector("[aria-current]");
  const box = list.scrollHeight > list.clientHeight ? list : list.parentElement;
  if (item) box.scrollTop = item.offsetTop - box.clientHeight / 3;
}

function follow() {
  const line = innerHeight / 4;
  const now = links[
    headings.findLastIndex((it) => it.getBoundingClientRect().top < line)
  ];
  if (now === current) return;
  current?.removeAttribute("aria-current");
  now?.setAttribute("aria-current", "true");
  current = now;
  language.hash = now?.dataset.other ?? "";
  reveal();
}
addEventListener("scroll", follow, { passive: true });
details.addEventListener("toggle", reveal);
follow();
reveal();

const KEY = `course-${root.lang}`;
/** What is kept in the browser, if it keeps anything. */
function keep(place) {
  try {
    if (place) localStorage.setItem(KEY, JSON.stringify(place));
    return JSON.parse(localStorage.getItem(KEY));
  } catch { /* It may not, or something else was there. */ }
}
if (words.page === "00-index") {
  const place = keep();
  if (place) {
    const link = make("a", { href: place.path }, words.resume + place.title);
    const lead = document.querySelector("main > p");
    lead.after(make("p", { className: "resume" }, link));
  }
} else {
  addEventListener("pagehide", () => {
    const title = document.querySelector("h1").textContent;
    const part = current?.textContent;
    const path = `${words.page}.html${current?.hash ?? ""}`;
    keep({ path, title: part ? `${title}, ${part}` : title });
  });
}

// On a narrow screen the contents are closed until asked for.

const wide = matchMedia("(min-width: 68rem)");
const fold = () => details.open = wide.matches;
wide.addEventListener("change", fold);
fold();
list.addEventListener("click", ({ target }) => {
  if (target.closest("a")) fold();
});

// The search, whose index is loaded when it is first used.

const field = make("input", { type: "search", placeholder: words.search });
field.ariaLabel = words.search;
const results = make("ol", { className: "results" });
details.before(make("search", {}, field, results));

/** Letters without their accents, in lower case. */
const bare = (text) =>
  text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
let loading;
/** Loads the index: as a script, which a page from a disk may load as well. */
const load = () =>
  loading ??= new Promise((resolve, reject) => {
    body.append(
      make("script", { src: "search.js", onload: resolve, onerror: reject }),
    );
  });

field.addEventListener("input", async () => {
  await load();
  const wanted = bare(field.value).split(/\s+/).filter((word) => word);
  // deno-lint-ignore no-undef -- search.js defines it.
  const found = searchIndex.flatMap(([href, page, part, text]) => {
    const title = bare(`${page} ${part}`), inside = bare(text);
    const has = wanted.every((word) => (title + inside).includes(word));
    if (!has || !wanted.length) return [];
    const score = wanted.filter((word) => title.includes(word)).length;
    const at = text.lastIndexOf(" ", inside.indexOf(wanted[0]) - 30) + 1;
    return [{ href, page, part, score, text: text.slice(at, at + 120) }];
  }).sort((a, b) => b.score - a.score).slice(0, 12);
  const items = found.map(({ href, page, part, text }) =>
    make(
      "li",
      {},
      make(
        "a",
        { href },
        make("b", {}, part ? `${page}, ${part}` : page),
        text,
      ),
    )
  );
  if (!items.length && wanted.length) items.push(make("li", {}, words.none));
  results.replaceChildren(...items);
});
