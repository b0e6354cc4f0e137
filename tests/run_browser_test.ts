/** The pages run their programs: in a real browser, served by `deno task web`. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import axe, { type AxeResults } from "axe-core";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { BROWSER, browserTest, launch } from "./browser.ts";
import { copyCheckout } from "./checkout.ts";
import { PATIENCE, Program, ROOT } from "./harness.ts";

let browser: Browser, web: Program, address: string, site: string;
let copy: Awaited<ReturnType<typeof copyCheckout>>;

if (BROWSER) {
  Deno.test.beforeAll(async () => {
    copy = await copyCheckout();
    const tasks = JSON.parse(Deno.readTextFileSync(ROOT + "deno.json")).tasks;
    const args = [...tasks.web.command.split(" ").slice(1), "--port", "0"];
    web = new Program(Deno.execPath(), args, { cwd: copy.path });
    [address] = await web.says(/http:\S+#\S+/);
    site = address.replace(/#.*/, "");
    browser = await launch();
  });
  Deno.test.afterAll(async () => {
    await browser?.close();
    await web?.[Symbol.asyncDispose]();
    await copy?.[Symbol.asyncDispose]();
  });
}

/** Opens a page as one does: by the address that the task has printed. */
async function open(context: BrowserContext, path: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForURL("**/00-index.html");
  await page.goto(site + path);
  return page;
}

/** Reads a page with a new profile, whose console may not complain. */
async function visit(
  path: string,
  read: (page: Page, context: BrowserContext) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext();
  const problems: string[] = [];
  try {
    context.setDefaultTimeout(PATIENCE);
    context.on("console", (line) => problems.push(line.text()));
    context.on("weberror", (error) => problems.push(error.error().message));
    await read(await open(context, path), context);
  } finally {
    await context.close();
  }
  assertEquals(problems, []);
}

const run = (page: Page) => page.locator(".panel [name=run]").click();
const stop = (page: Page) => page.locator(".panel [name=stop]").click();
const shows = (page: Page, text: string | RegExp) =>
  page.locator(".panel").getByText(text).first().waitFor();
const type = async (page: Page, by: number, line: string) => {
  await page.locator(".terminal input").nth(by).fill(line);
  await page.locator(".terminal input").nth(by).press("Enter");
};
const rows = (page: Page) => page.locator(".calls li").allInnerTexts();

/** Changes a script of the copy, until this is disposed of. */
function put(script: string, change: (text: string) => string): Disposable {
  const path = `${copy.path}/scripts/${script}.ts`;
  const text = Deno.readTextFileSync(path);
  Deno.writeTextFileSync(path, change(text));
  return { [Symbol.dispose]: () => Deno.writeTextFileSync(path, text) };
}

/** A program in the place of a script, which keeps its header. */
const program = (code: string) => (text: string) =>
  text.slice(0, text.indexOf("*/") + 3) + code;

// What a section's question counts, and what has to be done for it.
for (
  const [path, answer, act] of [
    ["fr/03-async.html", /\d{3}/],
    ["en/05-udp.html", /2/],
    ["fr/06-simple.html", /2/],
    ["en/07-class.html", /2/],
    ["en/08-web.html", /404/, async (page, context) => {
      const opened = context.waitForEvent("page");
      await page.locator(".panel a").click();
      const other = await opened;
      await other.goto(`${other.url()}absent.html`);
    }],
    ["fr/09-chat.html", /3/, async (page) => {
      await shows(page, /Vous êtes connecté/);
      await type(page, 1, "Bonjour !");
      await shows(page, "Client >> Bonjour !");
      await type(page, 0, "Cinq sur cinq.");
      await shows(page, "Serveur >> Cinq sur cinq.");
      await type(page, 1, "FIN");
    }],
    ["en/10-threads.html", /\d+(,\d+)?/],
    ["en/11-multithread.html", /3/],
  ] as [
    string,
    RegExp,
    ((page: Page, context: BrowserContext) => Promise<void>)?,
  ][]
) {
  browserTest(`${path} runs, and answers its question`, async () => {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const page = await open(context, path);
    const problems: string[] = [];
    page.on("console", (line) => problems.push(line.text()));
    page.on("pageerror", (error) => problems.push(error.message));
    await page.locator("input[name=answer]").fill("7");
    await page.setViewportSize({ width: 1440, height: 900 });
    const height = Number(await page.evaluate("document.body.scrollHeight"));
    assert(height <= 6 * 900, `${height / 900} screens`);
    await run(page);
    await act?.(page, context);
    const yours = path.startsWith("fr")
      ? "Votre réponse\\s: 7"
      : "Your answer: 7";
    await shows(page, RegExp(`${yours}\\. .* ${answer.source}\\.`));
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.evaluate(axe.source);
      const found = await page.evaluate(
        `axe.run(".panel", { resultTypes: ["violations"] })`,
      ) as AxeResults;
      assertEquals(
        found.violations.map(({ id, nodes }) => [id, nodes[0].html]),
        [],
      );
    }
    await page.setViewportSize({ width: 360, height: 740 });
    assertEquals(
      await page.evaluate("document.documentElement.scrollWidth"),
      360,
    );
    await context.close();
    assertEquals(problems, []);
  });
}

