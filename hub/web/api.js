/**
 * The hub's REST calls. Every failure is one of two: the hub said no (`ApiError`), or nobody answered
 * (`Unreachable`).
 */

const WITHIN_MS = 15_000;

/** The hub said no; `message` is a sentence for a person. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} code an error code of the protocol
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(status, code, message, retryAfterMs) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Nobody answered: no network, or no hub. */
export class Unreachable extends Error {
  constructor() {
    super("The hub cannot be reached right now. Check your connection and try again.");
    this.name = "Unreachable";
  }
}

/**
 * One call.
 * @param {string} method
 * @param {string} path from `/v1` on, with its query
 * @param {{body?: object, token?: string, cache?: RequestCache}} [options] *cache*: what the hub says may be kept is looked up anew unless told otherwise
 * @returns {Promise<any>} the decoded answer, or null for an empty one; rejects with `ApiError` or `Unreachable`
 */
export async function call(method, path, { body, token, cache = "no-store" } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  let response;
  let text;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache,
      credentials: "omit",
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  const answer = decode(text);
  if (response.ok) return answer;
  throw refusal(response.status, answer);
}

function decode(text) {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page, not the hub's answer
  }
}

function refusal(status, problem) {
  const message = problem?.detail ?? problem?.message ?? problem?.title;
  if (problem?.code === undefined && status >= 502) return new Unreachable();
  return new ApiError(
    status,
    problem?.code ?? "internal",
    message ?? "Something went wrong at the hub. Try again in a moment.",
    problem?.retry_after_ms,
  );
}

/** Calls as one person: with their token, renewed once if the hub does not take it any more. */
export class Api {
  #identity;

  /** @param {import("./identity.js").Identity} identity */
  constructor(identity) {
    this.#identity = identity;
  }

  /** As `call`; also rejects with `SignedOut`. */
  async call(method, path, body) {
    const token = await this.#identity.token({ isFresh: false });
    try {
      return await call(method, path, { body, token });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error;
    }
    return call(method, path, { body, token: await this.#identity.token({ isFresh: true }) });
  }

  get(path) {
    return this.call("GET", path);
  }

  /** All items of a list, page by page, at most *most* of them. */
  async all(path, most = 1000) {
    const items = [];
    let cursor = null;
    do {
      const query = new URLSearchParams({ limit: "100", ...(cursor ? { cursor } : {}) });
      const page = await this.get(`${path}?${query}`);
      items.push(...page.items);
      cursor = page.next ?? null;
    } while (cursor !== null && items.length < most);
    return items;
  }
}
