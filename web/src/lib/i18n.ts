import i18n from 'i18next';
import { initReactI18next } from 'react-i18next';
import en from '../locales/en.json';

/** Languages of the console, as they call themselves. */
export const languages = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof languages;

const key = 'edgeway.language';

function preferred(): Language {
  const stored = localStorage.getItem(key);
  if (stored === 'en' || stored === 'zh') return stored;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

/** English is there at once; another language is loaded when it is wanted. */
const load = {
  en: () => Promise.resolve({ default: en }),
  // The server's errors are English already.
  zh: () => Promise.all([import('../locales/zh.json'), import('../locales/errors/zh.json')]).then(([pages, errors]) => ({ default: { ...pages.default, ...errors.default } })),
};

/** Texts that only some pages need. */
const parts = {
  logs: { en: () => import('../locales/logs/en.json'), zh: () => import('../locales/logs/zh.json') },
};
type Part = keyof typeof parts;
const needed = new Set<Part>();

async function addPart(part: Part, language: Language): Promise<void> {
  i18n.addResourceBundle(language, 'translation', (await parts[part][language]()).default, true);
}

let isStarted: () => void;
const started = new Promise<void>((resolve) => {
  isStarted = resolve;
});

/** A page together with the texts that only it needs. */
export async function withTexts<T>(part: Part, page: Promise<T>): Promise<T> {
  needed.add(part);
  await started;
  const language = i18n.language === 'zh' ? 'zh' : 'en';
  const [loaded] = await Promise.all([page, addPart(part, language)]);
  return loaded;
}

async function use(language: Language): Promise<void> {
  if (!i18n.hasResourceBundle(language, 'translation')) {
    i18n.addResourceBundle(language, 'translation', (await load[language]()).default);
  }
  for (const part of needed) await addPart(part, language);
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en';
}

/** Shows the preferred language. */
export async function startI18n(language: Language = preferred()): Promise<void> {
  await i18n.use(initReactI18next).init({
    lng: language,
    resources: {},
    interpolation: { escapeValue: false }, // React escapes
  });
  await use(language);
  isStarted();
}

/** Switches the language and remembers it. */
export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(key, language);
  await use(language);
  await i18n.changeLanguage(language);
}