for (
  const [network, section, happens] of [
    ["late", "06-simple", /→ 27\n.*read → 27/s],
    ["slice", "06-simple", /→ 1, 27 times\n.*read → 1/s],
    ["glue", "09-chat", /→ 8\n.*read → 8\nun\\ndeux\\n/s],
    ["cut", "06-simple", /→ 10\n.*→ reset\n.*read → ConnectionReset/s],
  ]
) {
  browserTest(
    `the network "${network}" does what it says`,
    () =>
      visit(`en/${section}.html`, async (page) => {
        await page.locator("select").selectOption(network as string);
        await run(page);
        if (section === "09-chat") {
          await shows(page, "CONNEXION ÉTABLIE");
          await type(page, 1, "un");
          await type(page, 1, "deux");
        }
        const end = performance.now() + PATIENCE;
        let text = "";
        while (!(happens as RegExp).test(text)) {
          assert(performance.now() < end, text);
          text = (await rows(page)).join("\n");
        }
        // Each arrow leads down, or at least not up.
        const arrows = await page.locator(".calls g path:not(.lane)")
          .evaluateAll(
            (all) => all.map((it) => it.getAttribute("d")),
          );
        for (const path of arrows) {
          const [, , from, , to] = path!.split(/[ ML]/).map(Number);
          assert(from <= to, path!);
        }
      }),
  );
}

browserTest(
  "no call is drawn before its cause, equal ones are one, and text stays text",
  () =>
    visit("en/06-simple.html", async (page) => {
      const evil = "<img src=x onerror=alert(1)>";
      const call = (by: number, line: string) => ({
        by,
        error: true,
        text: `     1.0 ms  #1    ${line}\n`,
      });
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
      await page.route("**/run/**", (route) =>
        route.fulfill({
          body: events.map((event) => JSON.stringify(event) + "\n").join(""),
        }));
      await run(page);
      await page.locator(".calls li").nth(4).waitFor();
      const shown = (await rows(page)).map((row) =>
        row.replace(/\n\d+ ms /, " ")
      );
      assertEquals(shown, [
        "client_simple write 1 → 1, 2 times\nab",
        "server_simple read → 2\nab",
        "server_simple write 9 → 9\nanswer it",
        "client_simple read → 99\nnobody wrote this", // After a while.
        `client_simple write 5 → 5\n${evil}`,
      ]);
      await shows(page, evil);
      assertEquals(await page.locator(".panel img").count(), 0);
    }),
);

browserTest(
  "Stop ends the programs in words, and a reload without",
  () =>
    visit("en/06-simple.html", async (page) => {
      await run(page);
      await shows(page, "Connexion fermée");
      await stop(page);
      await shows(page, "Serveur arrêté");
      await page.locator(".panel [name=run]:enabled").waitFor();
      await run(page);
      await shows(page, "Connexion fermée");
      const text = await page.locator(".terminal").first().innerText();
      const port = Number(text.match(/sur 127\.0\.0\.1:(\d+)/)![1]);
      await page.reload();
      const end = performance.now() + PATIENCE;
      const refused = () =>
        Deno.connect({ port }).then((it) => it.close(), () => true);
      while (!await refused()) assert(performance.now() < end, "it listens");
    }),
);

