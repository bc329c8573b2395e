package limit

import (
	"context"
	"sync"
)

// Slots bounds how many things are under way at once, at several levels: a level has a
// number for each of its keys, such as one for each user.
type Slots struct {
	most []int

	mu    sync.Mutex
	taken []map[string]int
	freed chan struct{} // closed when a slot becomes free
}

// NewSlots makes Slots with the given number for each key of a level.
func NewSlots(most ...int) *Slots {
	s := &Slots{most: most, freed: make(chan struct{})}
	for range most {
		s.taken = append(s.taken, map[string]int{})
	}
	return s
}

// Take takes a slot under one key at each level; "" is not counted at that level. Where a
// level is full, ok is false and level says which. release may be called more than once.
func (s *Slots) Take(keys ...string) (release func(), level int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(keys)
}

func (s *Slots) take(keys []string) (func(), int, bool) {
	for level, key := range keys {
		if key != "" && s.taken[level][key] >= s.most[level] {
			return nil, level, false
		}
	}
	for level, key := range keys {
		if key != "" {
			s.taken[level][key]++
		}
	}
	return sync.OnceFunc(func() { s.release(keys) }), 0, true
}

func (s *Slots) release(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for level, key := range keys {
		if key == "" {
			continue
		}
		if s.taken[level][key]--; s.taken[level][key] == 0 {
			delete(s.taken[level], key)
		}
	}
	close(s.freed)
	s.freed = make(chan struct{})
}

// Wait is Take that waits until ctx ends. level is the one that was full last.
func (s *Slots) Wait(ctx context.Context, keys ...string) (release func(), level int, ok bool) {
	for {
		s.mu.Lock()
		release, level, ok := s.take(keys)
		freed := s.freed
		s.mu.Unlock()
		if ok {
			return release, 0, true
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, level, false
		}
	}
}

// Taken is how many slots a key has at a level.
func (s *Slots) Taken(level int, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[level][key]
}
