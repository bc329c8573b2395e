package observe

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

type bodies = []func(LogOptions) (io.ReadCloser, error)

var (
	runs = ContainerState{Running: true, Edge: true}
	over = ContainerState{Detail: "Completed"}
)

func TestFollowIsCutInTheMiddleOfALine(t *testing.T) {
	long := strings.Repeat("0123456789", maxPiece/5)
	for name, c := range map[string]struct {
		first, second string
		want          string
	}{
		"in the text":      {t1 + "a\n" + t2 + "hel", t1 + "a\n" + t2 + "hello\n", "a\nhello\n"},
		"in the timestamp": {t1 + "a\n2026-01-02T03", t1 + "a\n" + t2 + "hello\n", "a\nhello\n"},
		"in a long line":   {t1 + long[:maxPiece+77], t1 + long + "\n" + t2 + "b\n", long + "\nb\n"},
		"out of order":     {t2 + "b\n", t2 + "b\n" + t1 + "a\n" + t3 + "c\n", "b\nc\n"},
		"one time twice":   {t1 + "x\n" + t2 + "b\n", t1 + "x\n" + t2 + "b\n" + t2 + "a\n", "x\nb\na\n"},
		"no end of line":   {t1 + "a\n", t1 + "a\n" + t2 + "prompt", "a\nprompt\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{bodies: bodies{text(c.first), text(c.second)}, states: []ContainerState{runs, over}, probe: probes(tunnelGone, answers)}
			var got strings.Builder
			f := NewFollower(s, LogOptions{Follow: true}, func(e LogEvent) error {
				if e.Kind == LogLine {
					got.Write(e.Text)
					if !e.Continued {
						got.WriteByte('\n')
					}
				}
				return nil
			})
			f.pause = short
			if err := f.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want {
				t.Errorf("%d bytes %.80q, want %d bytes %.80q", got.Len(), got.String(), len(c.want), c.want)
			}
		})
	}
}

// A line out of order after a cut is not lost when lines before it were seen.
func TestFollowKeepsLinesThatAreOutOfOrder(t *testing.T) {
	s := &script{
		bodies: bodies{text(t1+"a\n", t3+"c\n"), text(t1+"a\n", t3+"c\n", t2+"b\n")},
		states: []ContainerState{runs, over}, probe: probes(tunnelGone, answers),
	}
	want := []string{"line a", "line c", "interrupted TunnelDown", "resumed", "line b", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFollowGoesOnAfterARestart(t *testing.T) {
	later := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
	waits := ContainerState{Returns: true, Detail: "CrashLoopBackOff"}
	s := &script{
		bodies: bodies{text(t1 + "a\n"), text(t2 + "b\n"), text(t3 + "c\n")},
		states: []ContainerState{{Running: true, Started: &later}, waits, waits, runs, over},
	}
	want := []string{"line a", "restarted", "line b", "waiting", "restarted", "line c", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFollowWaitsForAContainerThatIsNotThereYet(t *testing.T) {
	starting := apierrors.NewBadRequest("container is waiting to start")
	s := &script{
		bodies: bodies{fails(starting), text(t1 + "a\n"), fails(starting)},
		states: []ContainerState{{Returns: true}, runs, over},
	}
	want := []string{"waiting", "restarted", "line a", "end ContainerEnded"}
	if diff := cmp.Diff(want, follow(t, s, true)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	s = &script{bodies: bodies{fails(starting)}, states: []ContainerState{{}}}
	if diff := cmp.Diff([]string{"end Refused"}, follow(t, s, true)); diff != "" {
		t.Errorf("a container that will never start (-want +got):\n%s", diff)
	}
}

// A tunnel hands on no header before there is a line: nothing is not silence.
func TestFollowOpensAnEmptyLog(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := &blocked{}
	var kinds []string
	f := NewFollower(s, LogOptions{Follow: true}, func(e LogEvent) error {
		kinds = append(kinds, e.Kind)
		cancel()
		return nil
	})
	f.pause = short
	if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{LogOpened}, kinds); diff != "" {
		t.Error(diff)
	}
}

// blocked opens no followed log, and answers probes.
type blocked struct{}

func (*blocked) Open(ctx context.Context, o LogOptions) (io.ReadCloser, error) {
	if o.Follow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return text()(o)
}

func (*blocked) State(context.Context, LogOptions) (ContainerState, error) { return runs, nil }

func TestAReadLogThatTheTunnelEndedIsReadOn(t *testing.T) {
	s := &script{
		bodies: bodies{text(t1 + "a\n" + t2 + "b"), text(t1 + "a\n" + t2 + "bb\n")},
		states: []ContainerState{runs}, probe: probes(tunnelGone, answers),
	}
	want := []string{"line a", "interrupted TunnelDown", "resumed", "line bb", "end Complete"}
	if diff := cmp.Diff(want, follow(t, s, false)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestFollowGoesOnBehindAPosition(t *testing.T) {
	s := &script{bodies: bodies{text(t1+"a\n", t2+"b\n", t2+"c\n", t3+"d\n")}}
	at, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(t2))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	f := NewFollower(s, LogOptions{Resume: &LogPosition{Time: at, Lines: 1}}, func(e LogEvent) error {
		if e.Kind == LogLine {
			got = append(got, string(e.Text))
		}
		return nil
	})
	if err := f.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c", "d"}, got); diff != "" {
		t.Error(diff)
	}
}