browserTest(
  "a second tab ends the run of the first one, which says so",
  () =>
    visit("en/06-simple.html", async (page, context) => {
      await run(page);
      await shows(page, "Connexion fermée");
      const other = await open(context, "fr/06-simple.html");
      await run(other);
      await shows(other, "Connexion fermée");
      await shows(page, "Run again in another tab.");
    }),
);

browserTest(
  "Run runs the script as it is on disk, and says how it ends",
  () =>
    visit("en/06-simple.html", async (page) => {
      {
        using _ = put(
          "client_simple",
          (text) => text.replaceAll("Connecté", "Relié"),
        );
        await run(page);
        await shows(page, "Relié au serveur");
        await stop(page);
        await shows(page, "The end, code 0");
      }
      using _ = put(
        "server_simple",
        program(`
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(\`sur 127.0.0.1:\${listener.addr.port}\`);
await listener.accept();
Deno.exit(3);`),
      );
      await page.locator(".panel [name=run]:enabled")
        .waitFor();
      await run(page);
      await shows(page, "The end, code 3");
      await shows(page, "The end, code 1");
      await page.locator(".panel [name=run]:enabled")
        .waitFor();
    }),
);

browserTest(
  "a program that prints for ever leaves the page alive",
  () =>
    visit("en/03-async.html", async (page) => {
      using _ = put("async_demo", program('while (true) console.log("x");'));
      await run(page);
      await shows(page, "Ended: too much output.");
      assert(await page.locator(".terminal code > *").count() <= 33_000);
    }),
);

browserTest(
  "no page of another origin runs anything, or draws this one in it",
  async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using _ = put(
      "web_server",
      program(`
await Deno.connect({ hostname: "127.0.0.1", port: ${listener.addr.port} });`),
    );
    await using evil = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      () =>
        new Response("<title>evil</title>", {
          headers: { "Content-Type": "text/html" },
        }),
    );
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`http://localhost:${evil.addr.port}/`);
    const token = address.replace(/.*#/, "");
    const tried = await page.evaluate(`(async () => {
    const url = "${site}run/08-web/direct", method = "POST";
    const headers = { Authorization: "Bearer ${token}" };
    const tries = [{ method }, { method, mode: "no-cors" }, { method, headers },
      { method, mode: "no-cors", headers, credentials: "include" }];
    return await Promise.all(tries.map((options) =>
      fetch(url, options).then(({ type }) => type, ({ name }) => name)));
  })()`);
    assertEquals(tried, ["TypeError", "opaque", "TypeError", "opaque"]);
    await context.close();
    const { headers } = await fetch(site, { method: "HEAD" });
    assertEquals(headers.get("X-Frame-Options"), "DENY");
    await visit("en/08-web.html", async (page) => {
      await run(page);
      await shows(page, "The end, code 0");
    });
    (await listener.accept()).close();
    const more = await Promise.race([
      listener.accept(),
      new Promise((resolve) => setTimeout(resolve, 200)),
    ]);
    assertEquals(more, undefined);
  },
);

browserTest(
  "a page without the token, or on another host, says so",
  async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(site + "fr/06-simple.html");
    await run(page);
    await shows(page, /Ouvrez l.adresse/);
    await page.route("**/run.json", (route) => route.fulfill({ body: "{}" }));
    await page.reload();
    await page.getByText("(Pas avec ce --host.)").waitFor();
    assertEquals(await page.locator(".panel").count(), 0);
    await context.close();
  },
);

browserTest(
  "a page without a server has its transcripts, and no dead button",
  async () => {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`file://${copy.path}/guide/site/en/06-simple.html`);
    assert(await page.locator("main .terminal").first().isVisible());
    assertEquals(await page.locator(".panel").count(), 0);
    assertMatch(await page.locator("main").innerText(), /With deno task web,/);
    await context.close();
  },
);
