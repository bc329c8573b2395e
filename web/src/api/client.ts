import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

/** Types of the API by name. */
export type Schemas = components['schemas'];
export type ApiErrorBody = Schemas['Error'];
export type Problem = Schemas['Problem'];

/** An answer that is not a success. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly body: Partial<ApiErrorBody>,
  ) {
    super(body.message ?? `HTTP ${status}`);
  }

  get code(): string {
    return this.body.code ?? `HTTP${this.status}`;
  }
}

let lastInput = Date.now();
for (const event of ['pointerdown', 'keydown', 'wheel']) {
  window.addEventListener(event, () => (lastInput = Date.now()), { passive: true });
}

/** Nobody has touched the page for this long: its requests keep no session alive. */
const idleAfter = 60_000;

type Listener = () => void;
const signedOut = new Set<Listener>();

/** Calls f when the server says that nobody is signed in. */
export function onSignedOut(f: Listener): () => void {
  signedOut.add(f);
  return () => signedOut.delete(f);
}

/** Has the session looked at again: the server has closed a stream because it is over. */
export function sessionOver(): void {
  signedOut.forEach((f) => f());
}

export const api = createClient<paths>({ baseUrl: window.location.origin });

api.use({
  onRequest({ request }) {
    if (Date.now() - lastInput > idleAfter) request.headers.set('X-Edgeway-Idle', '1');
    return request;
  },
  onResponse({ response, schemaPath }) {
    if (response.status === 401 && schemaPath !== '/api/v1/session') sessionOver();
    return undefined;
  },
});

/** The data of an answer, or an ApiError. */
export async function data<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data: body, error, response } = await call;
  if (error !== undefined || !response.ok) {
    throw new ApiError(response.status, typeof error === 'object' && error !== null ? error : {});
  }
  return body as T;
}
