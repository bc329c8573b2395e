package watcher

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/routes"
)

const (
	// noteGrace is how long a problem of the cluster must last before it is told:
	// operators roll out, and on a new cluster nothing is there at once.
	noteGrace = time.Minute
	// maxNoteMessage is far below what a condition may hold.
	maxNoteMessage = 2048
)

// noteBoard hands the route controller's notes to the cluster controller.
type noteBoard struct {
	mu    sync.Mutex
	known bool
	notes []routes.Note
	queue requestQueue
}

// publish replaces the notes.
func (b *noteBoard) publish(notes []routes.Note) {
	b.mu.Lock()
	defer b.mu.Unlock()
	same := b.known && slices.Equal(b.notes, notes)
	b.known, b.notes = true, notes
	if b.queue != nil && !same {
		b.queue.Add(everything)
	}
}

// get returns the notes, and whether anything is known yet.
func (b *noteBoard) get() ([]routes.Note, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.notes, b.known
}

// start connects the queue and asks for everything once.
func (b *noteBoard) start(_ context.Context, queue requestQueue) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = queue
	queue.Add(everything)
	return nil
}

// patience holds notes back until they have lasted.
type patience struct {
	since map[routes.Reason]time.Time
	now   func() time.Time
}

// lasting returns the notes to tell, and when to look again at the others; 0 for
// never. What is told already, as after a restart, stays so without a wait.
func (p *patience) lasting(notes []routes.Note, told []metav1.Condition) ([]routes.Note, time.Duration) {
	now, next := p.now(), map[routes.Reason]time.Time{}
	var out []routes.Note
	var again time.Duration
	for _, note := range notes {
		since, waiting := p.since[note.Reason]
		if !waiting {
			since = now
		}
		next[note.Reason] = since
		left := noteGrace - now.Sub(since)
		if left <= 0 || meta.FindStatusCondition(told, string(note.Reason)) != nil {
			out = append(out, note)
		} else if again == 0 || left < again {
			again = left
		}
	}
	p.since = next
	return out, again
}

// noteConditions are notes as conditions; one that was there keeps its time.
func noteConditions(notes []routes.Note, before []metav1.Condition, now metav1.Time) []metav1.Condition {
	var out []metav1.Condition
	for _, note := range notes {
		condition := metav1.Condition{
			Type: string(note.Reason), Status: metav1.ConditionTrue, Reason: string(note.Reason),
			Message: note.Message[:min(len(note.Message), maxNoteMessage)], LastTransitionTime: now,
		}
		if old := meta.FindStatusCondition(before, condition.Type); old != nil {
			condition.LastTransitionTime = old.LastTransitionTime
		}
		out = append(out, condition)
	}
	return out
}

// noteLog logs a note about the cluster when it appears, and when it is gone.
type noteLog struct {
	log  *slog.Logger
	seen map[routes.Note]bool
}

func (n *noteLog) report(notes []routes.Note) {
	now := make(map[routes.Note]bool, len(notes))
	for _, note := range notes {
		now[note] = true
		if !n.seen[note] {
			n.log.Warn(note.Message, "reason", note.Reason)
		}
	}
	for note := range n.seen {
		if !now[note] {
			n.log.Info("no longer: "+note.Message, "reason", note.Reason)
		}
	}
	n.seen = now
}
