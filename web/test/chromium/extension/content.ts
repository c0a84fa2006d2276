/** Between page and extension: the page cannot reach the extension's process itself. */

window.addEventListener("message", (event: MessageEvent) => {
  if (event.source !== window || event.data?.to !== "test-wallet") return;
  const { id, call } = event.data;
  void (async () => {
    window.postMessage({ to: "page", id, answer: await chrome.runtime.sendMessage(call) }, window.location.origin);
  })();
});
