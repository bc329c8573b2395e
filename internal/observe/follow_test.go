package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// script is a LogSource that answers one connection after the other.
type script struct {
	bodies []func(LogOptions) (io.ReadCloser, error)
	states []ContainerState
	opened []LogOptions
	probe  func() (io.ReadCloser, error)
}

func (s *script) Open(_ context.Context, o LogOptions) (io.ReadCloser, error) {
	if o.LimitBytes != nil {
		if s.probe == nil {
			return answers()
		}
		return s.probe()
	}
	s.opened = append(s.opened, o)
	return s.bodies[len(s.opened)-1](o)
}

func (s *script) State(context.Context, LogOptions) (ContainerState, error) {
	next := s.states[0]
	if len(s.states) > 1 {
		s.states = s.states[1:]
	}
	return next, nil
}

func text(lines ...string) func(LogOptions) (io.ReadCloser, error) {
	return func(LogOptions) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(strings.Join(lines, ""))), nil
	}
}

func fails(err error) func(LogOptions) (io.ReadCloser, error) {
	return func(LogOptions) (io.ReadCloser, error) { return nil, err }
}

func follow(t *testing.T, s *script, follow bool) []string {
	t.Helper()
	var got []string
	f := NewFollower(s, LogOptions{Namespace: "n", Pod: "p", Container: "c", Follow: follow}, func(e LogEvent) error {
		switch e.Kind {
		case LogLine, LogNotice:
			got = append(got, e.Kind+" "+string(e.Text))
		case LogOpened:
		default:
			got = append(got, strings.TrimSpace(e.Kind+" "+e.Cause))
		}
		return nil
	})
	f.pause = short
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := f.Run(ctx); err != nil {
		t.Fatalf("Run: %v", err)
	}
	return got
}

var short = pauses{retry: time.Millisecond, start: time.Millisecond, first: 5 * time.Millisecond, quiet: 5 * time.Millisecond, probeTimeout: time.Second}

// probes answers one probe after the other, all later ones as the last.
func probes(all ...func() (io.ReadCloser, error)) func() (io.ReadCloser, error) {
	var n atomic.Int32
	return func() (io.ReadCloser, error) { return all[min(int(n.Add(1)), len(all))-1]() }
}

func answers() (io.ReadCloser, error) { return text("x")(LogOptions{}) }

// tunnelClosed is what CloudCore answers once the tunnel of a node has closed.
func tunnelClosed() (io.ReadCloser, error) { return text()(LogOptions{}) }

// tunnelGone is a probe that nobody answers.
func tunnelGone() (io.ReadCloser, error) { return nil, ErrNoAnswer }

const (
	t1 = "2026-01-02T03:04:05.000000001Z "
	t2 = "2026-01-02T03:04:05.000000002Z "
	t3 = "2026-01-02T03:04:06.5Z "
)

func TestFollowResumesWithoutLossOrDoubles(t *testing.T) {
	s := &script{
		bodies: []func(LogOptions) (io.ReadCloser, error){
			text(t1+"a\n", t2+"b\n", t2+"b\n"),
			fails(errors.New("dial tcp: connection refused")),
			// The server rounds the start down to the second: a and both b come again.
			text(t1+"a\n", t2+"b\n", t2+"b\n", t2+"b\n", t3+"c\n"),
		},
		states: []ContainerState{{Running: true, Edge: true}, {Running: true, Edge: true}, {Detail: "Completed"}},
		probe:  probes(tunnelGone, answers),
	}
	want := []string{"line a", "line b", "line b", "interrupted TunnelDown", "resumed", "line b", "line c", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if since := s.opened[2].Since; since == nil || since.Format(time.RFC3339) != "2026-01-02T03:04:04Z" {
		t.Errorf("third connection started at %v, want a second before the last line", since)
	}
}

// TestAClosedTunnelAnswersNothing: the empty answer of a CloudCore without the tunnel
// is told as an interruption, and is no log that ended.
func TestAClosedTunnelAnswersNothing(t *testing.T) {
	s := &script{
		bodies: []func(LogOptions) (io.ReadCloser, error){text(t1 + "a\n"), text(), text(t1+"a\n", t2+"b\n")},
		states: []ContainerState{{Running: true, Edge: true}, {Running: true, Edge: true}, {Detail: "Completed"}},
		probe:  probes(tunnelClosed, tunnelClosed, answers),
	}
	want := []string{"line a", "interrupted TunnelDown", "resumed", "line b", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFollowTellsEndsApart(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, c := range map[string]struct {
		script script
		follow bool
		want   []string
	}{
		"complete": {
			script{bodies: []func(LogOptions) (io.ReadCloser, error){text(t1 + "a\n")}},
			false, []string{"line a", "end Complete"},
		},
		"a node's own words are no log": {
			script{bodies: []func(LogOptions) (io.ReadCloser, error){text("pod \"nope\" does not exist")}},
			false, []string{`notice pod "nope" does not exist`, "end Complete"},
		},
		"gone": {
			script{bodies: []func(LogOptions) (io.ReadCloser, error){fails(apierrors.NewNotFound(pods, "p"))}},
			true, []string{"end PodGone"},
		},
		"no right": {
			script{bodies: []func(LogOptions) (io.ReadCloser, error){fails(apierrors.NewForbidden(pods, "p", errors.New("no")))}},
			true, []string{"end Refused"},
		},
		"cloud node away": {
			script{
				bodies: []func(LogOptions) (io.ReadCloser, error){fails(errors.New("EOF")), text()},
				states: []ContainerState{{Running: true}, {}},
			},
			true, []string{"interrupted NodeUnreachable", "resumed", "end ContainerEnded"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, follow(t, &c.script, c.follow)); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFollowNoticesSilentLink(t *testing.T) {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	s := &script{
		bodies: []func(LogOptions) (io.ReadCloser, error){
			func(LogOptions) (io.ReadCloser, error) { return r, nil },
			text(t1 + "back\n"),
		},
		states: []ContainerState{{Running: true, Edge: true}, {}},
		probe:  probes(tunnelGone, tunnelGone, answers),
	}
	want := []string{"interrupted TunnelDown", "resumed", "line back", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFollowCutsLongLines(t *testing.T) {
	long := strings.Repeat("x", maxPiece*2)
	var whole strings.Builder
	pieces, more := 0, false
	s := &script{bodies: []func(LogOptions) (io.ReadCloser, error){text(t1+long+"\n", t2+"next\n")}}
	f := NewFollower(s, LogOptions{}, func(e LogEvent) error {
		if e.Kind == LogLine {
			fmt.Fprintf(&whole, "%s", e.Text)
			if len(e.Text) > maxPiece {
				t.Errorf("a piece of %d bytes", len(e.Text))
			}
			if e.Continues != more {
				t.Errorf("piece %d: continues is %v", pieces, e.Continues)
			}
			more = e.Continued
			if pieces++; !e.Continued {
				whole.WriteByte('\n')
			}
		}
		return nil
	})
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if whole.String() != long+"\nnext\n" || pieces < 3 {
		t.Errorf("got %d bytes in %d pieces", whole.Len(), pieces)
	}
}
