package netns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// killedEnv makes the test's program the operator that TestKilledHalfWay kills: it
// names a kind, and stands in a node's network namespace.
const killedEnv = "EDGEWAY_TEST_KILLED"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(killedEnv)); err == nil {
		fmt.Fprintln(os.Stderr, churnForever(kinds[n]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// churnForever changes everything but edgeB's route, again and again.
func churnForever(k kind) error {
	backend, err := k.open(0, discard)
	if err != nil {
		return err
	}
	s := &site{model: netrules.NewModel()}
	for n := 0; ; n++ {
		if err := s.killable(n); err != nil {
			return err
		}
		check := []netrules.Check{netrules.Trust, netrules.CheckAll}[n%2]
		if _, err := backend.Apply(context.Background(), s.model.Plan(), check); err != nil {
			return err
		}
		s.model.Commit()
	}
}

// killable is the nth of the changes; edgeB goes to core2 in all of them.
func (s *site) killable(n int) error {
	targets := [][]string{{"10.9.1.2 fd00:1::2", "10.9.1.3"}, {"", "10.9.1.3"}, {"10.9.1.3", "10.9.1.3"}}[n%3]
	if err := s.model.SetTargets(targetsOf(guardFacts("10.9.1.2", "fd00:1::2"), targets...)); err != nil {
		return err
	}
	routes := append(some(1500, n), route("b", edgeB, "10352"), route("a", edgeA, []string{"10351", "10352"}[n%2]))
	return s.model.SetSlice("a", routes)
}

// TestKilledHalfWay kills an operator at random moments. Whatever it leaves, an
// unaffected route works, and the next start makes all right and leaves nothing over.
func TestKilledHalfWay(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		r := rand.New(rand.NewPCG(5, uint64(len(s.kind.name))))
		if err := s.killable(0); err != nil {
			t.Fatal(err)
		}
		s.apply(netrules.Trust)
		want := s.ruleset()
		for round := range 6 {
			s.kill(time.Duration(150+r.IntN(500)) * time.Millisecond)
			s.expect(s.node, edgeB+":10250", "core2")
			s.open()
			if err := s.killable(0); err != nil {
				t.Fatal(err)
			}
			s.apply(netrules.Trust)
			if got := s.ruleset(); got != want {
				t.Fatalf("after round %d, - want, + got:\n%s", round, cmp.Diff(want, got))
			}
		}
		s.expect(s.node, edgeA+":10250", "core1")
	})
}

// kill starts an operator on the node and kills it after a while. A program
// that it started may still end its work, as on a real host.
func (s *site) kill(after time.Duration) {
	s.t.Helper()
	n := 0
	for i, k := range kinds {
		if k.name == s.kind.name {
			n = i
		}
	}
	cmd := exec.Command("nsenter", "--net=/run/netns/"+s.node.Name, os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", killedEnv, n))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	time.Sleep(after)
	if err := cmd.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		s.t.Fatalf("the operator ended by itself: %v", err)
	}
}
