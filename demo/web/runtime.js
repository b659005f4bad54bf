// Which runtime draws a generator: WebGPU once it has drawn the goldens, else WebAssembly, and why not WebGPU.

import { startWorker } from "./ask.js";

const PATIENCE_MS = 20000; // to fetch the runtime, compile every shader and draw the goldens
const PROPER = ["layers:", "gpuDiffers:"]; // answers about one generator, after which the worker is as good as before

export const asked = new URLSearchParams(location.search).get("adapter");
export const softwareAllowed = asked === "software"; // a GPU that the CPU plays: slower than WebAssembly, good for tests

const workers = new Map();
const places = new Map(); // name of a generator -> { runtime, adapter, verdict } or { runtime, reason }

function worker(runtime) {
  if (!workers.has(runtime)) {
    workers.set(runtime, startWorker(`worker.js?runtime=${runtime}${softwareAllowed ? "&adapter=software" : ""}`));
  }
  return workers.get(runtime);
}

// What another worker will draw has to prove itself again.
function stopWebGpu(error) {
  workers.get("webgpu")?.stop(error);
  workers.delete("webgpu");
  for (const [name, { runtime }] of places) if (runtime === "webgpu") places.delete(name);
}

async function proveOnWebGpu(name) {
  const { ask } = worker("webgpu");
  let timer;
  const patience = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`slow:${PATIENCE_MS / 1000}`)), PATIENCE_MS);
  });
  try {
    const verdict = await Promise.race([ask("verify", { name }), patience]);
    if (!verdict.pass) throw new Error(`gpuDiffers:${verdict.adapter}`);
    return { runtime: "webgpu", adapter: verdict.adapter, verdict };
  } catch (error) {
    if (!PROPER.some((key) => error.message.startsWith(key))) stopWebGpu(error);
    return { runtime: "wasm", reason: error.message };
  } finally {
    clearTimeout(timer);
  }
}

export const placeOf = (name) => places.get(name);

// What the page has to know about a generator, once the runtime that draws it has opened it.
export async function openGenerator(name) {
  if (!places.has(name)) places.set(name, await proveOnWebGpu(name));
  return worker(places.get(name).runtime).ask("open", { name });
}

export async function verify(name) {
  const place = places.get(name);
  place.verdict ??= await worker(place.runtime).ask("verify", { name });
  return place.verdict;
}

// Pixels of each latent; `how` is what a generator with a mapping also takes: { psi, way }. If the GPU gives up meanwhile, WebAssembly draws them, and `placeOf` says why.
export async function draw(name, z, labels, how) {
  const place = places.get(name);
  try {
    return await worker(place.runtime).ask("draw", { name, z, labels, how });
  } catch (error) {
    if (place.runtime === "wasm") throw error;
    if (places.get(name) === place) {
      stopWebGpu(error);
      places.set(name, { runtime: "wasm", reason: error.message });
    }
    return draw(name, z, labels, how);
  }
}
