// Loads, verifies and draws, away from the page's thread; worker.js?runtime= says on what: webgpu or wasm.

import { fetchBytes, readSealed, sha256 } from "./files.js";
import { loadWebGpu } from "./webgpu.js";

const parameters = new URLSearchParams(location.search);
const MAX_VALUES = 2 ** 22; // of the pictures drawn at once; a generator's inner layers take several times their bytes
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
    opened.set(name, { about, session });
  }
  return opened.get(name);
}

// Pixels of each latent, as many at once as fit the memory of a browser: the same ones, whatever the batch.
async function run({ about, session }, z, labels) {
  const { Tensor } = runtime.ort;
  const { height, width, channels } = about.image;
  const [size, picture] = [about.latent.size, height * width * channels];
  const count = z.length / size;
  const batch = Math.max(1, Math.floor(MAX_VALUES / picture));
  const pixels = new Uint8Array(count * picture);
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(start + batch, count);
    const feed = { z: new Tensor("float32", z.slice(start * size, end * size), [end - start, size]) };
    if (about.classes) feed.label = new Tensor("int64", BigInt64Array.from(labels.slice(start, end), BigInt), [end - start]);
    pixels.set((await runtime.run(session, feed)).images.data, start * picture);
  }
  return pixels;
}

// Draws the goldens here and compares them with the reference's pictures: the largest step and the share of equal pixels.
async function verify(name) {
  const bundle = await open(name);
  const golden = Uint8Array.from(atob(bundle.about.goldens.images), (letter) => letter.charCodeAt(0));
  const z = Float32Array.from(bundle.about.goldens.z);
  const drawn = await run(bundle, z, bundle.about.goldens.labels);
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
  draw: async ({ name, z, labels }) => run(await open(name), z, labels),
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
