// The page: sends what the controls ask for to the worker, and shows what it draws.

import { readIndex } from "./files.js";
import { interpolate, latent, MIN_TRUNCATION, SEED_END } from "./latents.js";
import { toCanvas, toPng } from "./png.js";
import * as runtime from "./runtime.js";
import { localized, switchLanguage, translatePage, whyNotWebGpu } from "./texts.js";

const MAX_PICTURES = 64;
const DEFAULTS = { seed: 0, count: 24, truncation: 0, psi: 1 };
const $ = (id) => document.getElementById(id);
let about = null;
let picked = [];
let shown = ["opening"]; // the last state, to say it in the other language
let verified = null; // of the generator that is shown: the share of equal values, and the largest difference
let openings = 0;

function state(key, more = "", kind = "") {
  shown = [key, more, kind];
  const text = localized(key);
  $("state").textContent = text.includes("#") ? text.replace("#", more) : `${text} ${more}`.trim();
  $("state").className = kind;
}

const complain = (...lines) => ($("problem").textContent = lines.join(" "));

// A number as it was typed, or null where it is none that `id` takes.
function parse(id, text) {
  const value = Number(text);
  const [low, high] = { count: [1, MAX_PICTURES], seed: [0, SEED_END - 1], truncation: [0, 3], psi: [-2, 2] }[id];
  if (text.trim() === "" || !(value >= low && value <= high)) return null;
  if (id === "truncation") return value === 0 || value >= MIN_TRUNCATION ? value : null;
  return id === "psi" || Number.isInteger(value) ? value : null;
}

// The values of the controls, or null after the page has said which of them cannot be drawn.
function readControls() {
  complain();
  const values = Object.fromEntries(Object.keys(DEFAULTS).map((id) => [id, parse(id, $(id).value)]));
  const wrong = Object.keys(values).filter((id) => values[id] === null);
  if (wrong.length > 0) {
    complain(...wrong.map((id) => localized(`${id}Range`)));
    return null;
  }
  const last = SEED_END - values.count;
  if (values.seed > last) {
    complain(`${localized("seedRoom")} ${last}`);
    $("seed").value = values.seed = last;
  }
  return { ...values, bundle: $("bundle").value, label: $("class").value };
}

function labelOf(seed, label) {
  if (!about.classes) return null;
  return label === "" ? seed % about.classes.length : Number(label);
}

// The GPU may give up at any time: WebAssembly draws these pixels then, and has to prove itself.
async function pixelsOf(name, z, labels, how) {
  const before = runtime.placeOf(name);
  try {
    return await runtime.draw(name, z, labels, how);
  } finally {
    if (runtime.placeOf(name) !== before && name === $("bundle").value) sayVerdict(openings);
  }
}

async function draw() {
  if ($("draw").disabled) return; // another generator is being opened, and will be drawn
  const asked = readControls();
  if (asked === null) return;
  const { bundle, seed, count, label, truncation, psi } = asked;
  const seeds = Array.from({ length: count }, (_, i) => seed + i);
  const { size, distribution } = about.latent;
  const z = new Float32Array(count * size);
  seeds.forEach((each, i) => z.set(latent(each, size, distribution, truncation), i * size));
  const labels = seeds.map((each) => labelOf(each, label) ?? 0);
  let pixels;
  try {
    pixels = await pixelsOf(bundle, z, labels, { psi });
  } catch (error) {
    complain(localized("failed"), error.message);
    return;
  }
  const adapter = runtime.placeOf(bundle)?.adapter;
  $("pictures").replaceChildren(...seeds.map((each, i) => picture(pixels, i, each, labels[i], { truncation, psi }, adapter)));
  const query = new URLSearchParams({ bundle, seed, n: count });
  if (label !== "") query.set("class", about.classes[label]);
  if (truncation) query.set("truncation", truncation);
  if (psi !== 1) query.set("psi", psi);
  if (runtime.softwareAllowed) query.set("adapter", "software");
  history.replaceState(null, "", `?${query}`);
}

