import { ClipboardCopy } from '@patternfly/react-core';
import { useTranslation } from 'react-i18next';

/** A command to copy. */
export function Copy({ text, name, block }: { text: string; name: string; block?: boolean }) {
  const { t } = useTranslation();
  return (
    <ClipboardCopy
      isReadOnly
      isCode
      isExpanded={block}
      variant={block ? 'expansion' : 'inline-compact'}
      hoverTip={t('copy.copy')}
      clickTip={t('copy.copied')}
      textAriaLabel={name}
      toggleAriaLabel={t('copy.show')}
    >
      {text}
    </ClipboardCopy>
  );
}
