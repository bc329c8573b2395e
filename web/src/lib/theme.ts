/** Theme of the page; "system" follows the browser. */
export type Theme = 'light' | 'dark' | 'system';

const key = 'edgeway.theme';
const darkClass = 'pf-v6-theme-dark';

/** The user's choice, "system" when there is none. */
export function storedTheme(): Theme {
  const t = localStorage.getItem(key);
  return t === 'light' || t === 'dark' ? t : 'system';
}

/** Shows a theme and remembers it. */
export function applyTheme(t: Theme): void {
  if (t === 'system') localStorage.removeItem(key);
  else localStorage.setItem(key, t);
  document.documentElement.classList.toggle(darkClass, isDark(t));
}

/** Whether a theme is dark right now. */
export function isDark(t: Theme): boolean {
  return t === 'dark' || (t === 'system' && window.matchMedia?.('(prefers-color-scheme: dark)').matches === true);
}
