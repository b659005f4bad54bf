// Questions to the worker, each with its answer as a promise.

const worker = new Worker("worker.js", { type: "module" });
const waiting = new Map();
let requests = 0;
let broken = null;

worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  error === undefined ? resolve(result) : reject(new Error(error));
};

// The worker or what it imports could not be loaded: nobody would ever answer.
worker.onerror = (event) => {
  broken = new Error(event.message || "worker.js, or what it imports, could not be loaded");
  for (const { reject } of waiting.values()) reject(broken);
  waiting.clear();
};

export function ask(action, rest) {
  return new Promise((resolve, reject) => {
    if (broken !== null) return reject(broken);
    waiting.set(++requests, { resolve, reject });
    worker.postMessage({ id: requests, action, ...rest });
  });
}
