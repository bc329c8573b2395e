import '@patternfly/react-styles/css/components/Table/table-grid.css';
import '@patternfly/react-styles/css/components/Table/table.css';
import type { ComponentProps } from 'react';

/*
 * PatternFly's table without sorting, selecting and expanding: those bring four times
 * the code, which pages that show a few rows need not load. Roles are spelt out, since a
 * table that is laid out as a grid on narrow screens loses its own.
 */

export function Table({ variant, className = '', ...props }: ComponentProps<'table'> & { variant?: 'compact' }) {
  return <table role="table" className={`pf-v6-c-table pf-m-grid-md ${variant === 'compact' ? 'pf-m-compact' : ''} ${className}`} {...props} />;
}

export function Thead(props: ComponentProps<'thead'>) {
  return <thead role="rowgroup" className="pf-v6-c-table__thead" {...props} />;
}

export function Tbody(props: ComponentProps<'tbody'>) {
  return <tbody role="rowgroup" className="pf-v6-c-table__tbody" {...props} />;
}

export function Tr(props: ComponentProps<'tr'>) {
  return <tr role="row" className="pf-v6-c-table__tr" {...props} />;
}

export function Th(props: ComponentProps<'th'>) {
  return <th role="columnheader" scope="col" className="pf-v6-c-table__th" {...props} />;
}

/** dataLabel is the column's title on narrow screens, where columns become lines. */
export function Td({ dataLabel, modifier, className = '', ...props }: ComponentProps<'td'> & { dataLabel: string; modifier?: 'breakWord' }) {
  return <td role="cell" data-label={dataLabel} className={`pf-v6-c-table__td ${modifier ? 'pf-m-break-word' : ''} ${className}`} {...props} />;
}
