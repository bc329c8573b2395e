// Package badlink makes a cable of the sandbox slow, late and lossy. It works in user
// space, because not every kernel has the traffic controls for it: frames that a host
// sends are read from its port on the router, held back, and put on the router's bridge
// by a TAP interface, and the other way round.
package badlink

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Quality of a link, the same in both directions.
type Quality struct {
	// Delay of a frame in one direction.
	Delay time.Duration
	// Loss is the share of frames that are lost, 0 to 1.
	Loss float64
	// Rate in bits a second; 0 for no limit.
	Rate int
}

// Validate names what is out of range.
func (q Quality) Validate() error {
	switch {
	case q.Delay < 0 || q.Delay > time.Minute:
		return fmt.Errorf("--delay %s: give 0s to 1m", q.Delay)
	case q.Loss < 0 || q.Loss >= 1:
		return fmt.Errorf("--loss %g: give 0 or more, and less than 1", q.Loss)
	case q.Rate < 0:
		return fmt.Errorf("--rate %d: give bits a second, or 0 for no limit", q.Rate)
	}
	return nil
}

// backlog is how much a link holds that is faster filled than emptied, as the buffer of
// a modem; what comes then is lost.
const backlog = time.Second

// direction is one way of a link.
type direction struct {
	q Quality
	// free is when the link has sent what it took.
	free time.Time
}

// admit says when a frame of n bytes that comes now arrives; false when it is lost.
func (d *direction) admit(now time.Time, n int, chance float64) (time.Time, bool) {
	if chance < d.q.Loss || d.free.Sub(now) > backlog {
		return time.Time{}, false
	}
	if d.free.Before(now) {
		d.free = now
	}
	if d.q.Rate > 0 {
		d.free = d.free.Add(time.Duration(n) * 8 * time.Second / time.Duration(d.q.Rate))
	}
	return d.free.Add(d.q.Delay), true
}

// port is one end of a cable: a frame for each Read and Write.
type port interface {
	Read(frame []byte) (int, error)
	Write(frame []byte) (int, error)
}

type held struct {
	frame []byte
	due   time.Time
}

// carry brings frames from one port to the other until ctx ends or a port fails.
func carry(ctx context.Context, from, to port, q Quality) error {
	d := direction{q: q}
	queue := make(chan held, 1<<14)
	failed := make(chan error, 1)
	go func() {
		for h := range queue {
			time.Sleep(time.Until(h.due))
			if _, err := to.Write(h.frame); err != nil {
				failed <- fmt.Errorf("send a frame: %w", err)
				return
			}
		}
	}()
	defer close(queue)
	buf := make([]byte, 1<<16)
	for ctx.Err() == nil {
		n, err := from.Read(buf)
		if err != nil {
			return fmt.Errorf("receive a frame: %w", err)
		}
		due, ok := d.admit(time.Now(), n, rand.Float64())
		if !ok {
			continue
		}
		select {
		case queue <- held{append([]byte(nil), buf[:n]...), due}:
		case err := <-failed:
			return err
		default: // full
		}
	}
	return ctx.Err()
}
