// Questions to a worker, each with its answer as a promise.

export function startWorker(address) {
  const worker = new Worker(address, { type: "module" });
  const waiting = new Map();
  let requests = 0;
  let broken = null;

  worker.onmessage = ({ data: { id, result, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    error === undefined ? resolve(result) : reject(new Error(error));
  };

  // After this, nobody would ever answer.
  function fail(error) {
    broken = error;
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  worker.onerror = (event) => fail(new Error(event.message || "worker.js, or what it imports, could not be loaded"));

  function ask(action, rest) {
    return new Promise((resolve, reject) => {
      if (broken !== null) return reject(broken);
      waiting.set(++requests, { resolve, reject });
      worker.postMessage({ id: requests, action, ...rest });
    });
  }

  function stop(error) {
    worker.terminate();
    fail(error);
  }

  return { ask, stop };
}
