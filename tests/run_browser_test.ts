/** The pages run their programs: in a real browser, served by `deno task web`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Browser, Page } from "playwright-core";
import { BROWSER, browserTest, launch, violations } from "./browser.ts";
import { copyCheckout, startWeb } from "./checkout.ts";
import { listens, PATIENCE } from "./harness.ts";

let browser: Browser, site: string;
let web: Awaited<ReturnType<typeof startWeb>>;
let copy: Awaited<ReturnType<typeof copyCheckout>>;

if (BROWSER) {
  Deno.test.beforeAll(async () => {
    copy = await copyCheckout();
    web = await startWeb(copy.path);
    site = web.address.replace(/#.*/, "");
    browser = await launch();
  });
  Deno.test.afterAll(async () => {
    await browser?.close();
    await web?.[Symbol.asyncDispose]();
    await copy?.[Symbol.asyncDispose]();
  });
}

/** Opens a page as one does: by the address that the task has printed. */
async function open(page: Page, path: string): Promise<void> {
  await page.goto(web.address);
  await page.waitForURL("**/00-index.html");
  await page.goto(site + path);
}

/** A test that reads a page with a new profile; its console may not complain. */
function pageTest(
  name: string,
  path: string,
  read: (page: Page) => Promise<void>,
): void {
  browserTest(name, async () => {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const problems: string[] = [];
    const page = await context.newPage();
    page.on("console", (line) => problems.push(line.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    await open(page, path).then(() => read(page))
      .finally(() => context.close());
    assertEquals(problems, []);
  });
}

const run = (page: Page) => page.locator(".panel [name=run]:enabled").click();
const stop = (page: Page) => page.locator(".panel [name=stop]").click();
const shows = (page: Page, text: string | RegExp) =>
  page.locator(".panel").getByText(text).first().waitFor();

async function type(page: Page, by: number, line: string): Promise<void> {
  const input = page.locator(".terminal input").nth(by);
  await input.fill(line);
  await input.press("Enter");
}

/** What has to be done for a question to have an answer. */
const acts: Record<string, (page: Page) => Promise<void>> = {
  "en/08-web.html": async (page) => {
    const opened = page.waitForEvent("popup");
    await page.locator(".panel a").click();
    const other = await opened;
    await other.goto(`${other.url()}absent.html`);
  },
  "fr/09-chat.html": async (page) => {
    await shows(page, /Vous êtes connecté/);
    await type(page, 1, "Bonjour !");
    await shows(page, "Client >> Bonjour !");
    await type(page, 0, "Cinq sur cinq.");
    await shows(page, "Serveur >> Cinq sur cinq.");
    await type(page, 1, "FIN");
  },
};

for (
  const [path, answer] of [
    ["fr/03-async.html", /\d{3,}\./],
    ["en/05-udp.html", /2\./],
    ["fr/06-simple.html", /2\./],
    ["en/07-class.html", /2\./],
    ["en/08-web.html", /404\./],
    ["fr/09-chat.html", /3\./],
    ["en/10-threads.html", /\d(,\d+)?\./],
    ["en/11-multithread.html", /3\./],
  ] as const
) {
  pageTest(`${path} runs, and answers its question`, path, async (page) => {
    await page.locator("input[name=answer]").fill("7");
    await page.setViewportSize({ width: 1440, height: 900 });
    const height = Number(await page.evaluate("document.body.scrollHeight"));
    assert(height <= 6 * 900, `${height / 900} screens`);
    await run(page);
    await acts[path]?.(page);
    const yours = "(Your answer|Votre réponse\\s): 7\\. .*: ";
    await shows(page, RegExp(yours + answer.source));
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assertEquals(await violations(page, ".panel"), [], colorScheme);
    }
    await page.setViewportSize({ width: 360, height: 740 });
    const width = await page.evaluate("document.documentElement.scrollWidth");
    assertEquals(width, 360);
  });
}

for (
  const [network, section, happens] of [
    ["late", "06-simple", /→ 27 .*read → 27 /s],
    ["slice", "06-simple", /→ 1, 27 times.*read → /s],
    ["glue", "09-chat", /→ 8 .*read → 8 un\\ndeux\\n/s],
    ["cut", "06-simple", /→ 10 .*→ reset.*read → ConnectionReset/s],
  ] as const
) {
  const path = `en/${section}.html`;
  pageTest(`the network "${network}" does as it says`, path, async (page) => {
    await page.locator("select").selectOption(network);
    await run(page);
    if (section === "09-chat") {
      await shows(page, "CONNEXION ÉTABLIE");
      // Together, as a busy machine may take longer than the glue lasts.
      await page.evaluate('ask(1, "un\\ndeux").then(() => {})');
    }
    await page.locator(".calls ol").filter({ hasText: happens }).waitFor();
    // Each arrow leads down, or at least not up.
    const arrows = await page.locator(".calls g path:not(.lane)")
      .evaluateAll((all) => all.map((it) => it.getAttribute("d")));
    for (const arrow of arrows) {
      const [, , from, , to] = arrow!.split(/[ ML]/).map(Number);
      assert(from <= to, arrow!);
    }
  });
}

const SIMPLE = "en/06-simple.html";

pageTest("no effect is drawn before its cause", SIMPLE, async (page) => {
  const evil = "<img src=x onerror=alert(1)>";
  const call = (by: number, line: string) => {
    return { by, error: true, text: `     1.0 ms  #1    ${line}\n` };
  };
  const events = [
    { by: 0, command: "deno run scripts/server_simple.ts" },
    { by: 1, command: "deno run scripts/client_simple.ts" },
    call(0, 'read → 2 "ab"'),
    call(0, 'write 9 → 9 "answer it"'),
    call(1, 'write 1 → 1 "a"'),
    call(1, 'write 1 → 1 "b"'),
    call(1, 'read → 99 "nobody wrote this"'),
    call(1, `write 5 → 5 "${evil}"`),
    { by: 0, text: `${evil}\n` },
    { end: evil },
  ];
  const body = events.map((event) => JSON.stringify(event) + "\n").join("");
  await page.route("**/run/**", (route) => route.fulfill({ body }));
  await run(page);
  await page.locator(".calls li").nth(4).waitFor();
  const shown = await page.locator(".calls li").allInnerTexts();
  assertEquals(shown.map((row) => row.replace(/\n\d+ ms /, " ")), [
    "client_simple write 1 → 1, 2 times\nab",
    "server_simple read → 2\nab",
    "server_simple write 9 → 9\nanswer it",
    "client_simple read → 99\nnobody wrote this", // After a while.
    `client_simple write 5 → 5\n${evil}`,
  ]);
  await shows(page, evil);
  assertEquals(await page.locator(".panel img").count(), 0);
});

pageTest("Stop, another tab and a reload end a run", SIMPLE, async (page) => {
  await run(page);
  await shows(page, "Connexion fermée");
  await stop(page);
  await shows(page, "Serveur arrêté");
  await run(page);
  await shows(page, "Connexion fermée");
  const other = await page.context().newPage();
  await open(other, "fr/06-simple.html");
  await run(other);
  await shows(page, "Run again in another tab.");
  await shows(other, "Connexion fermée");
  const text = await other.locator(".terminal").first().innerText();
  const port = Number(text.match(/sur 127\.0\.0\.1:(\d+)/)![1]);
  await other.reload();
  const end = performance.now() + PATIENCE;
  while (await listens(port)) assert(performance.now() < end, "it listens");
});

pageTest("Run runs a script as it is on disk", SIMPLE, async (page) => {
  using _client = copy.put("client_simple", 'console.log("Voilà");');
  await run(page);
  await shows(page, "Voilà");
  await stop(page);
  await shows(page, "The end, code 0");
  const dying = `
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(\`sur 127.0.0.1:\${listener.addr.port}\`);
Deno.exit(3);`;
  using _server = copy.put("server_simple", dying);
  await run(page);
  await shows(page, "The end, code 3");
});

const ASYNC = "en/03-async.html";

pageTest("a flood of lines leaves the page alive", ASYNC, async (page) => {
  using _ = copy.put("async_demo", 'while (true) console.log("x");');
  await run(page);
  await shows(page, "Ended: too much output.");
  assert(await page.locator(".terminal code > *").count() <= 33_000);
});

browserTest("no page of another origin runs anything", async () => {
  await using evil = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("evil"),
  );
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(`http://localhost:${evil.addr.port}/`);
  const statuses: number[] = [];
  page.on("response", (response) => statuses.push(response.status()));
  const token = web.address.replace(/.*#/, "");
  const tried = await page.evaluate(`(async () => {
    const url = "${site}run/08-web/direct", method = "POST";
    const headers = { Authorization: "Bearer ${token}" };
    const tries = [{ method }, { method, mode: "no-cors" }, { method, headers },
      { method, mode: "no-cors", headers, credentials: "include" }];
    return await Promise.all(tries.map((options) =>
      fetch(url, options).then(({ type }) => type, ({ name }) => name)));
  })()`);
  assertEquals(tried, ["TypeError", "opaque", "TypeError", "opaque"]);
  assertEquals(statuses, [403, 403]); // Of the two that were sent.
  await page.close();
  const answer = await fetch(site, { method: "HEAD" });
  assertEquals(answer.headers.get("X-Frame-Options"), "DENY");
});

browserTest("a page that can run nothing says so", async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(site + "fr/06-simple.html"); // Without the token.
  await run(page);
  await shows(page, /Ouvrez l.adresse/);
  await page.route("**/run.json", (route) => route.fulfill({ body: "{}" }));
  await page.reload();
  await page.getByText("(Pas avec ce --host.)").waitFor();
  assertEquals(await page.locator(".panel").count(), 0);
  await page.goto(`file://${copy.path}/guide/site/en/06-simple.html`);
  assert(await page.locator("main .terminal").first().isVisible());
  assertEquals(await page.locator(".panel").count(), 0);
  assertMatch(await page.locator("main").innerText(), /With deno task web,/);
  await page.close();
});