function picture(pixels, index, seed, label, how, adapter) {
  const canvas = toCanvas(pixels, index, about.image);
  const caption = about.classes ? `${localized("seed")} ${seed} · ${about.classes[label]}` : `${localized("seed")} ${seed}`;
  const button = document.createElement("button");
  button.className = "print";
  button.dataset.seed = seed;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption);
  const text = document.createElement("span");
  text.textContent = caption;
  button.append(canvas, text);
  button.addEventListener("click", (event) => (event.shiftKey ? pick(button, seed) : save(canvas, seed, label, how, adapter)));
  return button;
}

async function save(canvas, seed, label, { truncation, psi }, adapter) {
  const metadata = { seeds: String(seed), model: about.name, model_sha256: about.sha256, backend: "onnxruntime-web" };
  if (adapter) Object.assign(metadata, { backend: "onnxruntime-webgpu", device: adapter });
  if (about.classes) metadata.class = about.classes[label];
  if (truncation) metadata.truncation = truncation;
  if (psi !== 1) metadata.psi = psi;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await toPng(canvas, { ...metadata, variant: "onnx-fp32", version: about.version }));
  link.download = `seed${String(seed).padStart(7, "0")}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function pick(button, seed) {
  picked = [...picked.filter((each) => each !== seed), seed].slice(-2);
  for (const print of document.querySelectorAll(".print")) {
    print.classList.toggle("picked", picked.includes(Number(print.dataset.seed)));
  }
  $("morph").hidden = picked.length < 2;
  if (picked.length === 2) morph();
}

async function morph() {
  if ($("draw").disabled) return;
  const [bundle, label] = [$("bundle").value, $("class").value];
  const { size, distribution } = about.latent;
  const [a, b] = picked.map((seed) => latent(seed, size, distribution));
  const way = $("way").value / 100;
  const [first, second] = picked.map((seed) => labelOf(seed, label) ?? 0);
  // As gansample's walks: straight from style to style where there are some, else along the sphere of the latents.
  const pixels = about.mapping
    ? await pixelsOf(bundle, Float32Array.of(...a, ...b), [first, first], { psi: Number($("psi").value), way })
    : await pixelsOf(bundle, interpolate(a, b, way, distribution), [first]);
  const canvas = toCanvas(pixels, 0, about.image);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${picked[0]} → ${picked[1]} · ${$("way").value} %`);
  const note = document.createElement("p");
  if (first !== second) note.textContent = localized("oneClass").replace("#", () => about.classes[first]);
  $("between").replaceChildren(canvas, note);
}

function sayPsi() {
  $("psi-shown").value = $("psi").value;
}

function enable(on) {
  for (const control of document.querySelectorAll("#controls input, #controls button")) control.disabled = !on;
}

async function open(query = new URLSearchParams()) {
  const mine = ++openings;
  state("opening");
  verified = null;
  sayFigures();
  $("runtime").textContent = "";
  enable(false);
  try {
    const found = await runtime.openGenerator($("bundle").value);
    if (mine !== openings) return; // another one was chosen meanwhile
    about = found;
  } catch (error) {
    if (mine === openings) fail(error);
    return;
  }
  facts();
  const every = new Option(localized("each"), "");
  every.dataset.text = "each";
  $("class").replaceChildren(every, ...(about.classes ?? []).map((name, label) => new Option(name, label)));
  $("class-row").hidden = !about.classes;
  $("psi-row").hidden = !about.mapping;
  if (!about.mapping) $("psi").value = 1;
  sayPsi();
  const wanted = (about.classes ?? []).indexOf(query.get("class"));
  if (wanted >= 0) $("class").value = String(wanted);
  enable(true);
  picked = [];
  $("morph").hidden = true;
  await draw();
  if ([...query].length > 0) sayWhatCannotBeShown(query, wanted);
  await sayVerdict(mine);
}

async function sayVerdict(mine) {
  const name = $("bundle").value;
  let verdict;
  try {
    verdict = await runtime.verify(name);
  } catch (error) {
    if (mine === openings) fail(error);
    return;
  }
  if (mine !== openings) return;
  const { adapter } = runtime.placeOf(name);
  const kind = !verdict.pass ? "fail" : about.assumptions?.length ? "assumed" : "pass";
  const where = adapter ? `WebGPU (${adapter})` : "WebAssembly";
  state({ fail: "differs", assumed: "assumed", pass: "verified" }[kind], kind === "fail" ? "" : where, kind);
  verified = verdict;
  sayFigures();
  sayWhyNotWebGpu();
}

