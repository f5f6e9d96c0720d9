// A client of warder's POST /v1/keys:verify in one file without dependencies, for
// Node 18 and later, Deno, Bun and workers. Copy it. It is an ES module: for Node the
// package.json beside it, or above it, has to say "type": "module", as the one here does.
//
//   const warder = new Warder({ server: "https://keys.example.com", token });
//   const verdict = await warder.verify({ key, method: "GET", target: "/orders/17", address });
//   if (!verdict.valid) return respond(verdict.status, verdict.code);
//
// A verdict is all that verify returns. Whatever is no clear yes, a server that does
// not answer in time too, is a verdict that is not valid, with the code "unavailable"
// and the status 503. Never let such a request pass. It throws Misuse alone: the call
// itself says something that the API does not take, such as a scope that is none, which
// your tests find.

/** What a key is shown for. The server's document, GET /openapi.json, says the rest. */
export interface Use {
  /** The text of the key, as the client sent it. */
  key: string;
  /** Of the request that came with it, in upper case. */
  method?: string;
  /** Path and query of that request; with gateway also scheme and host before them. */
  target?: string;
  /** The IP address of the client, by the word of somebody whom you trust. */
  address?: string;
  /** The Origin field of that request. */
  origin?: string;
  /** The operation takes public keys. */
  public?: boolean;
  /** That the operation wants. */
  scopes?: string[];
  /** Credits that it costs. */
  cost?: number;
  /** Judge by the gateway's policy for the target; leave out public, scopes and cost. */
  gateway?: boolean;
  /** Say it, and spend nothing. */
  dry?: boolean;
}

export type Code =
  | "valid"
  | "invalid" // no such key, or one that is revoked, disabled or expired: 401
  | "forbidden" // not from this address, with this method, for this path: 403
  | "insufficient-scope" // 403
  | "rate-limited" // 429
  | "credits-exhausted" // 429
  | "refused" // the request itself: status says what
  | "unavailable"; // nobody knows: 503

export interface Principal {
  id: string;
  owner?: string;
  environment?: string;
  scopes: string[];
  plan?: string;
  expires?: string;
  /** The text is being replaced: the holder shall take the new one. */
  retiring?: boolean;
}

export interface Verdict {
  /** Let the request pass. */
  valid: boolean;
  /** Why, as the holder of the key may know it. */
  code: Code;
  /** What to answer the request with. */
  status: number;
  /** Why in more words, for your log. */
  reason?: string;
  /** What the holder may be told. */
  detail?: string;
  principal?: Principal;
  limits?: { name: string; count: number; per: string; burst: number; left: number }[];
  credits_remaining?: number;
  /** Seconds after which it passes. */
  retry_after?: number;
  /** With gateway: fields to answer with. */
  header?: Record<string, string>;
}

export interface Options {
  /** Base URL of the admin API. Plain http is for this machine alone: the token goes with each request. */
  server: string;
  /** A token that may keys:verify, such as an admin key of a developer. */
  token: string;
  /** Milliseconds for one answer, from the first byte to the last. Default 2000. */
  timeout?: number;
}

/** The API does not take what verify was called with. Nothing that was sent is repeated. */
export class Misuse extends Error {
  /** Each part that is wrong, and what is wanted instead. */
  readonly fields: { field: string; message: string }[];

  constructor(fields: { field: string; message: string }[]) {
    super("warder: " + fields.map((f) => `${f.field}: ${f.message}`).join("; "));
    this.name = "Misuse";
    this.fields = fields;
  }
}

const longestKey = 8192; // characters: the API takes no longer texts, of keys and of tokens
const longestAnswer = 1 << 20; // bytes

export class Warder {
  readonly #url: string;
  readonly #token: string;
  readonly #timeout: number;

