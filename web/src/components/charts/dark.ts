import { useSyncExternalStore } from 'react';

function subscribe(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['class'] });
  return () => observer.disconnect();
}

/** Whether the page is dark, as it changes: a canvas does not follow style sheets. */
export function useDark(): boolean {
  return useSyncExternalStore(subscribe, () => document.documentElement.classList.contains('pf-v6-theme-dark'));
}

/** Colors of the first, second and third line, with enough contrast on either theme. */
export const palette = { light: ['#0066cc', '#b1380b', '#3d7317'], dark: ['#4aa3ff', '#f5a623', '#87bb62'] };
/** Lines differ in more than color. */
export const dashes = [[], [6, 4], [2, 3]];
