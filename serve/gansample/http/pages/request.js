// Requests of the two pages: with the token where the service asks for one, and with its own words where it refuses.

const token = document.getElementById("token");

export const element = (id) => document.getElementById(id);

/** A response, or null after its refusal was shown in `problem`. */
export async function request(path, options = {}, problem = element("problem")) {
  problem.textContent = "";
  const headers = { ...options.headers, ...(token.value ? { Authorization: `Bearer ${token.value}` } : {}) };
  try {
    const response = await fetch(path, { ...options, headers });
    if (response.ok) return response;
    if (response.status === 401) {
      element("token-field").hidden = false;
      token.focus();
    }
    const { error } = await response.json();
    problem.textContent = response.status === 401 && !token.value ? "This service asks for a token." : error.message;
  } catch {
    problem.textContent = "The service does not answer.";
  }
  return null;
}

/** Show the picture of a response. */
export async function show(response, picture) {
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(await response.blob());
  picture.hidden = false;
}
