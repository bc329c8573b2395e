package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/edgeway-io/edgeway/internal/observe"
)

func lineAt(t time.Time, n int) observe.LogEvent {
	return observe.LogEvent{Kind: observe.LogLine, Time: t, Text: []byte(fmt.Sprintf("%08d", n))}
}

// A live log that nobody takes is bounded, and what was left out is counted.
func TestQueueLeavesLiveLinesOutAndCountsThem(t *testing.T) {
	const lines = 3 * queueEvents
	now := time.Now()
	q := newLogQueue(true, now, nil)
	for i := range lines {
		if err := q.put(t.Context(), lineAt(now.Add(time.Second), i)); err != nil {
			t.Fatal(err)
		}
	}
	q.close()
	got, skipped := 0, 0
	for {
		events, ok, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		for _, e := range events {
			if e.Kind == observe.LogSkipped {
				skipped += e.Count
			} else {
				got++
			}
		}
	}
	if got > queueEvents || skipped == 0 || got+skipped != lines {
		t.Errorf("%d lines and %d left out of %d", got, skipped, lines)
	}
}

func TestQueueHoldsOldLinesBack(t *testing.T) {
	for name, c := range map[string]struct {
		live bool
		time time.Time
	}{
		"not followed": {false, time.Now().Add(time.Hour)},
		"backlog":      {true, time.Now().Add(-time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			q := newLogQueue(c.live, time.Now(), nil)
			for i := range queueEvents {
				if err := q.put(t.Context(), lineAt(c.time, i)); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := q.put(ctx, lineAt(c.time, 0)); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a full queue took a line: %v", err)
			}
		})
	}
}

// Old lines may come slower than they are taken for a while, and faster again.
func TestQueueHoldsOldLinesBackUntilSilence(t *testing.T) {
	for name, c := range map[string]struct {
		// reading is how long the log has been read already, pause how long nothing comes then.
		reading, pause time.Duration
		// lines have come before the pause.
		lines int
		held  bool
	}{
		"a short pause":                         {10 * time.Second, silence / 2, 1, true},
		"a long pause":                          {10 * time.Second, silence, 1, false},
		"a long wait for the first line":        {0, 3 * silence, 0, true},
		"old for longer than a clock is behind": {longestCatchUp, silence / 2, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newLogQueue(true, time.Now(), nil)
				old := time.Now().Add(-time.Hour)
				for i := range c.lines {
					if err := q.put(t.Context(), lineAt(old, i)); err != nil {
						t.Fatal(err)
					}
					if _, _, err := q.take(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(c.reading)
				ctx, cancel := context.WithTimeout(t.Context(), c.pause)
				defer cancel()
				if _, _, err := q.take(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("there was something to take: %v", err)
				}
				ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				var err error
				for i := 0; i <= queueEvents && err == nil; i++ {
					err = q.put(ctx, lineAt(old, i))
				}
				if held := errors.Is(err, context.DeadlineExceeded); held != c.held {
					t.Errorf("held back: %v (%v), want %v", held, err, c.held)
				}
			})
		})
	}
}

func TestQueueLeavesOutWholeLines(t *testing.T) {
	now := time.Now()
	q := newLogQueue(true, now, nil)
	big := []byte(strings.Repeat("x", queueBytes))
	live := now.Add(time.Second)
	piece := func(text string, goesOn, rest bool) {
		e := observe.LogEvent{Kind: observe.LogLine, Time: live, Text: []byte(text), Continued: goesOn, Continues: rest}
		if err := q.put(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	piece(string(big), false, false)
	piece("lost ", true, false)
	if _, _, err := q.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	piece("lost too", false, true)
	piece("kept", false, false)
	events, _, err := q.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 2 || events[0].Kind != observe.LogSkipped || events[0].Count != 1 || string(events[1].Text) != "kept" {
		t.Errorf("events %+v", events)
	}
}
