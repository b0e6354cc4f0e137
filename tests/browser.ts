/** A real browser for the tests, where this machine has one. */
import axe, { type AxeResults } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { has } from "./harness.ts";

/** The browser's command, or nothing. The first takes half the others' CPU time. */
export const BROWSER = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
].find(has);

/** Starts the browser, without a window. */
export async function launch(): Promise<Browser> {
  const args = ["-c", `command -v ${BROWSER}`];
  const { stdout } = await new Deno.Command("sh", { args }).output();
  return await chromium.launch({
    executablePath: new TextDecoder().decode(stdout).trim(),
  });
}

/** What axe finds in a part of a page, a line for each of its rules. */
export async function violations(page: Page, part = "html"): Promise<string[]> {
  await page.evaluate(axe.source);
  const check = `axe.run("${part}", { resultTypes: ["violations"] })`;
  const found = await page.evaluate(check) as AxeResults;
  return found.violations.map(({ id, help, nodes }) =>
    `${id}: ${help}: ${nodes.slice(0, 5).map(({ html }) => html)}`
  );
}

/** A test that needs the browser. All share it: its pipes outlive each of them. */
export function browserTest(name: string, fn: () => Promise<void>): void {
  Deno.test({
    name: BROWSER ? name : `${name} (ignored: no chromium on this machine)`,
    ignore: !BROWSER,
    sanitizeOps: false,
    sanitizeResources: false,
    fn,
  });
}
