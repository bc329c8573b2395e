package tunnel

import (
	"errors"
	"testing"
	"time"
)

func TestInboxKeepsOrderAndEnds(t *testing.T) {
	q := NewInbox()
	for _, s := range []string{"a", "b", "c"} {
		if err := q.Push([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	q.End()
	q.End() // twice does no harm
	var got string
	for data := range q.Data() {
		got += string(data)
	}
	if got != "abc" {
		t.Errorf("got %q, want what was pushed before the end, abc", got)
	}
}

func TestInboxWithoutReader(t *testing.T) {
	q := NewInbox()
	for range inboxFrames {
		if err := q.Push(nil); err != nil {
			t.Fatal(err)
		}
	}
	q.Leave()
	if err := q.Push(nil); !errors.Is(err, ErrGone) {
		t.Errorf("after Leave: got %v, want ErrGone", err)
	}
}

func TestInboxStalls(t *testing.T) {
	q := NewInbox()
	q.patience = time.Millisecond
	for range inboxFrames {
		if err := q.Push(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Push(nil); !errors.Is(err, ErrStalled) {
		t.Errorf("full: got %v, want ErrStalled", err)
	}
}
