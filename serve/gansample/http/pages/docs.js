// The page at /docs, made from /openapi.json: every request with its parameters, and a form that sends it.

import { element, request, show } from "./request.js";

const MAX_SHOWN = 4000; // characters of a response

let description;
let models = [];

/** <name class>children</name>; texts in `backticks` become code. */
function make(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.flatMap((child) => (typeof child === "string" ? prose(child) : [child])));
  return made;
}

function prose(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

/** An example of this service's own model and classes. */
function served(example) {
  const [model] = models;
  const own = { ...example };
  if (own.model && model) own.model = model.id;
  if (own.class && model) own.class = model.classes?.[0];
  return own;
}

const resolved = (schema) => (schema.$ref ? description.components.schemas[schema.$ref.split("/").pop()] : schema);

/** In words: "integer, 0 to 4294967295", "text or list of integer". */
function kind(schema) {
  const forms = (schema.anyOf ?? [schema]).filter((form) => form.type !== "null");
  return [...new Set(forms.map(one))].join(" or ");
  function one(form) {
    if (form.enum ?? form.const) return (form.enum ?? [form.const]).join(" | ");
    if (form.type === "array") return `list of ${kind(form.items)}`;
    const least = form.minimum ?? form.exclusiveMinimum;
    const most = form.maximum ?? (form.exclusiveMaximum !== undefined ? form.exclusiveMaximum - 1 : undefined);
    const range = most !== undefined ? `, ${least ?? "up"} to ${most}` : least !== undefined ? `, at least ${least}` : "";
    return (form.type === "string" ? "text" : (form.type ?? "anything")) + range;
  }
}

function table(rows) {
  const body = make("tbody", "", ...rows.map((cells) => make("tr", "", ...cells.map((cell) => make("td", "", cell)))));
  return make("div", "table", make("table", "", body));
}

function about(schema) {
  const given = schema.default !== undefined && schema.default !== null ? ` Default: \`${schema.default}\`.` : "";
  return (schema.description ?? "") + given;
}

function operation(path, method, details) {
  const form = make("form", "operation");
  const inputs = new Map();
  if (details.description) form.append(make("p", "", details.description));
  const rows = (details.parameters ?? []).map((parameter) => {
    const input = make("input", "");
    input.ariaLabel = parameter.name;
    input.placeholder = String(parameter.schema.default ?? parameter.schema.examples?.[0] ?? "");
    if (parameter.required) input.value = parameter.schema.examples?.[0] ?? models[0]?.id ?? "";
    inputs.set(parameter, input);
    return [`\`${parameter.name}\``, kind(parameter.schema), about(parameter.schema), input];
  });
  if (rows.length) form.append(table(rows));
  const content = details.requestBody?.content["application/json"];
  let body;
  if (content) {
    const schema = resolved(content.schema);
    const fields = Object.entries(schema.properties ?? {});
    form.append(table(fields.map(([name, field]) => [`\`${name}\``, kind(field), about(field)])));
    body = make("textarea", "");
    body.ariaLabel = "Body";
    body.value = JSON.stringify(served(content.example ?? schema.example ?? {}), null, 2);
    form.append(body);
  }
  const [picture, text] = [make("img", ""), make("pre", "")];
  picture.hidden = text.hidden = true;
  const problem = make("p", "problem");
  problem.role = "alert";
  form.append(make("button", "", "Send"), problem, picture, text);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    picture.hidden = text.hidden = true;
    const content = body ? { body: body.value, headers: { "Content-Type": "application/json" } } : {};
    const response = await request(address(path, inputs), { method: method.toUpperCase(), ...content }, problem);
    if (!response) return;
    if (response.headers.get("Content-Type")?.startsWith("image/")) return show(response, picture);
    const received = await response.text();
    text.textContent = `${response.status} ${received.slice(0, MAX_SHOWN)}${received.length > MAX_SHOWN ? " …" : ""}`;
    text.hidden = false;
  });
  const title = make("summary", "", make("b", "", method.toUpperCase()), make("code", "", path));
  return make("details", "", title, form);
}

function address(path, inputs) {
  const query = new URLSearchParams();
  let filled = path.slice(1);
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value) query.set(parameter.name, input.value);
  }
  return query.size ? `${filled}?${query}` : filled;
}

async function load() {
  const response = await request("openapi.json");
  if (!response) return;
  description = await response.json();
  models = (await (await request("v1/models"))?.json())?.data ?? [];
  element("token-field").hidden = !element("token").value;
  const groups = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const [method, details] of Object.entries(methods)) {
      const tag = details.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), operation(path, method, details)]);
    }
  }
  const sections = [...groups].flatMap(([tag, operations]) => [make("h2", "", tag), ...operations]);
  element("operations").replaceChildren(...sections);
  element("operations").querySelector("details").open = true;
}

element("token-field").addEventListener("submit", (event) => {
  event.preventDefault();
  load();
});
load();
