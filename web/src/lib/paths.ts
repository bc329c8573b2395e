/**
 * A path with names in it: urlPath`/clusters/${cluster}/nodes` escapes every name, so that a
 * name with a slash or a percent sign stays one segment.
 */
export function urlPath(parts: TemplateStringsArray, ...names: string[]): string {
  return String.raw({ raw: parts }, ...names.map(encodeURIComponent));
}
