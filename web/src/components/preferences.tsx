import { MenuToggle, Select, SelectGroup, SelectList, SelectOption } from '@patternfly/react-core';
import CogIcon from '@patternfly/react-icons/dist/esm/icons/cog-icon';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { languages, setLanguage, type Language } from '../lib/i18n';
import { applyTheme, storedTheme, type Theme } from '../lib/theme';

const themes: Theme[] = ['light', 'dark', 'system'];

/** Language and theme. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const [open, setOpen] = useState(false);
  const [theme, setTheme] = useState(storedTheme);
  const choose = (value: string) => {
    const [kind, which] = value.split(':');
    if (kind === 'language') void setLanguage(which as Language);
    if (kind === 'theme') {
      applyTheme(which as Theme);
      setTheme(which as Theme);
    }
    setOpen(false);
  };
  return (
    <Select
      isOpen={open}
      onOpenChange={setOpen}
      onSelect={(_, value) => choose(String(value))}
      popperProps={{ position: 'right' }}
      toggle={(ref) => (
        <MenuToggle ref={ref} variant="plain" isExpanded={open} onClick={() => setOpen(!open)} aria-label={t('preferences.label')}>
          <CogIcon />
        </MenuToggle>
      )}
    >
      <SelectGroup label={t('preferences.language')}>
        <SelectList aria-label={t('preferences.language')}>
          {Object.entries(languages).map(([code, name]) => (
            <SelectOption key={code} value={`language:${code}`} isSelected={i18n.language === code} lang={code === 'zh' ? 'zh-CN' : code}>
              {name}
            </SelectOption>
          ))}
        </SelectList>
      </SelectGroup>
      <SelectGroup label={t('preferences.theme')}>
        <SelectList aria-label={t('preferences.theme')}>
          {themes.map((name) => (
            <SelectOption key={name} value={`theme:${name}`} isSelected={theme === name}>
              {t(`preferences.themes.${name}`)}
            </SelectOption>
          ))}
        </SelectList>
      </SelectGroup>
    </Select>
  );
}
