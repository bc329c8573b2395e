import '@patternfly/react-core/dist/styles/base.css';
import './style.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App, askAhead } from './app';
import { startI18n } from './lib/i18n';
import { applyTheme, storedTheme } from './lib/theme';

applyTheme(storedTheme());
const texts = startI18n();
askAhead(window.location.pathname);
await texts;

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
