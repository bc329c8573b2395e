package observe

import (
	"hash/maphash"
	"time"
)

// remembered is how many of the lines given out last are told from new ones.
const remembered = 4096

// mark stands for one line.
type mark struct {
	nanos int64
	hash  uint64
}

// seen knows the lines given out last, so that a log which is opened again goes on
// behind them. Times alone do not do: several lines may have the same, and lines
// of a container's two outputs are not always in order.
type seen struct {
	seed maphash.Seed
	// ring of the last lines; next is where the next one goes.
	ring []mark
	next int
	// last is the latest time.
	last time.Time
	// again counts the remembered lines that have not come a second time since rewind.
	again map[mark]int
	floor int64
	// same lines with exactly the time floor were given out by somebody else.
	same int
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed()} }

// resume starts behind n lines of time t that were given out by somebody else.
func (s *seen) resume(t time.Time, n int) {
	s.last, s.floor, s.same = t, t.UnixNano(), n
	s.again = map[mark]int{}
}

// since is from when on the log has to be read again; nil is from the start. The
// API takes whole seconds, and one more is for lines that are out of order.
func (s *seen) since() *time.Time {
	if s.last.IsZero() {
		return nil
	}
	t := s.last.Add(-time.Second)
	return &t
}

// mark is made of a line's time and its first piece.
func (s *seen) mark(t time.Time, first []byte) mark {
	return mark{nanos: t.UnixNano(), hash: maphash.Bytes(s.seed, first)}
}

// add remembers a line that was given out.
func (s *seen) add(m mark, t time.Time) {
	if t.After(s.last) {
		s.last = t
	}
	if len(s.ring) < remembered {
		s.ring = append(s.ring, m)
		return
	}
	s.ring[s.next] = m
	s.next = (s.next + 1) % remembered
}

// rewind says that lines will come again.
func (s *seen) rewind() {
	if len(s.ring) == 0 {
		return
	}
	s.again = make(map[mark]int, len(s.ring))
	for _, m := range s.ring {
		s.again[m]++
	}
	s.floor, s.same = s.ring[s.next%len(s.ring)].nanos, 0
}

// given tells whether a line was given out before the last rewind.
func (s *seen) given(m mark) bool {
	if s.again == nil {
		return false
	}
	if m.nanos < s.floor {
		return true
	}
	if m.nanos == s.floor && s.same > 0 {
		s.same--
		return true
	}
	if s.again[m] == 0 {
		return false
	}
	s.again[m]--
	return true
}
