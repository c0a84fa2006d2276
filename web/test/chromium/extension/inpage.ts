/** In the page: a provider that announces itself (EIP-6963) and hands on what it is asked. */

let last = 0;

function request(call: unknown): Promise<unknown> {
  const id = ++last;
  return new Promise((resolve, reject) => {
    window.addEventListener("message", function listen(event: MessageEvent) {
      if (event.source !== window || event.data?.to !== "page" || event.data.id !== id) return;
      window.removeEventListener("message", listen);
      const { result, error } = event.data.answer;
      if (error === undefined) resolve(result);
      else reject(Object.assign(new Error(error.message), { code: error.code }));
    });
    window.postMessage({ to: "test-wallet", id, call }, window.location.origin);
  });
}

function announce(): void {
  const info = Object.freeze({
    uuid: "0d3f9a3c-6f0a-4f2e-9b1c-5a7f1f0c2b11",
    name: "Test wallet",
    icon: "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='teal'/%3E%3C/svg%3E",
    rdns: "org.example.test-wallet",
  });
  const detail = Object.freeze({ info, provider: Object.freeze({ request }) });
  window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
}

window.addEventListener("eip6963:requestProvider", announce);
announce();
