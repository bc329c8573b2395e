package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlots(t *testing.T) {
	s := NewSlots(1, 2, 3) // session, user, all
	take := func(keys ...string) func() {
		t.Helper()
		release, _, ok := s.Take(keys...)
		if !ok {
			t.Fatalf("no slot for %q", keys)
		}
		return release
	}
	refused := func(want int, keys ...string) {
		t.Helper()
		if _, level, ok := s.Take(keys...); ok || level != want {
			t.Errorf("%q: level %d, %v, want %d to be full", keys, level, ok, want)
		}
	}
	first := take("s1", "jane", "all")
	refused(0, "s1", "jane", "all")
	take("s2", "jane", "all")
	refused(1, "s3", "jane", "all")
	take("s4", "joe", "all")
	refused(2, "s5", "kim", "all")
	take("s6", "kim", "") // does not count in all
	first()
	first() // twice frees one
	take("s5", "kim", "all")
	refused(2, "s1", "jane", "all")
	if got := s.Taken(1, "jane"); got != 1 {
		t.Errorf("jane has %d, want 1", got)
	}
}

func TestWaitingForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(1)
		release, _, _ := s.Take("a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, level, ok := s.Wait(ctx, "a"); ok || level != 0 || time.Since(began) != time.Second {
			t.Errorf("got a slot that is taken: %v at level %d after %s", ok, level, time.Since(began))
		}
		time.AfterFunc(time.Minute, release)
		if _, _, ok := s.Wait(t.Context(), "a"); !ok || time.Since(began) != time.Minute+time.Second {
			t.Errorf("got no slot when one was free: %v after %s", ok, time.Since(began))
		}
	})
}

func TestSlotsAreNeverExceeded(t *testing.T) {
	s := NewSlots(4, 8)
	var running, most atomic.Int32
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			for range 50 {
				release, _, ok := s.Wait(t.Context(), string(rune('a'+i%8)), "all")
				if !ok {
					t.Error("no slot")
					return
				}
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				running.Add(-1)
				release()
			}
		})
	}
	all.Wait()
	if most.Load() > 8 {
		t.Errorf("%d at once, want 8 at most", most.Load())
	}
	if s.Taken(1, "all") != 0 {
		t.Error("slots are left over")
	}
}

func TestBytes(t *testing.T) {
	b := NewBytes(10)
	if !b.Take(6) || b.Take(5) || !b.Take(4) || b.Held() != 10 {
		t.Errorf("held %d of 10", b.Held())
	}
	if b.Free(6); !b.Take(5) || b.Held() != 9 {
		t.Errorf("held %d, want 9", b.Held())
	}
	if !(*Bytes)(nil).Take(1 << 60) {
		t.Error("no budget is a limit")
	}
}
