import { useEffect, useState } from 'react';

/**
 * The newest message of a server-sent stream, parsed from JSON. undefined until
 * the first one; `path` undefined opens nothing. The browser reconnects by itself
 * until `last` says that a message was the last one.
 */
export function useEvents<T>(path: string | undefined, last: (message: T) => boolean): T | undefined {
  const [message, setMessage] = useState<T>();
  useEffect(() => {
    setMessage(undefined);
    if (path === undefined) return undefined;
    const source = new EventSource(path);
    source.onmessage = (event: MessageEvent<string>) => {
      const next = JSON.parse(event.data) as T;
      setMessage(next);
      if (last(next)) source.close();
    };
    return () => source.close();
    // `last` is a pure function of the caller; a new identity means nothing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [path]);
  return message;
}
