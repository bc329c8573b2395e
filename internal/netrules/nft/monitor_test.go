package nft

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// TestQuietTransaction makes a transaction with nobody listening. What others do
// meanwhile must be noticed all the same, and what they do afterwards as ever.
func TestQuietTransaction(t *testing.T) {
	ns := lab.New(t, "quiet")
	b, err := Open(ns.FD, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	sets := 0
	own := func() error {
		sets++
		tx := &batch{}
		tx.addTable()
		tx.addSet(set{name: fmt.Sprintf("own%d", sets), key: keyPort})
		return b.conn.commit(tx)
	}
	foreign := func() { ns.Exec("nft", "add", "set", "inet", "edgeway", "mine", "{ type ipv4_addr ; }") }
	failure := errors.New("refused")
	cases := []struct {
		what        string
		transaction func() error
		err         error
		disturbed   bool
	}{
		{"own only", own, nil, false},
		{"somebody else's meanwhile", func() error { defer foreign(); return own() }, nil, true},
		{"failed", func() error { return failure }, failure, true},
		{"own only, again", own, nil, false},
	}
	for _, c := range cases {
		if err := b.monitor.quietly(b.conn.generation, c.transaction); !errors.Is(err, c.err) {
			t.Errorf("%s: error is %v, want %v", c.what, err, c.err)
		}
		if got := disturbedWithin(b, 100*time.Millisecond); got != c.disturbed {
			t.Errorf("%s: disturbed is %v, want %v", c.what, got, c.disturbed)
		}
	}
	ns.Exec("nft", "delete", "table", "inet", "edgeway")
	if !disturbedWithin(b, 5*time.Second) {
		t.Error("a change after a quiet transaction was not noticed")
	}
}

func disturbedWithin(b *Backend, patience time.Duration) bool {
	select {
	case <-b.Disturbed():
		return true
	case <-time.After(patience):
		return false
	}
}
