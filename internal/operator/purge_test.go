package operator

import (
	"testing"
	"time"
)

// TestPurgerRests: one change is purged at once, and many take a bounded share of time.
func TestPurgerRests(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		time.Millisecond:       purgeEvery,
		70 * time.Millisecond:  700 * time.Millisecond,
		500 * time.Millisecond: longestRest,
	} {
		if got := restAfter(took); got != want {
			t.Errorf("after a purge of %s: rests %s, want %s", took, got, want)
		}
	}
}
