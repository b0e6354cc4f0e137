/** The course's pages in a real browser, served by the course's own web server. */
import { pathToFileURL } from "node:url";
import { assert, assertEquals } from "@std/assert";
import {
  type Browser,
  type BrowserContextOptions,
  type Page,
} from "playwright-core";
import { makeFiles } from "../guide/build.ts";
import { BROWSER, browserTest, launch, violations } from "./browser.ts";
import { PATIENCE, ROOT, serve } from "./harness.ts";

const WIDE = { width: 1440, height: 900 }, NARROW = { width: 360, height: 740 };
const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

const FILES = makeFiles();
const PAGES = [...FILES.keys()].filter((path) => /^..\/.*html$/.test(path));

let browser: Browser, server: Awaited<ReturnType<typeof serve>>;
let base: string, folder: string;

if (BROWSER) {
  Deno.test.beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "guide #1 100%25 " });
    for (const parent of ["", "fr", "en", "python", "scripts"]) {
      Deno.mkdirSync(`${folder}/${parent}`, { recursive: true });
    }
    for (const [path, data] of FILES) {
      const bytes = await new Blob([data]).bytes();
      Deno.writeFileSync(`${folder}/${path}`, bytes);
    }
    server = await serve("web_server", ["--root", folder]);
    base = `http://127.0.0.1:${server.address[1]}/`;
    browser = await launch();
  });
  Deno.test.afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  });
}

/** Opens a page with a new profile; in the end, its console may not have complained. */
async function open(
  path: string,
  options: BrowserContextOptions = {},
): Promise<Page> {
  const context = await browser.newContext({ viewport: WIDE, ...options });
  context.setDefaultTimeout(PATIENCE);
  const problems: string[] = []; // What the page's policy forbids is one.
  context.on("console", (line) => problems.push(line.text()));
  context.on("weberror", (error) => problems.push(error.error().message));
  const page = await context.newPage();
  await page.goto(new URL(path, base).href);
  const close = async () => {
    await context.close();
    assertEquals(problems, []);
  };
  return Object.assign(page, { [Symbol.asyncDispose]: close });
}

const unfold = async (page: Page) => {
  await page.locator("main details").evaluateAll((all) =>
    all.forEach((details) => details.open = true)
  );
  // The page hears of new sizes with its next frame.
  await page.evaluate(
    "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))",
  );
};

for (
  const path of [
    "en/00-index.html",
    "fr/01-typescript.html",
    "en/06-simple.html",
    "en/12-clients.html",
    "fr/14-errors.html",
  ]
) {
  browserTest(`axe finds nothing in ${path}, in either theme`, async () => {
    await using page = await open(path);
    await unfold(page);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assertEquals(await violations(page), [], colorScheme);
    }
    await page.setViewportSize(NARROW);
    await page.locator("header summary").click();
    assertEquals(await violations(page), [], "narrow");
  });
}

browserTest("no section exceeds six screens, or a phone's width", async () => {
  await using page = await open(PAGES[0]);
  for (const path of PAGES) {
    await page.setViewportSize(WIDE);
    await page.goto(base + path);
    const root = page.locator("html");
    const height = await root.evaluate((it) => it.scrollHeight);
    const screens = height / WIDE.height;
    assert(screens <= 6 || path.includes("all"), `${path}: ${screens}`);
    await page.setViewportSize(NARROW);
    await unfold(page);
    const width = await root.evaluate((it) => it.scrollWidth);
    assertEquals(width, NARROW.width, path);
    const heads = page.locator("thead").filter({ visible: true });
    assertEquals(await heads.count(), 0, "tables are cards");
    // What is hidden in a region that scrolls is in reach of the keyboard.
    const stuck = await page.locator("main *:not(svg, svg *)").evaluateAll(
      (all) =>
        all.filter((it) =>
          it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0 &&
          it.computedStyleMap().get("overflow-x").value === "auto" &&
          it.tabIndex < 0
        ).map((it) => it.outerHTML.slice(0, 200)),
    );
    assertEquals(stuck, [], path);
  }
});

browserTest("notes stand beside their lines, or below", async () => {
  await using page = await open("en/06-simple.html");
  const note = page.locator(".note").first();
  const wide = (await note.boundingBox())!;
  const code = (await page.locator("pre.code").first().boundingBox())!;
  assert(wide.x > code.x + 600, `${wide.x}, beside ${code.x}`);
  await page.setViewportSize(NARROW);
  const narrow = (await note.boundingBox())!;
  assert(narrow.x < 100, `${narrow.x}`);
});

browserTest("a phone's contents open where the reader is", async () => {
  await using page = await open("en/14-errors.html", { viewport: NARROW });
  const current = page.locator("nav a[aria-current=page]");
  assertEquals(await current.isVisible(), false);
  await page.locator("header summary").click();
  const list = (await page.locator("nav details > ol").boundingBox())!;
  const link = (await current.boundingBox())!;
  assert(link.y > list.y && link.y < list.y + list.height, `${link.y}`);
  await page.locator("nav li li a").nth(1).click();
  assertEquals(await current.isVisible(), false);
});

