import i18n from 'i18next';
import { beforeEach, expect, test } from 'vitest';
import zh from '../locales/errors/zh.json';
import { explain } from './errors';

beforeEach(async () => {
  await i18n.init({ lng: 'en', resources: { en: { translation: {} }, zh: { translation: zh } } });
});

const error = { code: 'TokenRejected', message: 'cluster host does not accept this token', remedy: 'make a new one' };

test('in English the server has the last word', () => {
  expect(explain(error)).toEqual({ message: error.message, remedy: error.remedy });
});

test('in Chinese cause and remedy are found by the code', async () => {
  await i18n.changeLanguage('zh');
  expect(explain(error)).toEqual({ message: `${zh.errors.TokenRejected.cause}（${error.message}）`, remedy: zh.errors.TokenRejected.remedy });
  expect(explain({ code: 'TokenRejected' }).message).toBe(zh.errors.TokenRejected.cause);
  expect(explain({ code: 'Unheard', message: 'm', remedy: 'r' })).toEqual({ message: 'm', remedy: 'r' });
});
