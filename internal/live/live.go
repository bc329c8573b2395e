// Package live keeps lists of objects current by watching them, for as long as
// somebody asks: a page with a thousand nodes that is read again every few seconds
// costs the API server one list, and then what changes.
package live

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/cache"

	"github.com/edgeway-io/edgeway/internal/limit"
)

const (
	// idle is how long a list is kept current that nobody asks for.
	idle = time.Minute
	// pause after a watch that failed, before the next: a user may be allowed to list
	// and not to watch.
	pause = time.Minute
)

// List of one kind's objects, as rows. It watches with somebody's own rights; that these
// still hold is for the caller to ask.
type List[Row any] struct {
	// ctx is its owner's; watching ends with it.
	ctx    context.Context
	source cache.ListerWatcher
	kind   runtime.Object
	row    func(runtime.Object) Row
	budget *limit.Bytes

	idle time.Duration

	mu    sync.Mutex
	view  *view[Row]
	stop  *time.Timer
	after time.Time // the next watch does not begin before
}

// New makes a List; watching begins when it is first asked for. row makes a row of an
// object of that kind, and keeps nothing else of it. Rows count against budget, nil for
// none: a list that finds no room in it is not kept, and tried again later.
func New[Row any](ctx context.Context, source cache.ListerWatcher, kind runtime.Object, row func(runtime.Object) Row, budget *limit.Bytes) *List[Row] {
	return &List[Row]{ctx: ctx, source: source, kind: kind, row: row, idle: idle, budget: budget}
}

// Rows are the current rows, in no order. It is false while there is no current list: at
// first, and when a watch has failed. Who asks then reads by himself, and sees why.
func (l *List[Row]) Rows() ([]Row, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.view == nil {
		l.begin()
		return nil, false
	}
	l.stop.Reset(l.idle)
	return l.view.all()
}

// begin is called with mu held.
func (l *List[Row]) begin() {
	if l.ctx.Err() != nil || time.Now().Before(l.after) {
		return
	}
	ctx, cancel := context.WithCancel(l.ctx)
	v := &view[Row]{row: l.row, budget: l.budget, giveUp: cancel}
	l.view, l.stop = v, time.AfterFunc(l.idle, cancel)
	reflector := cache.NewReflectorWithOptions(l.source, l.kind, v, cache.ReflectorOptions{Name: "live"})
	go func() {
		// Whatever has ended it, from here on the rows are no longer current.
		err := reflector.ListAndWatchWithContext(ctx)
		failed := v.drop() || err != nil && ctx.Err() == nil
		cancel()
		l.end(failed)
	}()
}

func (l *List[Row]) end(failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop.Stop()
	l.view = nil
	if failed {
		l.after = time.Now().Add(pause)
	}
}

// view is what one watch has brought.
type view[Row any] struct {
	row    func(runtime.Object) Row
	budget *limit.Bytes
	giveUp func() // ends the watch

	mu     sync.Mutex
	rows   map[string]Row // nil until all are known
	held   int64          // of the budget
	noRoom bool
}

// errNoRoom: the budget has no room for the list.
var errNoRoom = errors.New("no room to keep the list")

var _ cache.ReflectorStore = (*view[int])(nil)

func (v *view[Row]) all() ([]Row, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.rows == nil {
		return nil, false
	}
	out := make([]Row, 0, len(v.rows))
	for _, row := range v.rows {
		out = append(out, row)
	}
	return out, true
}

// Add implements cache.ReflectorStore.
func (v *view[Row]) Add(obj any) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.put(v.rows, obj)
}

// drop gives the rows up. It tells whether there was no room for them.
func (v *view[Row]) drop() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.budget.Free(v.held)
	v.rows, v.held = nil, 0
	return v.noRoom
}

// Update implements cache.ReflectorStore.
func (v *view[Row]) Update(obj any) error { return v.Add(obj) }

// Delete implements cache.ReflectorStore.
func (v *view[Row]) Delete(obj any) error {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if row, ok := v.rows[key]; ok {
		v.release(limit.SizeOf(row))
		delete(v.rows, key)
	}
	return nil
}

// Replace implements cache.ReflectorStore.
func (v *view[Row]) Replace(objects []any, _ string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.release(v.held)
	v.rows = nil
	rows := make(map[string]Row, len(objects))
	for _, obj := range objects {
		if err := v.put(rows, obj); err != nil {
			return err
		}
	}
	v.rows = rows
	return nil
}

// Resync implements cache.ReflectorStore.
func (v *view[Row]) Resync() error { return nil }

func (v *view[Row]) put(rows map[string]Row, obj any) error {
	key, err := cache.MetaNamespaceKeyFunc(obj)
	if err != nil {
		return err
	}
	row := v.row(obj.(runtime.Object))
	size := limit.SizeOf(row)
	if old, ok := rows[key]; ok {
		v.release(limit.SizeOf(old))
	}
	if v.noRoom || !v.budget.Take(size) {
		// The reflector would only log the error and go on with a list that lacks a row.
		v.noRoom, v.rows = true, nil
		v.giveUp()
		return errNoRoom
	}
	v.held += size
	rows[key] = row
	return nil
}

// release gives a part of the budget back.
func (v *view[Row]) release(size int64) {
	v.held -= size
	v.budget.Free(size)
}