browserTest("contents, links and the first page follow reading", async () => {
  await using page = await open("fr/00-index.html");
  assertEquals(await page.locator(".resume").count(), 0);
  await page.goto(base + "fr/05-udp.html");
  const heading = page.locator("h2").nth(1);
  await heading.evaluate((it) => it.scrollIntoView());
  const id = await heading.getAttribute("id");
  await page.locator(`nav a[aria-current=true][href="#${id}"]`).waitFor();
  await page.goto(base + "fr/00-index.html");
  await page.locator(".resume a").click();
  await page.waitForURL(`**/fr/05-udp.html#${encodeURI(id!)}`);
  await page.locator("header .language").click();
  await page.waitForURL("**/en/05-udp.html#*");
  const there = await page.locator("h2").nth(1).getAttribute("id");
  assertEquals(new URL(page.url()).hash, `#${there}`);
});

browserTest("listings are copied without their notes", async () => {
  await using page = await open("en/06-simple.html", CLIPBOARD);
  // What a button says for two seconds, it says until a busy machine has looked.
  await page.evaluate("window.setTimeout = () => {}");
  const copied = () => page.evaluate("navigator.clipboard.readText()");
  const copy = async (place: string) => {
    const button = page.locator(place).locator(".copy").first();
    await button.click();
    await button.and(page.getByText("Copied")).waitFor();
    return `${await copied()}`;
  };
  const source = Deno.readTextFileSync(`${ROOT}scripts/server_simple.ts`);
  const shown = await copy("figure.script >> nth=0");
  assert(source.includes(shown.slice(0, shown.indexOf("\n}\n"))), shown);
  assert(!shown.includes("kernel has established"), "no note");
  await page.locator("details.file summary").first().click();
  const whole = await copy("details.file figure >> nth=0");
  assertEquals(whole, source.trimEnd());

  // Plain HTTP from another machine has no such object.
  await page.evaluate(
    "Object.defineProperty(navigator, 'clipboard', { value: undefined })",
  );
  await page.locator(".command .copy").last().click();
  await page.getByText("Copied").last().waitFor();
  await page.reload();
  const last = "deno run --allow-net scripts/client_simple.ts";
  assertEquals(await copied(), last);
});

browserTest("the search finds words, without a server too", async () => {
  for (const site of [base, `${pathToFileURL(folder)}/`]) {
    await using page = await open(site + "en/06-simple.html");
    const field = page.getByRole("searchbox");
    await field.fill("CONNECTIONRESET péer");
    const title = page.locator(".results b").first();
    assert((await title.boundingBox())!.width > 150, "a line of words");
    await page.locator(".results a", { hasText: "ConnectionReset:" }).click();
    await page.waitForURL("**/14-errors.html#connectionreset*");
    await field.fill("nonesuchword");
    await page.getByText("Nothing found").waitFor();
  }
});

browserTest("no line moves when the fonts come late", async () => {
  await using page = await open("en/00-index.html");
  await page.route("**/*.woff2", async (route) => {
    await new Promise((done) => setTimeout(done, 500));
    await route.continue();
  });
  await page.reload({ waitUntil: "networkidle" });
  const shift = await page.evaluate(`new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => {
      for (const { value } of list.getEntries()) sum += value;
    }).observe({ type: "layout-shift", buffered: true });
    requestAnimationFrame(() => setTimeout(() => done(sum), 200));
  })`) as number;
  assert(shift < 0.01, `${shift}`);
});

browserTest("a page without JavaScript has its whole text", async () => {
  const options = { javaScriptEnabled: false };
  await using page = await open("en/06-simple.html", options);
  const dead = page.locator("button, input[type=search]");
  assertEquals(await dead.count(), 0);
  assert(await page.locator("nav li li a").first().isVisible());
  await page.locator("details.file summary").first().click();
  const figures = page.locator("details.file figure");
  assertEquals(await figures.nth(1).isVisible(), false);
  await page.getByLabel("Python").first().check();
  assert(await figures.nth(1).isVisible());
  await page.locator("[rel=next]").click();
  await page.waitForURL("**/en/07-class.html");
  await page.locator("nav .all").click();
  await page.waitForURL("**/en/all.html");
  const sections = page.locator("main > section");
  assertEquals(await sections.count(), PAGES.length / 2 - 1);
});

browserTest("a page prints its text alone, black on white", async () => {
  await using page = await open("fr/06-simple.html", { colorScheme: "dark" });
  await page.emulateMedia({ media: "print" });
  for (const part of ["header", ".copy", ".turn", ".file"]) {
    assert(!await page.locator(part).first().isVisible(), part);
  }
  for (const part of ["pre code", "table", "svg", "details:not(.file) li"]) {
    assert(await page.locator(`main ${part}`).first().isVisible(), part);
  }
  const ink = await page.locator("main p").first().evaluate((it) =>
    `${it.computedStyleMap().get("color")}`
  );
  assertEquals(ink, "rgb(0, 0, 0)");
});

browserTest("the first page leads to the reader's language", async () => {
  for (const [locale, lang] of [["fr-CA", "fr"], ["de", "en"]]) {
    await using page = await open("", { locale });
    await page.waitForURL(`${base}${lang}/00-index.html`);
  }
  await using page = await open("", { javaScriptEnabled: false });
  await page.locator(`a[hreflang="fr"]`).click();
  assertEquals(await page.locator("html").getAttribute("lang"), "fr");
});
