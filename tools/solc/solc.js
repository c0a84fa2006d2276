#!/usr/bin/env node
// Answers as `solc` does for the few options that py-solc-x, ape, forge and Slither pass, with the compiler that the npm package
// `solc` carries as WebAssembly. It stands in where no native compiler can be downloaded; the bytecode is the same.
//
//   solc --version
//   solc --standard-json [FILE] [--base-path DIR] [--include-path DIR]... [--allow-paths DIR,DIR]
//
// `soljson.js` is looked for beside this file (where scripts/setup.py puts both), else in node_modules.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const OPTIONS_WITH_VALUE = ["--base-path", "--include-path", "--allow-paths"];
const OPTIONS_WITHOUT_VALUE = ["--version", "--standard-json"];

class UsageError extends Error {}

/** Turns `argv` into {flags, values, files}; an option that this program does not know is an error, as it is for solc. */
function parseArguments(argv) {
  const flags = new Set();
  const values = new Map(OPTIONS_WITH_VALUE.map((name) => [name, []]));
  const files = [];
  const rest = [...argv];
  while (rest.length > 0) {
    const [name, inlineValue] = splitOption(rest.shift());
    if (OPTIONS_WITHOUT_VALUE.includes(name)) {
      flags.add(name);
    } else if (OPTIONS_WITH_VALUE.includes(name)) {
      const value = inlineValue ?? rest.shift();
      if (value === undefined) throw new UsageError(`the required argument for option '${name}' is missing`);
      values.get(name).push(value);
    } else if (name.startsWith("-") && name !== "-") {
      throw new UsageError(`unrecognised option '${name}'`);
    } else {
      files.push(name);
    }
  }
  return { flags, values, files };
}

function splitOption(argument) {
  const match = /^(--[^=]+)=(.*)$/s.exec(argument);
  return match ? [match[1], match[2]] : [argument, undefined];
}

function isWithin(directory, file) {
  const relative = path.relative(directory, file);
  return relative === "" || (!relative.startsWith(`..${path.sep}`) && relative !== ".." && !path.isAbsolute(relative));
}

function realPathOrNull(file) {
  try {
    return fs.realpathSync(file);
  } catch {
    return null;
  }
}

/**
 * The import callback: a source unit's name is tried below the base path and then below each include path, and only files
 * inside those folders, or inside the allowed ones, are read.
 */
function importReader(values) {
  const basePath = values.get("--base-path").at(-1) || ".";
  const roots = [basePath, ...values.get("--include-path")];
  const allowedPaths = values.get("--allow-paths").flatMap((list) => list.split(",")).filter(Boolean);
  const allowed = [...roots, ...allowedPaths].map(realPathOrNull).filter((folder) => folder !== null);

  return function readImport(name) {
    const bareName = name.replace(/^file:\/\//, "");
    const candidates = path.isAbsolute(bareName) ? [bareName] : roots.map((root) => path.join(root, bareName));
    const found = candidates.map(realPathOrNull).filter((file) => file !== null && fs.statSync(file).isFile());
    if (found.length === 0) {
      return { error: `File not found. Searched the following locations: ${roots.map((root) => `"${root}"`).join(", ")}.` };
    }
    const file = found.find((candidate) => allowed.some((folder) => isWithin(folder, candidate)));
    if (file === undefined) return { error: "File outside of allowed directories." };
    return { contents: fs.readFileSync(file, "utf8") };
  };
}

function loadCompiler() {
  const beside = path.join(__dirname, "soljson.js");
  // soljson.js reacts to whatever goes wrong in this process as if it were its own fault, at great length.
  const listeners = process.listeners("uncaughtException");
  const soljson = require(fs.existsSync(beside) ? beside : "solc/soljson.js");
  process.removeAllListeners("uncaughtException");
  for (const listener of listeners) process.on("uncaughtException", listener);
  return soljson;
}

function version(soljson) {
  return soljson.cwrap("solidity_version", "string", [])();
}

/** Compiles a standard-JSON input with the C interface of the compiler (libsolc.h), and gives the output as text. */
function compile(soljson, input, readImport) {
  const allocate = soljson.cwrap("solidity_alloc", "number", ["number"]);
  const solidityCompile = soljson.cwrap("solidity_compile", "string", ["string", "number", "number"]);
  const reset = soljson.cwrap("solidity_reset", null, []);

  const storeText = (text, pointerToResult) => {
    const size = soljson.lengthBytesUTF8(text) + 1;
    const address = allocate(size);
    soljson.stringToUTF8(text, address, size);
    soljson.setValue(pointerToResult, address, "*");
  };
  const callback = soljson.addFunction((_context, kind, data, contents, error) => {
    const answer =
      soljson.UTF8ToString(kind) === "source"
        ? readImport(soljson.UTF8ToString(data))
        : { error: "Only callbacks for sources are supported." };
    if (answer.error === undefined) storeText(answer.contents, contents);
    else storeText(answer.error, error);
  }, "viiiii");

  try {
    return solidityCompile(input, callback, 0);
  } finally {
    soljson.removeFunction(callback);
    reset();
  }
}

function main(argv) {
  const { flags, values, files } = parseArguments(argv);
  if (flags.has("--version")) {
    console.log(`solc, the solidity compiler commandline interface\nVersion: ${version(loadCompiler())}`);
    return;
  }
  if (!flags.has("--standard-json")) throw new UsageError("only --version and --standard-json are answered by this stand-in for solc");
  const input = fs.readFileSync(files.length === 0 || files[0] === "-" ? 0 : files[0], "utf8");
  process.stdout.write(`${compile(loadCompiler(), input, importReader(values))}\n`);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
