// What the pages do beyond being read: each part stands alone, and none is needed.

const { body, documentElement: root } = document;
root.classList.add("script-on");

/** All elements that match. */
const all = (selector) => [...document.querySelectorAll(selector)];

// Copying: a button for each listing and each command.

const status = body.appendChild(document.createElement("p"));
status.setAttribute("role", "status");

/** Adds a button to `place` that copies what `source` says now, under a name. */
function addCopy(source, place, name) {
  const text = source.textContent;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.title = body.dataset.copy + name;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.classList.add("done");
      status.textContent = body.dataset.copied;
    } catch {
      status.textContent = body.dataset.failed;
    }
    setTimeout(() => {
      button.classList.remove("done");
      status.textContent = "";
    }, 2000);
  });
  place.append(button);
}

for (const command of all(".command")) {
  addCopy(command, command, command.textContent);
}
for (const listing of all(".code")) {
  const caption = listing.parentElement.querySelector(":scope > figcaption");
  addCopy(listing.querySelector("code"), caption ?? listing, listing.ariaLabel);
}

// A region is a stop for the keyboard only where it does scroll.

const regions = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const region of all("[role=group]")) regions.observe(region);

// The contents follow the reading, and the other language's link with them.

const nav = document.querySelector("nav");
const links = all("nav li a");
const headings = links.map(({ hash }) =>
  document.getElementById(decodeURIComponent(hash.slice(1)))
);
const language = document.querySelector(".language");
const passed = new Set();
/** The number of the heading under which the reader is, or -1 above them all. */
let current = -1;

/** Takes what headings have passed the line, or come back. */
function follow(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) passed.add(target);
    else passed.delete(target);
  }
  current = headings.findLastIndex((heading) => passed.has(heading));
  for (const [i, link] of links.entries()) {
    if (i === current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const link = links[current];
  language.hash = link?.dataset.other ?? "";
  // Not scrollIntoView, which would stop the page where it is going.
  const [box, item] = [nav, link ?? nav].map((it) =>
    it.getBoundingClientRect()
  );
  if (item.top < box.top) nav.scrollTop += item.top - box.top - 40;
  if (item.bottom > box.bottom) nav.scrollTop += item.bottom - box.bottom + 40;
}

let observer;
/** What is above a line near the top of the window has been read, or is now. */
function observe() {
  observer?.disconnect();
  passed.clear();
  const rootMargin = `1000000px 0px ${100 - innerHeight}px`;
  observer = new IntersectionObserver(follow, { rootMargin });
  for (const heading of headings) observer.observe(heading);
}
addEventListener("resize", observe);
observe();

// The arrow keys lead to the section before and after. They are no characters, so
// no screen reader's or browser's letter is taken; where they scroll a region or
// move a cursor, they still do.

addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!step || event.target.closest("[tabindex], input, textarea")) return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const sections = all("main > section > :is(h1, h2)");
  const here = headings[current]?.closest("section") ??
    sections[0].parentElement;
  const at = sections.findIndex(({ parentElement }) => parentElement === here);
  const next = sections[at + step];
  if (!next) return;
  event.preventDefault();
  location.hash = next.id;
});

// On a narrow screen the contents are closed until asked for. Where a browser does
// not know how to show a closed list (page.css), it is open on a wide one.

const details = nav.querySelector("details");
const wide = matchMedia("(min-width: 68rem)");
const fold = () => details.open = wide.matches;
wide.addEventListener("change", fold);
fold();
for (const link of links) {
  link.addEventListener("click", () => wide.matches || (details.open = false));
}
