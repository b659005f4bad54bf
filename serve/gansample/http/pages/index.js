// The page at /: choose a model, seeds and a class, see the pictures.

import { element, request, show } from "./request.js";

let models = [];

const chosen = () => models.find((model) => model.id === element("model").value) ?? models[0];

function option(value, text = value) {
  const made = document.createElement("option");
  [made.value, made.textContent] = [value, text];
  return made;
}

async function load() {
  const response = await request("v1/models");
  if (!response) return false;
  models = (await response.json()).data;
  element("model").replaceChildren(...models.map((model) => option(model.id)));
  describe();
  return true;
}

function describe() {
  const { image, classes, latent, mapping } = chosen();
  const colours = { 1: "Grey", 2: "Grey with transparency", 3: "Colour", 4: "Colour with transparency" }[image.channels];
  const among = classes ? `, ${classes.length} classes` : "";
  element("facts").textContent = `${colours}, ${image.width}×${image.height} pixels${among}, latents of ${latent.size} numbers.`;
  element("class-field").hidden = !classes;
  element("psi-field").hidden = !mapping;
  // By number: a name may have a comma, which is what separates several.
  element("class").replaceChildren(option("", "each seed's own"), ...(classes ?? []).map((name, label) => option(label, name)));
}

async function draw() {
  for (const id of ["picture", "again", "command"]) element(id).hidden = true;
  if (!models.length && !(await load())) return;
  const query = new URLSearchParams({ seeds: element("seeds").value, model: chosen().id });
  if (element("class").value) query.set("class", element("class").value);
  if (chosen().mapping && element("psi").value !== "1") query.set("psi", element("psi").value);
  const address = `v1/images?${query}`;
  const response = await request(address);
  if (!response) return;
  await show(response, element("picture"));
  element("picture").alt = `Seeds ${query.get("seeds")} of ${query.get("model")}`;
  const secret = element("token").value ? ' -H "Authorization: Bearer $TOKEN"' : "";
  element("command").textContent = `curl${secret} '${new URL(address, document.baseURI)}' -o pictures.png`;
  element("again").hidden = element("command").hidden = false;
}

element("controls").addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
element("model").addEventListener("change", () => {
  describe();
  draw();
});
for (const id of ["class", "psi"]) element(id).addEventListener("change", draw);
draw();
