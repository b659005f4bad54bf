// Loads, verifies and draws, away from the page's thread.

import { fetchBytes, readSealed, sha256 } from "./files.js";
import * as ort from "./ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // more would need headers that not every static host sends

const opened = new Map();

async function open(name) {
  if (!opened.has(name)) {
    const folder = `bundles/${encodeURIComponent(name)}`;
    const about = await readSealed(`${folder}/about.json`);
    if (about.folder !== name) throw new Error(`damaged: ${folder} holds ${about.folder}`);
    const model = await fetchBytes(`${folder}/generator.onnx`);
    if ((await sha256(model)) !== about.sha256) throw new Error("damaged: generator.onnx");
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    opened.set(name, { about, session });
  }
  return opened.get(name);
}

async function run({ about, session }, z, labels) {
  const count = z.length / about.latent.size;
  const feed = { z: new ort.Tensor("float32", z, [count, about.latent.size]) };
  if (about.classes) feed.label = new ort.Tensor("int64", BigInt64Array.from(labels, BigInt), [count]);
  return (await session.run(feed)).images.data;
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
  return { pass: drawn.length === golden.length && maxStep <= 1 && share >= 0.999, maxStep, share };
}

const actions = {
  open: async ({ name }) => (await open(name)).about,
  verify: ({ name }) => verify(name),
  draw: async ({ name, z, labels }) => run(await open(name), z, labels),
};

onmessage = async ({ data: { id, action, ...rest } }) => {
  try {
    postMessage({ id, result: await actions[action](rest) });
  } catch (error) {
    postMessage({ id, error: String(error.message ?? error) });
  }
};
