package observe

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// many is a LogSource with a log for each pod.
type many struct {
	logs map[string]string
	mu   sync.Mutex
	last map[string]LogOptions
}

func (m *many) Open(_ context.Context, o LogOptions) (io.ReadCloser, error) {
	if o.LimitBytes != nil {
		return answers()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = map[string]LogOptions{}
	}
	m.last[o.Pod] = o
	return text(m.logs[o.Pod])(o)
}

func (m *many) State(context.Context, LogOptions) (ContainerState, error) { return over, nil }

func finds(all ...[]string) FindLogs {
	n := -1
	return func(context.Context) ([]LogTarget, error) {
		n = min(n+1, len(all)-1)
		var out []LogTarget
		for _, pod := range all[n] {
			out = append(out, LogTarget{Namespace: "n", Pod: pod, Container: "c"})
		}
		return out, nil
	}
}

func merge(t *testing.T, m *Merger, until func([]string) bool) []string {
	t.Helper()
	var got []string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m.tune = func(f *Follower) { f.pause = short }
	m.emit = func(e LogEvent) error {
		switch e.Kind {
		case LogLine:
			got = append(got, fmt.Sprintf("%d %s", e.Source, e.Text))
		case LogOpened:
			return nil
		case LogSourceAdded:
			got = append(got, "source "+e.From.Name())
		default:
			got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Source, e.Kind, e.Cause)))
		}
		if until(got) {
			cancel()
		}
		return nil
	}
	err := m.Run(ctx)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return got
}

func never([]string) bool { return false }

func stampAt(n int) string {
	return time.Unix(1_700_000_000, int64(n)).UTC().Format(time.RFC3339Nano) + " "
}

func TestMergeIsInOrderOfTime(t *testing.T) {
	const lines = 3000
	logs := map[string]string{}
	for i := range lines {
		logs[fmt.Sprintf("p%d", i%3)] += fmt.Sprintf("%s%d\n", stampAt(i), i)
	}
	m := NewMerger(&many{logs: logs}, LogOptions{}, finds([]string{"p0", "p1", "p2"}), nil, nil)
	m.hold = 10 * time.Second // so that a slow machine changes nothing
	got := slices.DeleteFunc(merge(t, m, never), func(s string) bool { return strings.Contains(s, "source") })
	if len(got) != lines+1 {
		t.Fatalf("%d events, want %d lines and the end", len(got), lines)
	}
	for i, s := range got[:lines] {
		if want := fmt.Sprintf("%d %d", i%3, i); s != want {
			t.Fatalf("line %d is %q, want %q", i, s, want)
		}
	}
	if got[lines] != "0 end Complete" {
		t.Errorf("last event %q", got[lines])
	}
}

func TestMergeTakesInNewPods(t *testing.T) {
	logs := &many{logs: map[string]string{"old": stampAt(1) + "a\n", "new": stampAt(2) + "b\n"}}
	tail := int64(5)
	m := NewMerger(logs, LogOptions{Follow: true, Tail: &tail}, finds([]string{"old"}, []string{"old", "new"}), nil, nil)
	m.look = 10 * time.Millisecond
	got := merge(t, m, func(s []string) bool { return slices.Contains(s, "1 sourceEnd ContainerEnded") })
	want := []string{"source old/c", "0 a", "0 sourceEnd ContainerEnded", "source new/c", "1 b", "1 sourceEnd ContainerEnded"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if logs.last["new"].Tail != nil || *logs.last["old"].Tail != 5 {
		t.Errorf("tails: old %v, new %v; want 5 and all", logs.last["old"].Tail, logs.last["new"].Tail)
	}
}

func TestMergeIsBounded(t *testing.T) {
	var pods []string
	for i := range maxSources + 3 {
		pods = append(pods, fmt.Sprintf("p%02d", i))
	}
	got := merge(t, NewMerger(&many{}, LogOptions{}, finds(pods), nil, nil), never)
	if n := len(slices.DeleteFunc(slices.Clone(got), func(s string) bool { return !strings.HasPrefix(s, "source ") })); n != maxSources {
		t.Errorf("%d logs at a time, want %d", n, maxSources)
	}
	if !slices.Contains(got, "0 limit") {
		t.Error("nothing is said about the logs that were left out")
	}
}

// One log that cannot be opened holds the others back for a moment only.
func TestMergeDoesNotWaitForADeadNode(t *testing.T) {
	src := &deadNode{many: many{logs: map[string]string{"well": stampAt(1) + "a\n"}}}
	m := NewMerger(src, LogOptions{}, finds([]string{"dead", "well"}), nil, nil)
	m.hold, m.grace = time.Millisecond, 50*time.Millisecond
	got := merge(t, m, func(s []string) bool { return slices.Contains(s, "1 a") })
	if !slices.Contains(got, "1 a") {
		t.Errorf("events %q lack the line of the node that is well", got)
	}
}

type deadNode struct{ many }

func (d *deadNode) Open(ctx context.Context, o LogOptions) (io.ReadCloser, error) {
	if o.Pod == "dead" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return d.many.Open(ctx, o)
}
