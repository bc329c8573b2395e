import { Button, Spinner } from '@patternfly/react-core';
import { lazy, Suspense, useState } from 'react';
import { useTranslation } from 'react-i18next';

const Picture = lazy(() => import('qrcode.react').then((m) => ({ default: m.QRCodeSVG })));

/**
 * A text as a QR code, drawn in the page itself and only when it is asked for: a
 * screen is photographed more easily than a line is copied.
 */
export function QR({ text, name }: { text: string; name: string }) {
  const { t } = useTranslation();
  const [shown, setShown] = useState(false);
  return (
    <>
      <Button variant="link" aria-expanded={shown} onClick={() => setShown(!shown)}>
        {shown ? t('join.qr.hide') : t('join.qr.show')}
      </Button>
      {shown && (
        <Suspense fallback={<Spinner aria-label={t('common.loading')} />}>
          {/* Black on white in the dark theme too, with its quiet zone: readers need both. */}
          <Picture value={text} size={320} level="M" marginSize={4} title={name} role="img" />
        </Suspense>
      )}
    </>
  );
}
