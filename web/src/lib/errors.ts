import i18n from 'i18next';

/** What the server says of an error. */
export interface ErrorText {
  code?: string;
  message?: string;
  remedy?: string;
}

function translated(code: string | undefined, part: 'cause' | 'remedy'): string | undefined {
  const key = `errors.${code}.${part}`;
  return code && i18n.exists(key) ? i18n.t(key) : undefined;
}

/**
 * Cause and remedy in the user's language. The server speaks English; texts of other
 * languages are found by the error's code, and the server's message, which has the
 * values, stands behind them.
 */
export function explain(error: ErrorText): { message: string; remedy?: string } {
  const cause = translated(error.code, 'cause');
  const message = error.message ?? '';
  return { message: cause && message ? `${cause}（${message}）` : (cause ?? message), remedy: translated(error.code, 'remedy') ?? error.remedy };
}
