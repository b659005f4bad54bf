// The page's own files: fetched, and checked before they are parsed.

const SEAL = /"gansample\.seal": "([0-9a-f]{64})"/g; // as gansample/bundle/seal.py: the file's SHA-256 with these digits as zeros

export async function fetchBytes(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} (HTTP ${answer.status})`);
  return new Uint8Array(await answer.arrayBuffer());
}

export async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) throw new Error("insecure:");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The folders of the generators, of which there is at least one.
export async function readIndex() {
  const text = new TextDecoder().decode(await fetchBytes("bundles.json"));
  let names;
  try {
    names = JSON.parse(text);
  } catch (error) {
    throw new Error(`bundles.json: ${error.message}`);
  }
  if (!Array.isArray(names) || names.length === 0 || !names.every((name) => typeof name === "string" && name !== "")) {
    throw new Error("bundles.json holds no names");
  }
  return names;
}

// A JSON file that carries its own digest, so that no name in it can change unnoticed.
export async function readSealed(path) {
  const text = new TextDecoder().decode(await fetchBytes(path));
  const seals = [...text.matchAll(SEAL)].map((found) => found[1]);
  const blank = text.replace(SEAL, (whole, seal) => whole.replace(seal, "0".repeat(64)));
  if (seals.length !== 1 || (await sha256(new TextEncoder().encode(blank))) !== seals[0]) throw new Error(`damaged: ${path}`);
  return JSON.parse(text);
}
