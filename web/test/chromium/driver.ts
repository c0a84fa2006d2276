/**
 * Drives Chromium for tests/integration/test_browser.py: a line of JSON in, a line of JSON out, several at a time.
 *
 * A line is `{"id", "do", …}`, and its answer `{"id", "answer"}` or `{"id", "error"}`. The arguments are the program of
 * Chromium and the folder to which the test extension is built.
 */

import { copyFile, mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { build } from "vite";

import { type Behaviour, TestWallet } from "./wallet.ts";

type Job = Record<string, any>;

/** Milliseconds until what should be seen is given up: a machine may be busy. */
const PATIENCE = 60_000;

const [, , executablePath = "chromium", folder = "."] = process.argv;
const SOURCES = fileURLToPath(new URL("../../../test/chromium/extension/", import.meta.url)); // from web/build/test/…
const LAUNCH = {
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

let plain: Promise<Browser> | undefined;
let extended: Promise<BrowserContext> | undefined;
const pages = new Map<number, { page: Page; wallets: TestWallet[]; requests: string[]; complaints: string[] }>();
let last = 0;

/** Announces the wallets of a test to its page; runs in the page. */
function announce(behaviours: readonly Behaviour[]): void {
  const bound: any = window;
  const providers = behaviours.map((_, index) => ({
    async request(call: unknown): Promise<unknown> {
      const answer = await bound.askWallet(index, call);
      if ("error" in answer) throw Object.assign(new Error(answer.error.message), { code: answer.error.code });
      return answer.result;
    },
  }));
  for (const [index, { name, legacy }] of behaviours.entries()) {
    const provider = providers[index];
    if (legacy === true) {
      bound.ethereum = provider;
      continue;
    }
    const info = { uuid: `00000000-0000-4000-8000-00000000000${index}`, name, icon: "https://example.org/", rdns: "x" };
    window.addEventListener("eip6963:requestProvider", () =>
      window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: { info, provider } })),
    );
  }
}

/** Build the extension with the key of a test, and start a Chromium with it. */
async function withExtension(behaviour: Behaviour): Promise<BrowserContext> {
  await mkdir(folder, { recursive: true });
  await copyFile(`${SOURCES}manifest.json`, `${folder}/manifest.json`);
  for (const name of ["background", "content", "inpage"]) {
    await build({
      configFile: false,
      logLevel: "warn",
      define: { BEHAVIOUR: JSON.stringify(behaviour) },
      publicDir: false,
      build: {
        outDir: folder,
        emptyOutDir: false,
        minify: false,
        lib: { entry: `${SOURCES}${name}.ts`, formats: ["iife"], name, fileName: () => `${name}.js` },
      },
    });
  }
  const args = [...LAUNCH.args, `--disable-extensions-except=${folder}`, `--load-extension=${folder}`];
  const options = { executablePath, args, headless: true, ignoreDefaultArgs: ["--disable-extensions"] };
  return chromium.launchPersistentContext(`${folder}-profile`, options);
}

async function newPage({ wallets, extension, options }: Job): Promise<{ page: Page; wallets: TestWallet[] }> {
  if (extension !== undefined) {
    extended ??= withExtension(extension);
    return { page: await (await extended).newPage(), wallets: [] };
  }
  plain ??= chromium.launch({ ...LAUNCH, headless: true });
  const terms: BrowserContextOptions = options ?? {};
  const context = await (await plain).newContext(terms);
  const behaviours: Behaviour[] = wallets ?? [];
  const made = behaviours.map((one) => new TestWallet(one));
  await context.exposeBinding("askWallet", (_, index: number, call) => made[index]?.answer(call));
  await context.addInitScript(announce, behaviours);
  return { page: await context.newPage(), wallets: made };
}

const DO: Record<string, (job: Job) => unknown> = {
  /** Open an address in a tab of its own; gives the tab's number. */
  async open(job) {
    const { page, wallets } = await newPage(job);
    const opened = { page, wallets, requests: [] as string[], complaints: [] as string[] };
    page.on("request", (request) => opened.requests.push(request.url()));
    page.on("console", (message) => opened.complaints.push(message.text()));
    page.on("pageerror", (error) => opened.complaints.push(String(error)));
    const number = ++last;
    pages.set(number, opened);
    await page.goto(job["url"]);
    return number;
  },
  /** Press a button, or choose what has a label. */
  click: ({ tab, role, name }) => pageOf(tab).getByRole(role, { name, exact: true }).click({ timeout: PATIENCE }),
  /** Wait until a text is seen. */
  see: ({ tab, text }) => pageOf(tab).getByText(text).first().waitFor({ timeout: PATIENCE }),
  text: ({ tab, selector }) => pageOf(tab).locator(selector).innerText({ timeout: PATIENCE }),
  press: ({ tab, key }) => pageOf(tab).keyboard.press(key),
  reload: ({ tab }) => pageOf(tab).reload(),
  evaluate: ({ tab, script }) => pageOf(tab).evaluate(script),
  screenshot: ({ tab, path }) => pageOf(tab).screenshot({ path, fullPage: true }),
  async close({ tab }) {
    await pageOf(tab).close({ runBeforeUnload: false });
  },
  /** What the wallets were asked, what the page asked of servers, and what the browser complained of. */
  seen({ tab }) {
    const { wallets, requests, complaints } = found(tab);
    return { calls: wallets.map(({ calls }) => calls), requests, complaints };
  },
  /** What axe-core finds against WCAG 2.2, A and AA, and against good practice. */
  async audit({ tab }) {
    const source = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
    await pageOf(tab).evaluate(await readFile(source, "utf8")); // beside the page's own policy, which lets no script in
    const results: any = await pageOf(tab).evaluate("axe.run()");
    return results.violations.map((one: any) => `${one.id}: ${one.nodes.map((node: any) => node.html).join(" ")}`);
  },
  /** Sign all that a page asks, as a person would who agrees, until it says that it is over. */
  async approve(job) {
    const tab = await DO["open"]?.(job);
    const page = pageOf(tab);
    const sign = page.getByRole("button", { name: "Sign", exact: true });
    const summaries: string[] = [];
    for (;;) {
      // The page's own policy forbids to wait by an expression.
      const next = `#asked:not([hidden]) #sign:enabled:not([aria-disabled="true"]), #summary:has-text("You can close this page.")`;
      const seen = page.locator(next).first().waitFor({ state: "attached", timeout: PATIENCE });
      await seen.catch(async (error) => {
        throw new Error(`${error}\nThe page shows: ${await page.locator("main").innerText()}`);
      });
      if (await page.locator("#asked").isHidden()) break;
      const summary = await page.locator("#summary").innerText();
      if (summaries.at(-1) !== summary) summaries.push(summary);
      const help = page.locator("#help");
      await ((await help.isVisible()) ? help : sign).click();
    }
    const end = await page.locator("main").innerText();
    await page.close();
    return { summaries, end };
  },
};

function found(tab: unknown) {
  const opened = pages.get(Number(tab));
  if (opened === undefined) throw new Error(`there is no tab ${String(tab)}`);
  return opened;
}

function pageOf(tab: unknown): Page {
  return found(tab).page;
}

async function reply(line: string): Promise<void> {
  const { id, do: name, ...job } = JSON.parse(line);
  let said: object;
  try {
    said = { answer: (await DO[name]?.(job)) ?? null };
  } catch (error) {
    said = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify({ id, ...said })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) void reply(line);
await (await plain)?.close();
await (await extended)?.close();
