import type { Schemas } from '../../api/client';
import { bytes, cores } from '../../lib/format';

export type Sample = Schemas['Sample'];
export type Field = Exclude<keyof Sample, 'time' | 'filesystems'>;
/** How a figure is written. */
export type Unit = 'cores' | 'coreSeconds' | 'bytes' | 'bytesPerSecond' | 'count' | 'perSecond';

export const units: Record<Field, Unit> = {
  cpuUsageNanoCores: 'cores',
  cpuUsageCoreNanoSeconds: 'coreSeconds',
  memoryUsageBytes: 'bytes',
  memoryWorkingSetBytes: 'bytes',
  swapUsageBytes: 'bytes',
  networkRxBytes: 'bytes',
  networkTxBytes: 'bytes',
  networkRxBytesPerSecond: 'bytesPerSecond',
  networkTxBytesPerSecond: 'bytesPerSecond',
  filesystemAvailableBytes: 'bytes',
  filesystemCapacityBytes: 'bytes',
  filesystemUsedBytes: 'bytes',
  diskReadBytes: 'bytes',
  diskWriteBytes: 'bytes',
  diskTotalBytes: 'bytes',
  diskReads: 'count',
  diskWrites: 'count',
  diskOperations: 'count',
  diskReadBytesPerSecond: 'bytesPerSecond',
  diskWriteBytesPerSecond: 'bytesPerSecond',
  diskReadsPerSecond: 'perSecond',
  diskWritesPerSecond: 'perSecond',
};

/** All fields, in the order of the table. */
export const fields = Object.keys(units) as Field[];

/** One chart: fields of one unit on one axis. */
export interface ChartOf {
  name: string;
  fields: Field[];
}

export const charts: ChartOf[] = [
  { name: 'cpu', fields: ['cpuUsageNanoCores'] },
  { name: 'memory', fields: ['memoryWorkingSetBytes', 'memoryUsageBytes', 'swapUsageBytes'] },
  { name: 'network', fields: ['networkRxBytesPerSecond', 'networkTxBytesPerSecond'] },
  { name: 'disk', fields: ['diskReadBytesPerSecond', 'diskWriteBytesPerSecond'] },
  { name: 'operations', fields: ['diskReadsPerSecond', 'diskWritesPerSecond'] },
  { name: 'filesystem', fields: ['filesystemUsedBytes'] },
];

/** A figure with its unit, in the language's way of writing numbers. */
export function figure(value: number, unit: Unit, language: string): string {
  const number = (v: number, digits: number) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(v);
  switch (unit) {
    case 'cores':
      return cores(value, language);
    case 'coreSeconds':
      return `${number(value / 1e9, 1)} s`;
    case 'bytes':
      return bytes(value, language);
    case 'bytesPerSecond':
      return `${bytes(value, language)}/s`;
    case 'perSecond':
      return `${number(value, 1)}/s`;
    case 'count':
      return number(value, 0);
  }
}

/** Whether any of the fields has a value in the history. */
export function hasValues(history: Schemas['History'] | undefined, of: Field[]): boolean {
  return of.some((f) => history?.series[f]?.some((v) => v !== null && v !== undefined));
}

/** The ranges that can be chosen, in seconds; the longer ones need a Prometheus. */
export const ranges = [900, 3600, 21_600, 86_400];
/** edge-watcher's own memory. */
export const inMemory = 3600;
