/** The extension's own process: it has the key, and signs. */

import { TestWallet } from "../wallet.ts";

declare const BEHAVIOUR: any;

const wallet = new TestWallet(BEHAVIOUR);

chrome.runtime.onMessage.addListener((call, _sender, respond) => {
  void (async () => respond(await wallet.answer(call)))();
  return true; // the answer comes later
});
