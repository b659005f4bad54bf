// ONNX Runtime on WebGPU: the whole generator on a real GPU, or an error whose first word texts.js explains.

// "1" refuses a generator some of whose layers WebGPU would leave to the CPU, as it does without a word otherwise.
const WHOLE = { session: { disable_cpu_ep_fallback: "1" } };
const LAYERS = "fallback to CPU EP"; // how ONNX Runtime says that it refused one for this reason

export async function loadWebGpu(softwareAllowed) {
  if (!navigator.gpu) throw new Error("noWebGpu:");
  if (!("Suspending" in WebAssembly)) throw new Error("noSuspending:");
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error("noAdapter:");
  const software = adapter.info.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  if (software && !softwareAllowed) throw new Error(`softwareAdapter:${nameOf(adapter.info)}`);
  const ort = await import("./ort/ort.jspi.min.mjs");
  ort.env.webgpu.powerPreference = "high-performance";

  let problem = null; // what the device says outside a run's own answer: what that run computed is not to be trusted
  let device = null;

  async function create(model) {
    const options = { executionProviders: ["webgpu"], extra: WHOLE, logSeverityLevel: 4 };
    let session;
    try {
      session = await ort.InferenceSession.create(model, options);
    } catch (error) {
      throw error.message.includes(LAYERS) ? new Error("layers:") : error;
    }
    if (device === null) {
      device = await ort.env.webgpu.device;
      device.addEventListener("uncapturederror", ({ error }) => (problem ??= error.message));
      device.lost.then(() => (problem = "lost:"));
    }
    return session;
  }

  async function run(session, feed) {
    let failure = null;
    const outputs = await session.run(feed).catch((error) => (failure = error));
    if (failure !== null) await new Promise((resolve) => setTimeout(resolve, 200)); // the loss is told after its consequences
    if (problem !== null) throw new Error(problem);
    if (failure !== null) throw failure;
    return outputs;
  }

  return { ort, create, run, adapter: nameOf(adapter.info) };
}

// Browsers keep parts of it to themselves; what they give is such as "nvidia ampere".
function nameOf({ description, vendor, architecture }) {
  return description || [vendor, architecture].filter(Boolean).join(" ") || "?";
}
