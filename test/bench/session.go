package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// session is one call of the program.
type session struct {
	root string
	// nodes is how many edge nodes there are where the figure is about many, and runs
	// how often each figure is taken.
	nodes, runs int
	// trial results are printed and not kept.
	trial bool
}

// group measures figures that share what has to be set up for them.
type group struct {
	figures []spec
	// cold groups take very long or need a site that was brought up for them; they run only
	// when named.
	cold    bool
	measure func(*bed) error
}

func (g group) names() string {
	var names []string
	for _, f := range g.figures {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

// take measures the group's figures. What it set up is removed when it returns.
func (g group) take(ctx context.Context, s *session) ([]figure, error) {
	b := &bed{session: s, ctx: ctx, started: time.Now()}
	for _, f := range g.figures {
		b.figures = append(b.figures, f.blank())
	}
	err := errors.Join(b.run(g.measure), b.clean())
	if ctx.Err() != nil {
		err = ctx.Err() // whatever failed, failed because of that
	}
	if err != nil {
		return nil, err
	}
	for i := range b.figures {
		if err := b.figures[i].settle(); err != nil {
			return nil, err
		}
	}
	return b.figures, nil
}

// bed is what one group works on. It is what a test is to package lab: Fatal ends
// the group, and Cleanup's functions run at its end, the last one first.
type bed struct {
	*session
	ctx      context.Context
	started  time.Time
	figures  []figure
	cleanups []func()
}

// failure carries an error out of the group's goroutine.
type failure struct{ err error }

func (b *bed) run(f func(*bed) error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		default:
			panic(r)
		}
	}()
	return f(b)
}

// clean undoes what was set up, also after an interrupt.
func (b *bed) clean() error {
	var errs []error
	for _, f := range slices.Backward(b.cleanups) {
		errs = append(errs, b.run(func(*bed) error { f(); return nil }))
	}
	return errors.Join(errs...)
}

// inside runs a part of the group and removes at its end what that part set up.
func (b *bed) inside(part func(*bed)) {
	inner := &bed{session: b.session, ctx: b.ctx, started: b.started}
	err := inner.run(func(inner *bed) error { part(inner); return nil })
	b.must(errors.Join(err, inner.clean()))
}

// pause waits, but not after an interrupt.
func (b *bed) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-b.ctx.Done():
		b.must(b.ctx.Err())
	}
}

// Helper implements lab.T.
func (b *bed) Helper() {}

// Cleanup implements lab.T.
func (b *bed) Cleanup(f func()) { b.cleanups = append(b.cleanups, f) }

// Fatal implements lab.T.
func (b *bed) Fatal(args ...any) { panic(failure{errors.New(fmt.Sprint(args...))}) }

// Fatalf implements lab.T.
func (b *bed) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

// must ends the group when there is an error.
func (b *bed) must(err error) {
	if err == nil {
		err = b.ctx.Err()
	}
	if err != nil {
		panic(failure{err})
	}
}

// undo is Cleanup for functions that may fail.
func (b *bed) undo(f func() error) {
	b.Cleanup(func() {
		if err := f(); err != nil {
			panic(failure{err})
		}
	})
}

// dir is a directory that is removed at the group's end.
func (b *bed) dir() string {
	dir, err := os.MkdirTemp("", "edgeway-bench-")
	b.must(err)
	b.undo(func() error { return os.RemoveAll(dir) })
	return dir
}

// say shows how far the group is, and since when.
func (b *bed) say(format string, args ...any) {
	fmt.Printf("  [%4.0f s] %s\n", time.Since(b.started).Seconds(), fmt.Sprintf(format, args...))
}

// record adds a run's value to a figure.
func (b *bed) record(name string, value float64) {
	f := b.figure(name)
	f.Runs = append(f.Runs, value)
	fmt.Printf("%s run %d of %d: %s %s\n", name, len(f.Runs), b.runs, number(value), f.Unit)
}

// compare adds a run's value to a baseline of a figure.
func (b *bed) compare(name, with string, value float64) {
	f := b.figure(name)
	f.baseline(with).add(value)
	b.say("%s: %s %s", with, number(value), f.Unit)
}

func (b *bed) figure(name string) *figure {
	i := slices.IndexFunc(b.figures, func(f figure) bool { return f.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("figure %s is not of this group", name))
	}
	return &b.figures[i]
}
