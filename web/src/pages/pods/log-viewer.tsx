import { Button, Modal, ModalBody, ModalFooter, ModalHeader, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import { useEffect, useRef, useState, type KeyboardEvent, type PointerEvent, type WheelEvent } from 'react';
import { useTranslation } from 'react-i18next';
import { partsOf } from '../../lib/ansi';
import type { LogBuffer, LogLine } from './log-buffer';
import './log.css';
import { FixedRows, WrappedRows } from './log-rows';
import type { LogSearch } from './log-search';

/** Characters of a line that are shown at once; the whole line opens in a dialog. */
const shownChars = 4000;
const sourceColors = 8;

interface ViewerProps {
  buffer: LogBuffer;
  search: LogSearch;
  /** Only lines that match. */
  only: boolean;
  stamps: boolean;
  wrap: boolean;
  names: boolean;
}

/** The lines, as many as fit; follows the end until the user scrolls up. */
export function Viewer({ buffer, search, only, stamps, wrap, names }: ViewerProps) {
  const { t } = useTranslation();
  const box = useRef<HTMLDivElement>(null);
  const [paused, setPaused] = useState(false);
  const [goal, setGoal] = useState<{ row: number }>();
  const [whole, setWhole] = useState<LogLine>();
  const count = only ? search.ids.length : buffer.lines.length;
  const lineAt = (i: number) => (only ? buffer.line(search.ids[i] ?? -1) : buffer.lines[i]);
  const onScroll = () => {
    const el = box.current;
    if (el) setPaused(el.scrollHeight - el.scrollTop - el.clientHeight > 40);
  };
  // When lines come fast the end is followed again before a scroll event tells of the
  // user's own scrolling: what they do says so first.
  const leave = {
    onWheel: (e: WheelEvent) => e.deltaY < 0 && setPaused(true),
    onKeyDown: (e: KeyboardEvent) => ['ArrowUp', 'PageUp', 'Home'].includes(e.key) && setPaused(true),
    onTouchMove: () => setPaused(true),
    onPointerDown: (e: PointerEvent) => onScrollbar(e) && setPaused(true),
  };
  useEffect(() => search.go()); // the rows have said whose matches they want
  const Rows = wrap ? WrappedRows : FixedRows;
  return (
    <>
      <Bar buffer={buffer} search={search} paused={paused} resume={() => setPaused(false)} show={(at) => {
        setPaused(true);
        setGoal({ row: only ? at : (search.ids[at] ?? 0) - buffer.first });
      }} />
      <div ref={box} className={wrap ? 'ew-log wrap' : 'ew-log'} tabIndex={0} role="log" aria-live="off" aria-label={t('logs.title')} onScroll={onScroll} {...leave}>
        {count === 0 && <p className="ew-log-empty">{only ? t('states.noMatch') : <Nothing buffer={buffer} />}</p>}
        <Rows
          box={box}
          count={count}
          stick={!paused}
          gone={only ? 0 : buffer.dropped}
          goal={goal}
          keyOf={(i) => lineAt(i)?.id ?? -1 - i}
          render={(i) => {
            const line = lineAt(i);
            return line && <Line line={line} buffer={buffer} search={search} stamps={stamps} names={names} open={() => setWhole(line)} />;
          }}
        />
      </div>
      {whole && <Whole line={whole} close={() => setWhole(undefined)} />}
    </>
  );
}

/** Whether the box itself was hit, right of what it shows. */
function onScrollbar(e: PointerEvent): boolean {
  return e.target === e.currentTarget && e.nativeEvent.offsetX >= e.currentTarget.clientWidth;
}

/** Why there is nothing: silence is not the same as a node that does not answer. */
function Nothing({ buffer }: { buffer: LogBuffer }) {
  const { t } = useTranslation();
  return <>{t(`logs.nothing.${buffer.status}`)}</>;
}

interface BarProps {
  buffer: LogBuffer;
  search: LogSearch;
  paused: boolean;
  resume: () => void;
  show: (match: number) => void;
}

/** Numbers of lines and matches, and ways to the next match and to the end. */
function Bar({ buffer, search, paused, resume, show }: BarProps) {
  const { t } = useTranslation();
  const [at, setAt] = useState(-1);
  const matches = search.ids.length;
  const go = (step: number) => {
    const next = (((at < 0 && step < 0 ? 0 : at) + step) % matches + matches) % matches;
    setAt(next);
    show(next);
  };
  const searching = search.state === 'busy' || search.state === 'ready';
  return (
    <Toolbar isStatic className="ew-log-bar">
      <ToolbarContent alignItems="center">
        {searching && (
          <>
            <ToolbarItem aria-live="polite">{search.state === 'busy' ? t('logs.searching', { count: matches }) : t('logs.matches', { count: matches })}</ToolbarItem>
            <ToolbarItem>
              <Button variant="secondary" size="sm" isDisabled={matches === 0} onClick={() => go(-1)}>
                {t('logs.previousMatch')}
              </Button>
            </ToolbarItem>
            <ToolbarItem>
              <Button variant="secondary" size="sm" isDisabled={matches === 0} onClick={() => go(1)}>
                {t('logs.nextMatch')}
              </Button>
            </ToolbarItem>
          </>
        )}
        {(search.state === 'slow' || search.state === 'wrong') && (
          <ToolbarItem role="alert" className="ew-log-problem">
            {search.state === 'slow' ? t('logs.slowPattern') : t('logs.wrongPattern', { error: search.error })}
          </ToolbarItem>
        )}
        <ToolbarItem align={{ default: 'alignEnd' }}>
          {t('logs.count', { count: buffer.lines.length })}
          {buffer.dropped > 0 && ` · ${t('logs.dropped', { count: buffer.dropped })}`}
          {buffer.skipped > 0 && ` · ${t('logs.skipped', { count: buffer.skipped })}`}
        </ToolbarItem>
        {paused && (
          <ToolbarItem>
            <Button variant="primary" size="sm" onClick={resume}>
              {t('logs.paused')}
            </Button>
          </ToolbarItem>
        )}
      </ToolbarContent>
    </Toolbar>
  );
}

interface LineProps {
  line: LogLine;
  buffer: LogBuffer;
  search: LogSearch;
  stamps: boolean;
  names: boolean;
  open: () => void;
}

/** A line enters the page as text nodes, whatever is in it; colors are classes. */
function Line({ line, buffer, search, stamps, names, open }: LineProps) {
  const { t } = useTranslation();
  const source = buffer.sources[line.source];
  const name = names && source && <span className={`ew-log-from-${line.source % sourceColors}`}>{nameOf(buffer, line.source)} </span>;
  if (line.remark) {
    return (
      <span className="ew-log-remark">
        {name}
        {t(`logs.remarks.${line.remark}`, { count: line.count ?? 0 })}
      </span>
    );
  }
  const long = line.text.length > shownChars || line.cut > 0;
  return (
    <span className={line.notice ? 'ew-log-notice' : undefined}>
      {stamps && line.time && <span className="ew-log-time">{line.time} </span>}
      {name}
      {partsOf(line.text.slice(0, shownChars), line.runs, search.spansOf(line.id, line.text)).map((part, i) => {
        if (part.hit) return <mark key={i}>{part.text}</mark>;
        return part.style ? (
          <span key={i} className={part.style}>
            {part.text}
          </span>
        ) : (
          part.text
        );
      })}
      {line.text === '' && '\u200b'}
      {long && (
        <button type="button" className="ew-log-more" onClick={open}>
          {t('logs.more', { count: line.text.length + line.cut - shownChars })}
        </button>
      )}
    </span>
  );
}

/** Pod and container, or what of them differs. */
function nameOf(buffer: LogBuffer, n: number): string {
  const s = buffer.sources[n];
  if (!s) return '';
  const onePod = buffer.sources.every((x) => x.pod === s.pod);
  const oneContainer = buffer.sources.every((x) => x.container === s.container);
  if (onePod) return s.container;
  return oneContainer ? s.pod : `${s.pod}/${s.container}`;
}

/** A line that is too long for the list. */
function Whole({ line, close }: { line: LogLine; close: () => void }) {
  const { t } = useTranslation();
  return (
    <Modal isOpen variant="large" onClose={close} aria-labelledby="log-line-title">
      <ModalHeader title={t('logs.wholeLine')} labelId="log-line-title" description={line.cut > 0 ? t('logs.lineCut', { count: line.cut }) : undefined} />
      <ModalBody tabIndex={0}>
        <pre className="ew-pre ew-log-whole" tabIndex={0}>
          {line.text}
        </pre>
      </ModalBody>
      <ModalFooter>
        <Button variant="link" onClick={close}>
          {t('common.close')}
        </Button>
      </ModalFooter>
    </Modal>
  );
}
