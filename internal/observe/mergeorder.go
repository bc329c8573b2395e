package observe

import "time"

// drain gives out all that is due and says how long until something else may be.
func (m *Merger) drain() (time.Duration, error) {
	for {
		next, wait := m.next(time.Now())
		if next == nil {
			return wait, nil
		}
		e := *next.head
		next.head = nil
		next.inside = e.hasText() && e.Continued
		switch e.Kind {
		case LogOpened, LogResumed, LogRestarted:
			next.open = true
		case LogInterrupted, LogWaiting:
			next.open = false
			next.started = time.Time{} // nobody waits for it any more
		case LogSourceEnd:
			next.done = true
			if e.Cause == CausePodGone {
				delete(m.known, next.target.Name()) // a StatefulSet makes it again
			}
		}
		if err := m.emit(e); err != nil {
			return 0, err
		}
	}
}

// next chooses the source whose event is due: what is no line at once, else the
// oldest line once no older one is to be expected.
func (m *Merger) next(now time.Time) (due *source, wait time.Duration) {
	var oldest *source
	wait = m.look
	complete := true
	for _, s := range m.sources {
		if !s.fill(now) {
			if s.inside {
				return nil, wait // the rest of its line comes first
			}
			if s.awaited(now, m.grace) {
				complete = false
			}
			continue
		}
		if s.head.Kind != LogLine || s.inside {
			return s, 0
		}
		if oldest == nil || s.head.Time.Before(oldest.head.Time) {
			oldest = s
		}
	}
	if oldest == nil {
		return nil, wait
	}
	if complete {
		return oldest, 0
	}
	if held := now.Sub(oldest.since); held < m.patience(now) {
		return nil, m.patience(now) - held
	}
	return oldest, 0
}

// patience is how long lines are held back: longer while logs are being opened.
func (m *Merger) patience(now time.Time) time.Duration {
	for _, s := range m.sources {
		if !s.done && !s.open && s.head == nil && now.Sub(s.started) < m.grace {
			return m.grace
		}
	}
	return m.hold
}

// fill takes the next event of the queue; false is that there is none.
func (s *source) fill(now time.Time) bool {
	if s.head != nil {
		return true
	}
	select {
	case e := <-s.queue:
		s.head, s.since = &e, now
		return true
	default:
		return false
	}
}

// awaited: an older line may still come from it.
func (s *source) awaited(now time.Time, grace time.Duration) bool {
	return !s.done && (s.open || now.Sub(s.started) < grace)
}
