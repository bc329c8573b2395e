package watcher

import (
	"sync"
	"time"
)

// causes remembers when the oldest event was seen that is not worked off yet. What is
// then written carries that time, and the operators measure from it.
type causes struct {
	mu  sync.Mutex
	at  time.Time
	now func() time.Time
}

// see notes an event.
func (c *causes) see() { c.seenAt(c.now()) }

func (c *causes) seenAt(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || at.Before(c.at) {
		c.at = at
	}
}

// take returns the time and forgets it; now when there was no event.
func (c *causes) take() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at
	c.at = time.Time{}
	if at.IsZero() {
		return c.now()
	}
	return at
}
