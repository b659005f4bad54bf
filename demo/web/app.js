// The page: sends what the controls ask for to the worker, and shows what it draws.

import { interpolate, latent, MIN_TRUNCATION, SEED_END } from "./latents.js";
import { toCanvas, toPng } from "./png.js";
import { localized, switchLanguage, translatePage } from "./texts.js";

const MAX_PICTURES = 64;
const $ = (id) => document.getElementById(id);
const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let requests = 0;
let about = null;
let picked = [];

worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  error === undefined ? resolve(result) : reject(new Error(error));
};

function ask(action, rest) {
  return new Promise((resolve, reject) => {
    waiting.set(++requests, { resolve, reject });
    worker.postMessage({ id: requests, action, ...rest });
  });
}

function state(key, more = "", kind = "") {
  $("state").textContent = `${localized(key)} ${more}`.trim();
  $("state").className = kind;
}

const clamp = (text, low, high, fallback) => {
  const value = Number(text);
  return text === null || text === "" || Number.isNaN(value) ? fallback : Math.min(Math.max(value, low), high);
};

// The values of the controls, clamped to their ranges.
function readControls() {
  const count = Math.round(clamp($("count").value, 1, MAX_PICTURES, 24));
  const seed = Math.floor(clamp($("seed").value, 0, SEED_END - count, 0));
  const typed = clamp($("truncation").value, 0, 3, 0);
  const truncation = typed >= MIN_TRUNCATION ? typed : 0;
  return { bundle: $("bundle").value, seed, count, label: $("class").value, truncation };
}

function labelOf(seed, label) {
  if (!about.classes) return null;
  return label === "" ? seed % about.classes.length : Number(label);
}

async function draw() {
  const { bundle, seed, count, label, truncation } = readControls();
  const seeds = Array.from({ length: count }, (_, i) => seed + i);
  const { size, distribution } = about.latent;
  const z = new Float32Array(count * size);
  seeds.forEach((each, i) => z.set(latent(each, size, distribution, truncation), i * size));
  const labels = seeds.map((each) => labelOf(each, label) ?? 0);
  const pixels = await ask("draw", { name: bundle, z, labels });
  $("pictures").replaceChildren(...seeds.map((each, i) => picture(pixels, i, each, labels[i], truncation)));
  const query = new URLSearchParams({ bundle, seed, n: count });
  if (label !== "") query.set("class", about.classes[label]);
  if (truncation) query.set("truncation", truncation);
  history.replaceState(null, "", `?${query}`);
}

function picture(pixels, index, seed, label, truncation) {
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
  button.addEventListener("click", (event) => (event.shiftKey ? pick(button, seed) : save(canvas, seed, label, truncation)));
  return button;
}

async function save(canvas, seed, label, truncation) {
  const metadata = { seeds: String(seed), model: about.name, model_sha256: about.sha256, backend: "onnxruntime-web" };
  if (about.classes) metadata.class = about.classes[label];
  if (truncation) metadata.truncation = truncation;
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
  const { bundle, label } = readControls();
  const { size, distribution } = about.latent;
  const [a, b] = picked.map((seed) => latent(seed, size, distribution));
  const z = interpolate(a, b, $("way").value / 100, distribution);
  const pixels = await ask("draw", { name: bundle, z, labels: [labelOf(picked[0], label) ?? 0] });
  const canvas = toCanvas(pixels, 0, about.image);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${picked[0]} → ${picked[1]} · ${$("way").value} %`);
  $("between").replaceChildren(canvas);
}

async function open(query = new URLSearchParams()) {
  state("opening");
  document.querySelectorAll("#controls input, #controls button").forEach((control) => (control.disabled = true));
  try {
    about = await ask("open", { name: $("bundle").value });
  } catch (error) {
    const damaged = error.message.startsWith("damaged:");
    $("pictures").replaceChildren();
    state(damaged ? "damaged" : "failed", damaged ? "" : error.message, "fail");
    return;
  }
  const every = new Option(localized("each"), "");
  every.dataset.text = "each";
  $("class").replaceChildren(every, ...(about.classes ?? []).map((name, label) => new Option(name, label)));
  $("class-row").hidden = !about.classes;
  const wanted = (about.classes ?? []).indexOf(query.get("class"));
  if (wanted >= 0) $("class").value = String(wanted);
  document.querySelectorAll("#controls input, #controls button").forEach((control) => (control.disabled = false));
  picked = [];
  $("morph").hidden = true;
  await draw();
  const verdict = await ask("verify", { name: $("bundle").value });
  const figures = `(${(100 * verdict.share).toFixed(3)} %, max ${verdict.maxStep})`;
  const basis = about.basis ? `· ${about.basis.join(" · ")}` : "";
  if (!verdict.pass) state("differs", figures, "fail");
  else if (about.assumed) state("assumed", `${figures} ${basis}`, "assumed");
  else state("verified", `${figures} ${basis}`, "pass");
}

async function start() {
  translatePage();
  const query = new URLSearchParams(location.search);
  const names = await (await fetch("bundles.json")).json();
  $("bundle").replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(query.get("bundle"))) $("bundle").value = query.get("bundle");
  $("count").value = clamp(query.get("n"), 1, MAX_PICTURES, 24);
  $("seed").value = clamp(query.get("seed"), 0, SEED_END - 1, 0);
  $("truncation").value = clamp(query.get("truncation"), 0, 3, 0);
  $("bundle").addEventListener("change", () => open());
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    draw();
  });
  for (const id of ["class", "count", "truncation"]) $(id).addEventListener("change", draw);
  $("roll").addEventListener("click", () => {
    $("seed").value = crypto.getRandomValues(new Uint32Array(1))[0] % (SEED_END - MAX_PICTURES);
    draw();
  });
  $("way").addEventListener("input", morph);
  $("language").addEventListener("click", () => {
    switchLanguage();
    draw();
  });
  await open(query);
}

start();
