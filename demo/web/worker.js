// Loads, verifies and draws, away from the page's thread; worker.js?runtime= says on what: webgpu or wasm.

import { fetchBytes, readSealed, sha256 } from "./files.js";
import { loadWebGpu } from "./webgpu.js";

const parameters = new URLSearchParams(location.search);
const MAX_VALUES = 2 ** 22; // of the pictures drawn at once; a generator's inner layers take several times their bytes
const BLOCK = 16; // latents mapped at once, as gansample does
const opened = new Map();
let runtime = null;

async function load() {
  const webgpu = parameters.get("runtime") === "webgpu";
  const loaded = webgpu ? await loadWebGpu(parameters.get("adapter") === "software") : await loadWasm();
  loaded.ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
  loaded.ort.env.wasm.numThreads = 1; // more would need headers that not every static host sends
  return loaded;
}

async function loadWasm() {
  const ort = await import("./ort/ort.wasm.min.mjs");
  const create = (model) => ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  return { ort, create, run: (session, feed) => session.run(feed) };
}

async function open(name) {
  runtime ??= await load();
  if (!opened.has(name)) {
    const folder = `bundles/${encodeURIComponent(name)}`;
    const about = await readSealed(`${folder}/about.json`);
    if (about.folder !== name) throw new Error(`damaged: ${folder} holds ${about.folder}`);
    const model = await fetchBytes(`${folder}/generator.onnx`);
    if ((await sha256(model)) !== about.file_sha256) throw new Error("damaged: generator.onnx");
    const session = await runtime.create(model);
    const mapping = about.mapping ? await openMapping(folder, about.mapping) : null;
    opened.set(name, { about, session, mapping });
  }
  return opened.get(name);
}

// The mapping is small, and computed by WebAssembly wherever the pictures are drawn.
async function openMapping(folder, { sha256: digest }) {
  const model = await fetchBytes(`${folder}/mapping.onnx`);
  if ((await sha256(model)) !== digest) throw new Error("damaged: mapping.onnx");
  return runtime.ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
}

// Styles of each latent, psi of the way to them from the mean style; in blocks of one size, so that none depends on its batch.
async function styles({ about, mapping }, z, labels, psi) {
  const { Tensor } = runtime.ort;
  const [size, { layers, size: width }] = [about.latent.size, about.mapping];
  const count = z.length / size;
  const w = new Float32Array(count * layers * width);
  for (let start = 0; start < count; start += BLOCK) {
    const end = Math.min(start + BLOCK, count);
    const [part, shares] = [new Float32Array(BLOCK * size), new Float32Array(BLOCK)];
    part.set(z.subarray(start * size, end * size));
    shares.set(psi.slice(start, end));
    const feed = { z: new Tensor("float32", part, [BLOCK, size]), psi: new Tensor("float32", shares, [BLOCK]) };
    if (about.classes) {
      const label = new BigInt64Array(BLOCK);
      label.set(labels.slice(start, end).map(BigInt));
      feed.label = new Tensor("int64", label, [BLOCK]);
    }
    const block = (await mapping.run(feed)).w.data;
    w.set(block.subarray(0, (end - start) * layers * width), start * layers * width);
  }
  return w;
}

// Pixels of each latent, as many at once as fit the memory of a browser: the same ones, whatever the batch.
// way: the one picture at this share of the way between the styles of two latents.
async function run(bundle, z, labels, { psi = 1, way = null } = {}) {
  if (bundle.mapping === null) return runGraph(bundle, "z", z, [bundle.about.latent.size], labels);
  const { layers, size: width } = bundle.about.mapping;
  const shares = typeof psi === "number" ? new Array(z.length / bundle.about.latent.size).fill(psi) : psi;
  let w = await styles(bundle, z, labels, shares);
  if (way !== null) {
    const half = w.length / 2;
    w = w.subarray(0, half).map((value, i) => (1 - way) * value + way * w[half + i]);
  }
  return runGraph(bundle, "w", w, [layers, width], null);
}

async function runGraph({ about, session }, input, rows, shape, labels) {
  const { Tensor } = runtime.ort;
  const { height, width, channels } = about.image;
  const size = shape.reduce((product, length) => product * length, 1);
  const picture = height * width * channels;
  const count = rows.length / size;
  const batch = Math.max(1, Math.floor(MAX_VALUES / picture));
  const pixels = new Uint8Array(count * picture);
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(start + batch, count);
    const feed = { [input]: new Tensor("float32", rows.slice(start * size, end * size), [end - start, ...shape]) };
    if (about.classes && labels !== null) feed.label = new Tensor("int64", BigInt64Array.from(labels.slice(start, end), BigInt), [end - start]);
    pixels.set((await runtime.run(session, feed)).images.data, start * picture);
  }
  return pixels;
}

// Draws the goldens here and compares them with the reference's pictures: the largest step and the share of equal pixels.
async function verify(name) {
  const bundle = await open(name);
  const golden = Uint8Array.from(atob(bundle.about.goldens.images), (letter) => letter.charCodeAt(0));
  const z = Float32Array.from(bundle.about.goldens.z);
  const { labels, psi } = bundle.about.goldens;
  const drawn = await run(bundle, z, labels, { psi });
  let maxStep = 0;
  let equal = 0;
  drawn.forEach((value, i) => {
    const step = Math.abs(value - golden[i]);
    maxStep = Math.max(maxStep, step);
    equal += step === 0;
  });
  const share = equal / golden.length;
  const pass = drawn.length === golden.length && maxStep <= 1 && share >= 0.999;
  return { pass, maxStep, share, adapter: runtime.adapter };
}

const actions = {
  open: async ({ name }) => (await open(name)).about,
  verify: ({ name }) => verify(name),
  draw: async ({ name, z, labels, how }) => run(await open(name), z, labels, how),
};

async function answer({ id, action, ...rest }) {
  try {
    postMessage({ id, result: await actions[action](rest) });
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error) });
  }
}

let turn = Promise.resolve(); // one after the other: while the GPU works, ONNX Runtime takes no second question
onmessage = ({ data }) => (turn = turn.then(() => answer(data)));
