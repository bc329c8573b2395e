import { answerer, type Ask } from './log-search-core';

const answer = answerer();

self.onmessage = (event: MessageEvent<Ask>) => self.postMessage(answer(event.data));