function sayFigures() {
  const lines = [];
  if (verified !== null) {
    const share = (Math.floor(1e5 * verified.share) / 1e3).toFixed(3); // 100 is all of them
    lines.push(localized("figures").replace("#", share).replace("#", verified.maxStep).replace("#", () => about.reference));
    if (about.assumptions === null) lines.push(localized("notRecorded"));
    else if (about.assumptions.length === 0) lines.push(localized("nothingAssumed"));
    else lines.push(...about.assumptions.map((fact) => localized("assumption").replace("#", () => fact)));
    if (about.compared > 0) lines.push(localized("compared").replace("#", about.compared));
  }
  $("basis").textContent = lines.join(" · ");
}

function sayWhyNotWebGpu() {
  const { reason } = runtime.placeOf($("bundle").value) ?? {};
  $("runtime").textContent = reason === undefined ? "" : whyNotWebGpu(reason);
}

// Nothing can be drawn: why, in place of the pictures.
function fail(error) {
  const known = ["damaged", "insecure"].find((key) => error.message.startsWith(`${key}:`));
  $("pictures").replaceChildren();
  $("facts").textContent = $("runtime").textContent = "";
  if (known === undefined) state("failed", error.message, "fail");
  else state(known, error.message.slice(known.length + 1), "fail");
}

function facts() {
  const { height, width, channels } = about.image;
  const mode = localized(["grey", "greyAlpha", "colour", "colourAlpha"][channels - 1]);
  $("facts").textContent = `${width} × ${height} px, ${mode}${localized("latent").replace("#", about.latent.size)}`;
}

// An address may be typed, or come from a page with other bundles.
function sayWhatCannotBeShown(query, label) {
  const asked = { bundle: $("bundle").value, n: $("count").value, seed: $("seed").value, truncation: $("truncation").value, psi: $("psi").value };
  const same = (key) => query.get(key) === asked[key] || Number(query.get(key) || NaN) === Number(asked[key]);
  const wrong = Object.keys(asked).filter((key) => query.has(key) && !same(key));
  if (query.has("class") && label < 0) wrong.push("class");
  if (query.has("adapter") && !runtime.softwareAllowed) wrong.push("adapter");
  const quoted = wrong.map((key) => `${key}=${query.get(key).slice(0, 40)}`).join(", ");
  if (wrong.length > 0) complain($("problem").textContent, localized("address"), quoted);
}

async function start() {
  translatePage();
  enable(false);
  const query = new URLSearchParams(location.search);
  $("language").addEventListener("click", () => {
    switchLanguage();
    state(...shown);
    if (about !== null) {
      facts();
      sayFigures();
      sayWhyNotWebGpu();
      draw();
      if (!$("morph").hidden) morph();
    }
  });
  let names;
  try {
    names = await readIndex();
  } catch (error) {
    state("index", `(${error.message})`, "fail");
    return;
  }
  $("bundle").replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(query.get("bundle"))) $("bundle").value = query.get("bundle");
  for (const [id, key] of [["count", "n"], ["seed", "seed"], ["truncation", "truncation"], ["psi", "psi"]]) {
    $(id).value = parse(id, query.get(key) ?? "") ?? DEFAULTS[id];
  }
  $("bundle").addEventListener("change", () => open());
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  for (const id of ["class", "count", "truncation", "psi"]) $(id).addEventListener("change", draw);
  $("roll").addEventListener("click", () => {
    $("seed").value = crypto.getRandomValues(new Uint32Array(1))[0] % (SEED_END - MAX_PICTURES);
    draw();
  });
  $("psi").addEventListener("input", sayPsi);
  $("psi").addEventListener("change", () => $("morph").hidden || morph());
  $("way").addEventListener("input", morph);
  await open(query);
}

start();
