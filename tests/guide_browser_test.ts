/** The course's pages in a real browser, served by the course's own web server. */
import { assert, assertEquals } from "@std/assert";
import axe, { type AxeResults } from "axe-core";
import {
  type Browser,
  type BrowserContextOptions,
  chromium,
  type Page,
} from "playwright-core";
import { build } from "../guide/build.ts";
import { has, PATIENCE, ROOT, serve } from "./harness.ts";

const BROWSER = ["chromium", "chromium-browser", "google-chrome"].find(has);
const LANGUAGES = ["fr", "en"] as const;
const OTHER = { fr: "en", en: "fr" } as const;
const WIDE = { width: 1440, height: 900 }, NARROW = { width: 360, height: 740 };
const CLIPBOARD = { permissions: ["clipboard-read", "clipboard-write"] };

let browser: Browser, server: Awaited<ReturnType<typeof serve>>;
let base: string, folder: string;

if (BROWSER) {
  Deno.test.beforeAll(async () => {
    folder = await Deno.makeTempDir({ prefix: "guide-" });
    await build({ out: folder + "/site" });
    server = await serve("web_server", ["--root", folder + "/site"]);
    base = `http://127.0.0.1:${server.address[1]}/`;
    const args = ["-c", `command -v ${BROWSER}`];
    const { stdout } = await new Deno.Command("sh", { args }).output();
    browser = await chromium.launch({
      executablePath: new TextDecoder().decode(stdout).trim(),
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
  });
  Deno.test.afterAll(async () => {
    await browser?.close();
    await server?.[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  });
}

function browserTest(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: BROWSER ? name : `${name} (ignored: no chromium on this machine)`,
    ignore: !BROWSER,
    // All tests share the browser: its pipes and timers outlive each of them.
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}

/** Reads a page with a new profile; neither the console nor the net may complain. */
async function visit(
  path: string,
  options: BrowserContextOptions,
  read: (page: Page) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({
    viewport: WIDE,
    reducedMotion: "reduce", // Else the page takes its time to scroll.
    ...options,
  });
  const problems: string[] = [];
  try {
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("console", (line) => problems.push(`console: ${line.text()}`));
    page.on("pageerror", (error) => problems.push(`error: ${error.message}`));
    page.on("request", (request) => {
      if (request.url().startsWith(base)) return;
      problems.push(`elsewhere: ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.status() < 400) return;
      problems.push(`${response.status()}: ${response.url()}`);
    });
    page.on("requestfailed", (request) => {
      const { errorText } = request.failure()!;
      if (errorText === "net::ERR_ABORTED") return; // The test has left the page.
      problems.push(`${errorText}: ${request.url()}`);
    });
    await page.goto(base + path);
    await read(page);
  } finally {
    await context.close();
  }
  assertEquals(problems, []);
}

const ids = (page: Page, selector: string) =>
  page.locator(selector).evaluateAll((all) => all.map(({ id }) => id));

/** Scrolls to a heading. */
const scroll = (page: Page, id: string) =>
  page.locator(`[id="${id}"]`).evaluate((heading) => heading.scrollIntoView());

const CURRENT = "nav a[aria-current]";

/** Waits until the contents show this heading as the one that is read. */
const reads = (page: Page, id: string) =>
  page.locator(`${CURRENT}[href="#${id}"]`).waitFor({ state: "attached" });

/** Where the address points to in the page. */
const hash = (page: Page) => decodeURIComponent(new URL(page.url()).hash);

const copied = async (page: Page) =>
  await page.evaluate("navigator.clipboard.readText()") as string;

const unfold = (page: Page) =>
  page.locator("main details").evaluateAll((all) =>
    all.forEach((details) => details.open = true)
  );

/** What axe finds, a line for each of its rules; all of them, unless told. */
async function violations(page: Page, rules = {}): Promise<string[]> {
  await page.evaluate(axe.source);
  const options = JSON.stringify({ resultTypes: ["violations"], rules });
  const found = await page.evaluate(`axe.run(${options})`) as AxeResults;
  return found.violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.slice(0, 5).map(({ html }) => html)}`
  );
}

for (const lang of LANGUAGES) {
  const path = `${lang}.html`;

  browserTest(
    `${path} is read from its top to its end, and is small`,
    () =>
      visit(path, {}, async (page) => {
        for (const id of await ids(page, "h2")) await scroll(page, id);
        await page.waitForLoadState("networkidle");
        const bytes = await page.evaluate(
          "performance.getEntries().reduce((n, e) => n + (e.decodedBodySize ?? 0), 0)",
        ) as number;
        assert(bytes > 200_000 && bytes <= 400_000, `${bytes} bytes`);
      }),
  );

  browserTest(
    `the contents of ${path} follow the reading, down and up`,
    () =>
      visit(path, {}, async (page) => {
        const all = await ids(page, "main :is(h2, h3)");
        const some = all.filter((id, i) => i % 7 === 0 || id === all.at(-1));
        for (const id of [...some, ...some.reverse()]) {
          await scroll(page, id);
          await reads(page, id);
          const seen = await page.locator(CURRENT).evaluate((link) => {
            const { top, bottom } = link.getBoundingClientRect();
            const { innerHeight } = link.ownerDocument.defaultView;
            return top >= 0 && bottom <= innerHeight;
          });
          assert(seen, `${id} is in sight in the contents`);
        }
        await page.locator("html").evaluate((html) => html.scrollTo(0, 0));
        await page.locator(CURRENT).waitFor({ state: "detached" });
      }),
  );

  browserTest(
    `the contents of ${path} lead to what they name`,
    () =>
      visit(path, {}, async (page) => {
        const sections = page.locator("nav > details > ol > li");
        for (const i of [4, 1]) {
          await sections.nth(i).locator("a").first().click();
          const inner = sections.nth(i).locator("li a").nth(1);
          await inner.click();
          const href = (await inner.getAttribute("href"))!;
          await reads(page, href.slice(1));
          assertEquals(hash(page), href);
        }
      }),
  );

  browserTest(
    `the commands of ${path} are copied without their prompt`,
    () =>
      visit(path, CLIPBOARD, async (page) => {
        const markdown = Deno.readTextFileSync(`${ROOT}guide/${lang}.md`);
        const expected = [...markdown.matchAll(/^```console\n(.*?)^```/gms)]
          .flatMap(([, text]) => [...text.matchAll(/^\$ ((?:.*\\\n)*.*)$/gm)])
          .map(([, command]) => command);
        const buttons = page.locator(".terminal:not(.script *) .copy");
        assertEquals(await buttons.count(), expected.length);
        for (const [i, command] of expected.entries()) {
          await buttons.nth(i).click();
          await buttons.nth(i).and(page.locator(".done")).waitFor();
          assertEquals(await copied(page), command);
        }
        assert(
          await page.locator("[role=status]").textContent(),
          "it is announced",
        );
      }),
  );

  browserTest(
    `the switch of ${path} leads to the same place in the other language`,
    () =>
      visit(path, {}, async (page) => {
        const here = await ids(page, "main :is(h1, h2, h3)");
        const i = here.length >> 1;
        await scroll(page, here[i]);
        await reads(page, here[i]);
        await page.locator("header .language").click();
        await page.waitForURL((url) => url.pathname === `/${OTHER[lang]}.html`);
        const there = await ids(page, "main :is(h1, h2, h3)");
        assertEquals(there.length, here.length);
        await reads(page, there[i]);
        const html = page.locator("html");
        assertEquals(await html.getAttribute("lang"), OTHER[lang]);
      }),
  );

  browserTest(
    `the arrow keys turn the sections of ${path}`,
    () =>
      visit(path, {}, async (page) => {
        const sections = await ids(page, "h2");
        for (
          const [key, i] of [["Right", 0], ["Right", 1], ["Right", 2], [
            "Left",
            1,
          ]]
        ) {
          await page.keyboard.press(`Arrow${key}`);
          await reads(page, sections[Number(i)]);
        }
        // Also where a link or a button has been used last.
        await page.locator(".copy").first().focus();
        await page.keyboard.press("ArrowLeft");
        await reads(page, sections[0]);
        for (const [key, i] of [["Right", -1], ["Left", -2]] as const) {
          await scroll(page, sections.at(-1)!);
          await reads(page, sections.at(-1)!);
          await page.keyboard.press(`Arrow${key}`);
          await reads(page, sections.at(i)!);
        }
        // They are not the page's with another key, and where they scroll a region.
        const before = page.url();
        await page.keyboard.press("Control+ArrowRight");
        await page.setViewportSize(NARROW);
        await page.locator("pre[tabindex]").first().focus();
        await page.keyboard.press("ArrowRight");
        assertEquals(page.url(), before);
      }),
  );

  browserTest(
    `axe finds nothing in ${path}, light or dark, wide or narrow`,
    () =>
      visit(path, {}, async (page) => {
        await unfold(page);
        for (const colorScheme of ["light", "dark"] as const) {
          for (const viewport of [WIDE, NARROW]) {
            await page.emulateMedia({ colorScheme });
            await page.setViewportSize(viewport);
            await page.locator("main .command [popovertarget]").first().click();
            // Colours are the same at any width, and comparing them takes longest.
            const rules = { "color-contrast": { enabled: viewport === WIDE } };
            const how = `${colorScheme}, ${viewport.width} pixels wide`;
            assertEquals(await violations(page, rules), [], how);
            await page.keyboard.press("Escape");
          }
        }
      }),
  );

  browserTest(
    `nothing of ${path} sticks out of a window 360 pixels wide`,
    () =>
      visit(path, { viewport: NARROW }, async (page) => {
        await unfold(page);
        const outside = await page.locator("body *").evaluateAll((all) => {
          const scrolls = ({ parentElement: it }: typeof all[0]): boolean =>
            it &&
            (it.computedStyleMap().get("overflow-x").value !== "visible" ||
              scrolls(it));
          return all.filter((it) => {
            const { left, right } = it.getBoundingClientRect();
            return (right > 360.5 || left < -0.5) && !scrolls(it);
          }).map((it) => it.outerHTML.slice(0, 200));
        });
        assertEquals(outside, []);
        const width = await page.locator("html").evaluate((it) =>
          it.scrollWidth
        );
        assertEquals(width, NARROW.width);
        // What is hidden in a region that scrolls is in reach of the keyboard.
        const content = page.locator("main *:not(svg, svg *)");
        const stuck = await content.evaluateAll((all) =>
          all.filter((it) =>
            it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0 &&
            it.computedStyleMap().get("overflow-x").value !== "visible" &&
            it.tabIndex < 0
          ).map((it) => it.outerHTML.slice(0, 200))
        );
        assertEquals(stuck, []);
      }),
  );

  browserTest(
    `${path} prints its text in black on white, and nothing else`,
    () =>
      visit(path, { colorScheme: "dark" }, async (page) => {
        await page.emulateMedia({ media: "print" });
        for (
          const part of [
            "header",
            "nav",
            ".copy",
            ".turn",
            "footer",
            "[download]",
          ]
        ) {
          assert(!await page.locator(part).first().isVisible(), part);
        }
        for (
          const part of ["pre code", "table", "svg", "details > :last-child"]
        ) {
          assert(await page.locator(`main ${part}`).first().isVisible(), part);
        }
        const style = await page.locator("body").evaluate((body) =>
          ["background-color", "color"].map((name) =>
            `${body.computedStyleMap().get(name)}`
          )
        );
        assertEquals(style, ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]);
        const heights = await page.locator("main details").evaluateAll((all) =>
          all.map((details) => details.getBoundingClientRect().height)
        );
        assert(Math.min(...heights) > 60, `all details are open: ${heights}`);
        assert((await page.pdf()).length > 100_000);
      }),
  );

  browserTest(
    `${path} without JavaScript has its whole text, and no dead button`,
    () =>
      visit(path, { javaScriptEnabled: false }, async (page) => {
        const text = await page.locator("main").textContent();
        await visit(path, {}, async (whole) => {
          assertEquals(text, await whole.locator("main").textContent());
        });
        const dead = page.locator("button:not([popovertarget])");
        assertEquals(await dead.count(), 0);
        assertEquals(await page.locator(".keys").isVisible(), false);
        assert(await page.locator("nav ol ol a").first().isVisible());

        const flag = page.locator(".command [popovertarget]").first();
        await flag.click();
        const panel = page.locator(
          `#${await flag.getAttribute("popovertarget")}`,
        );
        assert(await panel.isVisible());
        await panel.locator("button").click();
        assertEquals(await panel.isVisible(), false);

        const [, two, three] = await ids(page, "h2");
        const turn = (id: string) =>
          page.locator(`section:has([id="${id}"]) .turn`);
        await page.locator("nav > details > ol > li > a").nth(1).click();
        assertEquals(hash(page), `#${two}`);
        await turn(two).locator("[rel=next]").click();
        assertEquals(hash(page), `#${three}`);
        await turn(three).locator(".other").click();
        await page.waitForURL((url) => url.pathname === `/${OTHER[lang]}.html`);
        assertEquals(hash(page), `#${(await ids(page, "h2"))[2]}`);
      }),
  );
}

browserTest(
  "each script is copied, and downloaded, as its file is",
  () =>
    visit("fr.html", CLIPBOARD, async (page) => {
      const figures = page.locator("figure.script");
      const names = await ids(page, "figure.script");
      assert(names.length > 10, `${names}`);
      for (const [i, name] of names.entries()) {
        const source = Deno.readTextFileSync(`${ROOT}scripts/${name}`);
        const button = figures.nth(i).locator("> figcaption .copy");
        await button.click();
        await button.and(page.locator(".done")).waitFor();
        assertEquals(await copied(page), source);
        const response = await page.request.get(`${base}scripts/${name}`);
        assertEquals(await response.text(), source);
      }
      const waiting = page.waitForEvent("download");
      await page.locator("[download]").first().click();
      const download = await waiting;
      assertEquals(download.suggestedFilename(), names[0]);
      await download.delete();
    }),
);

browserTest(
  "the pages are dark where the system wishes it",
  () =>
    visit("fr.html", { colorScheme: "light" }, async (page) => {
      const colours = () =>
        Promise.all([
          ["body", "background-color"],
          ["body", "color"],
          ["main a", "color"],
          ["c-[k]", "color"],
          ["pre.code", "background-color"],
          ["svg text", "fill"],
        ].map(([what, name]) =>
          page.locator(what).first().evaluate(
            (it, name) => `${it.computedStyleMap().get(name)}`,
            name,
          )
        ));
      const light = await colours();
      await page.emulateMedia({ colorScheme: "dark" });
      const dark = await colours();
      for (const [i, colour] of light.entries()) {
        assert(colour !== dark[i], colour);
      }
    }),
);

browserTest(
  "a flag's explanation is in sight when it is asked for, until Escape",
  async () => {
    for (const viewport of [WIDE, NARROW]) {
      await visit("en.html", { viewport }, async (page) => {
        await page.locator(".pair .command [popovertarget]").first().click();
        const panel = page.locator("[popover]:popover-open");
        const { x, y, width, height } = (await panel.boundingBox())!;
        const box = JSON.stringify({ x, y, width, height });
        assert(x >= 0 && x + width <= viewport.width, box);
        assert(y >= 0 && y + height <= viewport.height, box);
        await page.keyboard.press("Escape");
        assertEquals(await panel.count(), 0);
      });
    }
  },
);

browserTest(
  "the contents of a narrow window open, and close behind a link",
  () =>
    visit("en.html", { viewport: NARROW }, async (page) => {
      const link = page.locator("nav li a").nth(1);
      assertEquals(await link.isVisible(), false);
      await page.locator("nav summary").click();
      assert(await link.isVisible());
      await link.click();
      assertEquals(await link.isVisible(), false);
    }),
);

browserTest("the first page leads to the reader's language", async () => {
  for (
    const [locale, lang] of [["fr-CA", "fr"], ["en-GB", "en"], ["de", "en"]]
  ) {
    await visit(
      "",
      { locale },
      (page) => page.waitForURL(`${base}${lang}.html`),
    );
  }
});

browserTest(
  "the first page lets choose without JavaScript",
  () =>
    visit("", { javaScriptEnabled: false }, async (page) => {
      for (const lang of LANGUAGES) {
        await page.goto(base);
        await page.locator(`a[href="${lang}.html"]`).click();
        assertEquals(await page.locator("html").getAttribute("lang"), lang);
      }
    }),
);

browserTest(
  "axe finds nothing in the first page",
  () =>
    visit("en.html", {}, async (page) => {
      await page.route("**/choose.js", (route) => route.fulfill({ body: "" }));
      await page.goto(base);
      assertEquals(await violations(page), []);
    }),
);
