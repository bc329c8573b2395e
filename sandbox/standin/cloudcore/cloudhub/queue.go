package cloudhub

import (
	"context"
	"sync"

	"github.com/edgeway-io/edgeway/sandbox/standin/hubwire"
)

// queue holds the messages for one node until it has acknowledged them, with or without
// a connection: the latest of each key, in the order in which the keys came.
type queue struct {
	mu      sync.Mutex
	order   []string
	waiting map[string]hubwire.Message
	news    chan struct{}
}

func newQueue() *queue {
	return &queue{waiting: map[string]hubwire.Message{}, news: make(chan struct{}, 1)}
}

func (q *queue) push(key string, m hubwire.Message) {
	q.mu.Lock()
	if old, ok := q.waiting[key]; ok {
		if old.Route.Operation == hubwire.Insert && m.Route.Operation == hubwire.Update {
			m.Route.Operation = hubwire.Insert // the node has not seen it yet
		}
	} else {
		q.order = append(q.order, key)
	}
	q.waiting[key] = m
	q.mu.Unlock()
	q.wake()
}

// retry puts a message back that was not acknowledged, unless a later one has come.
func (q *queue) retry(key string, m hubwire.Message) {
	q.mu.Lock()
	if _, ok := q.waiting[key]; !ok {
		q.order = append(q.order, key)
		q.waiting[key] = m
	}
	q.mu.Unlock()
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// next takes the first message out; it is false when ctx or done ended.
func (q *queue) next(ctx context.Context, done <-chan struct{}) (string, hubwire.Message, bool) {
	for {
		q.mu.Lock()
		if len(q.order) > 0 {
			key := q.order[0]
			m := q.waiting[key]
			q.order = q.order[1:]
			delete(q.waiting, key)
			q.mu.Unlock()
			return key, m, true
		}
		q.mu.Unlock()
		select {
		case <-q.news:
		case <-ctx.Done():
			return "", hubwire.Message{}, false
		case <-done:
			return "", hubwire.Message{}, false
		}
	}
}
