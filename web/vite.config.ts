/** Builds the page on which wallets sign, `src/sign`, into the Python package: the same bytes from the same sources. */

import { defineConfig } from "vite";

export default defineConfig({
  root: new URL("src/sign", import.meta.url).pathname,
  base: "./",
  publicDir: false,
  logLevel: "warn",
  build: {
    outDir: new URL("../medrec_py/wallets/page", import.meta.url).pathname,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    sourcemap: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        entryFileNames: "sign.js",
        assetFileNames: "sign[extname]",
      },
    },
  },
});
