package badlink

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

func TestAdmit(t *testing.T) {
	now := time.Unix(1000, 0)
	d := direction{q: Quality{Delay: 150 * time.Millisecond, Loss: 0.02, Rate: 256_000}}
	if _, ok := d.admit(now, 1000, 0.019); ok {
		t.Error("a frame that the dice say is lost arrives")
	}
	// 3,200 bytes take 100 ms at 256 kbit/s; the second waits for the first.
	for i, want := range []time.Duration{250 * time.Millisecond, 350 * time.Millisecond} {
		due, ok := d.admit(now, 3200, 0.5)
		if !ok || due.Sub(now) != want {
			t.Errorf("frame %d arrives after %s, %v; want %s", i, due.Sub(now), ok, want)
		}
	}
	lost := false
	for range 20 {
		_, ok := d.admit(now, 3200, 0.5)
		lost = lost || !ok
	}
	if !lost || d.free.Sub(now) > backlog+100*time.Millisecond {
		t.Errorf("the link holds %s of frames, want some %s", d.free.Sub(now), backlog)
	}
}

// pipe is a port whose frames come from a channel and go to one.
type pipe struct{ in, out chan []byte }

func (p pipe) Read(frame []byte) (int, error) {
	f, ok := <-p.in
	if !ok {
		return 0, io.EOF
	}
	return copy(frame, f), nil
}

func (p pipe) Write(frame []byte) (int, error) {
	p.out <- frame
	return len(frame), nil
}

func TestCarryKeepsOrderAndDelays(t *testing.T) {
	from, to := pipe{in: make(chan []byte)}, pipe{out: make(chan []byte, 10)}
	done := make(chan error, 1)
	q := Quality{Delay: 50 * time.Millisecond}
	go func() { done <- carry(context.Background(), from, to, q) }()
	start := time.Now()
	for i := range byte(5) {
		from.in <- []byte{i}
	}
	for i := range byte(5) {
		if f := <-to.out; f[0] != i {
			t.Errorf("frame %d came in place of %d", f[0], i)
		}
	}
	if took := time.Since(start); took < q.Delay {
		t.Errorf("frames arrived after %s, want %s at least", took, q.Delay)
	}
	close(from.in)
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("carry ended with %v", err)
	}
}
