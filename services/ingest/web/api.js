// Calls to the HTTP API; errors come back as one kind with a code and words.

export class ApiError extends Error {
  constructor(code, detail, { status = 0, retryAfter = null } = {}) {
    super(detail);
    this.code = code;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Builds the error of an answer that was not a success from its status, its text and its Retry-After (seconds). */
export function problemOf(status, text, retryAfter) {
  let document = {};
  try {
    document = JSON.parse(text);
  } catch {
    document = {}; // a proxy in between answers in HTML
  }
  const seconds = Number.parseFloat(retryAfter);
  return new ApiError(
    document.code ?? `http_${status}`,
    document.detail ?? document.title ?? `The server answered ${status}.`,
    {
      status,
      retryAfter: Number.isFinite(seconds) ? seconds : null,
    },
  );
}

// No answer at all, too much at once, or a gateway whose service restarts.
const PASSING = [0, 429, 502, 503, 504];

/** Whether the same request may well succeed in a moment. */
export const isPassing = (error) => PASSING.includes(error.status);

export const unreachable = () => new ApiError("unreachable", "Darkroom cannot be reached.");

/** The answer of a success; raises ApiError, and goes to the page that asks for a key where one is needed. */
async function ask(method, path, options = {}) {
  let response;
  try {
    response = await fetch(path, { method, headers: { Accept: "application/json" }, ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (response.status === 401) askForKey();
  if (!response.ok) throw problemOf(response.status, await response.text(), response.headers.get("Retry-After"));
  return response;
}

async function call(method, path, options) {
  const response = await ask(method, path, options);
  return response.status === 204 ? null : response.json().catch(() => null);
}

/** Whether an address answers: raises ApiError when it does not. What it answers is not read, it may be without an end. */
export async function knock(path) {
  const enough = new AbortController();
  await ask("GET", path, { signal: enough.signal });
  enough.abort();
}

export const get = (path, options) => call("GET", path, options);
export const post = (path) => call("POST", path);
export const remove = (path) => call("DELETE", path);

const SIGN_IN = "/sign-in";

/** Goes to the page that asks for an API key, which comes back here. */
export function askForKey() {
  if (location.pathname === SIGN_IN) return;
  location.assign(`${SIGN_IN}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** Hands an API key over and gets it back as a cookie. */
export const signIn = (key) => call("POST", "/v1/session", { headers: { Authorization: `Bearer ${key}` } });

/** Who is signed in, and where to sign out. */
function showAccount({ keys, owner }) {
  const link = Object.assign(document.createElement("a"), { href: SIGN_IN, className: "owner", textContent: owner });
  link.ariaLabel = `Account: ${owner}`;
  if (keys) document.querySelector(".top nav").append(link);
}

// Before work is put into a page that could not send it. What else may be wrong the page finds out by itself.
if (location.pathname !== SIGN_IN) get("/v1/session").then(showAccount, () => {});