  /** Throws when the options would send the token where others read it. */
  constructor(options: Options) {
    const url = new URL(options.server);
    const local = url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d+){3}$/.test(url.hostname);
    if (url.protocol !== "https:" && !(url.protocol === "http:" && local)) {
      throw new Error("warder: server: want https, or http on this machine");
    }
    if (url.username || url.password || url.search || url.hash || url.pathname !== "/") {
      throw new Error("warder: server: want a URL without user, path and query");
    }
    if (!/^[!-~]+$/.test(options.token)) {
      throw new Error("warder: the token is missing, or has blanks");
    }
    const timeout = options.timeout ?? 2000;
    if (!(timeout > 0 && timeout <= 60_000)) {
      throw new Error("warder: timeout: want 1 to 60000 milliseconds");
    }
    this.#url = new URL("/v1/keys:verify", url).href;
    this.#token = options.token;
    this.#timeout = timeout;
  }

  /** Says whether the request with this key may pass, and spends what it costs. */
  async verify(use: Use): Promise<Verdict> {
    if (typeof use.key !== "string" || use.key === "" || [...use.key].length > longestKey) {
      return { valid: false, code: "invalid", status: 401, reason: "malformed" };
    }
    let text: string;
    try {
      text = JSON.stringify(use);
    } catch {
      throw new Misuse([{ field: "use", message: "want what JSON can say" }]);
    }
    try {
      const answer = await fetch(this.#url, {
        method: "POST",
        headers: { Authorization: `Bearer ${this.#token}`, "Content-Type": "application/json", Accept: "application/json" },
        body: text,
        redirect: "error", // the token is for this server alone
        signal: AbortSignal.timeout(this.#timeout),
      });
      return judge(answer.status, answer.headers.get("Retry-After"), await read(answer));
    } catch (error) {
      if (error instanceof Misuse) throw error;
      return unavailable("no answer"); // what the error says may hold an address: it is not passed on
    }
  }
}

/** Reads the body as JSON, and no more of it than an answer has. */
async function read(answer: Response): Promise<any> {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let size = 0; reader; ) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > longestAnswer) {
      await reader.cancel();
      throw new Error("too long");
    }
    text += decoder.decode(value, { stream: true });
  }
  return JSON.parse(text + decoder.decode());
}

function unavailable(reason: string): Verdict {
  return { valid: false, code: "unavailable", status: 503, reason };
}

/** What a problem of the API's says is wrong; none when it is no such problem. */
function faults(body: any): { field: string; message: string }[] {
  if (body?.status !== 400 || typeof body.type !== "string" || !Array.isArray(body.errors)) return [];
  const all: any[] = body.errors.slice(0, 20);
  if (!all.every((e) => typeof e?.field === "string" && typeof e.message === "string")) return [];
  return all.map((e) => ({ field: e.field.slice(0, 200), message: e.message.slice(0, 200) }));
}

/** Takes an answer for a verdict only when it is one. */
function judge(status: number, retryAfter: string | null, body: any): Verdict {
  if (status === 200) {
    const passes = body?.valid === true && body.code === "valid" && body.status === 200;
    const refuses = body?.valid === false && typeof body.code === "string" && body.code !== "valid" && Number.isInteger(body.status) && body.status > 200 && body.status <= 599;
    return passes || refuses ? body : unavailable("no verdict");
  }
  const fields: unknown[] = Array.isArray(body?.errors) ? body.errors.map((e: any) => e?.field) : [];
  if (status === 400 && fields.length > 0 && fields.every((f) => f === "key")) {
    return { valid: false, code: "invalid", status: 401, reason: "malformed" };
  }
  if (status === 400 && fields.length > 0 && fields.every((f) => f === "target" || f === "method" || f === "origin" || f === "key")) {
    return { valid: false, code: "refused", status: 400, reason: "the request has what cannot be judged" };
  }
  const wrong = status === 400 ? faults(body) : [];
  if (wrong.length > 0) throw new Misuse(wrong);
  if (status === 429) {
    const wait = Number(retryAfter);
    return { valid: false, code: "rate-limited", status: 429, reason: "too many wrong keys", ...(wait > 0 ? { retry_after: wait } : {}) };
  }
  if (status === 401 || status === 403) {
    return unavailable(`the server refuses your token: it answered ${status}`); // it is not about the key
  }
  return unavailable(`the server answered ${status}`);
}
