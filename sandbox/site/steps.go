package site

import (
	"context"
	"fmt"
	"io"
	"time"
)

// step is one part of `up` that a person waits for.
type step struct {
	title string
	run   func(context.Context) error
}

// runSteps runs steps in order and shows each with the time it took.
func runSteps(ctx context.Context, w io.Writer, started time.Time, steps []step) error {
	for _, s := range steps {
		begin := time.Now()
		fmt.Fprintf(w, "[%5.1fs] %s ...", time.Since(started).Seconds(), s.title)
		if err := s.run(ctx); err != nil {
			fmt.Fprintln(w, " failed")
			return fmt.Errorf("%s: %w", s.title, err)
		}
		fmt.Fprintf(w, " %.1fs\n", time.Since(begin).Seconds())
	}
	return nil
}
