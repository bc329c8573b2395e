import '@patternfly/react-core/dist/styles/base.css';
import './style.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App, askAhead, patience } from './app';
import { startI18n } from './lib/i18n';
import { applyTheme, storedTheme } from './lib/theme';

applyTheme(storedTheme());
const [texts, first] = [startI18n(), askAhead(window.location.pathname)];
await texts;
// Drawn once, as a whole, when its parts are there soon; the frame alone when they are not.
await Promise.race([first, new Promise((resolve) => setTimeout(resolve, patience))]);

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
