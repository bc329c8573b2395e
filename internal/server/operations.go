package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"
)

const (
	// operationLimit ends an operation that hangs.
	operationLimit = 15 * time.Minute
	// operationsKept bounds how many finished ones are remembered.
	operationsKept = 200
)

var (
	errNoOperation = errors.New("no such operation")
	errBusy        = errors.New("another operation is running")
)

// States of an OperationStep.
const (
	StepRunning = "Running"
	StepDone    = "Done"
	StepFailed  = "Failed"
)

// OperationStep of an operation.
type OperationStep struct {
	Name    string    `json:"name" doc:"Stable word"`
	Message string    `json:"message,omitempty"`
	State   string    `json:"state" enum:"Running,Done,Failed"`
	At      time.Time `json:"at"`
}

// OperationState is how far an operation has come.
type OperationState struct {
	ID      string          `json:"id"`
	Kind    string          `json:"kind" enum:"enable,disable,leave"`
	Cluster string          `json:"cluster"`
	Steps   []OperationStep `json:"steps"`
	Done    bool            `json:"done"`
	Error   *Error          `json:"error,omitempty" doc:"Why it failed"`
}

// operation runs on after the request that started it, even if the user signs out:
// half an installation helps nobody.
type operation struct {
	// key is what only one operation may work on at a time.
	cluster, key, user string

	mu      sync.Mutex
	state   OperationState
	changed chan struct{} // closed at every change
}

// operations by id.
type operations struct {
	now func() time.Time

	mu    sync.Mutex
	all   map[string]*operation
	order []string
}

func newOperations(now func() time.Time) *operations {
	return &operations{now: now, all: map[string]*operation{}}
}

// start runs work in the background, one operation a key at a time.
func (o *operations) start(kind, cluster, key, user string, work func(context.Context, func(OperationStep)) error) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.all {
		if state, _ := other.snapshot(); other.key == key && !state.Done {
			return nil, errBusy
		}
	}
	raw := make([]byte, 16)
	rand.Read(raw) // never fails, see crypto/rand
	one := &operation{
		cluster: cluster, key: key, user: user, changed: make(chan struct{}),
		state: OperationState{ID: hex.EncodeToString(raw), Kind: kind, Cluster: cluster, Steps: []OperationStep{}},
	}
	o.all[one.state.ID] = one
	o.order = append(o.order, one.state.ID)
	if len(o.order) > operationsKept {
		delete(o.all, o.order[0])
		o.order = o.order[1:]
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), operationLimit)
		defer cancel()
		err := work(ctx, func(step OperationStep) { one.report(o.now(), step) })
		one.finish(err)
	}()
	return one, nil
}

func (o *operations) find(id string) (*operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	one, ok := o.all[id]
	if !ok {
		return nil, errNoOperation
	}
	return one, nil
}

// running gives the id of the user's unfinished operation on key.
func (o *operations) running(key, user string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, one := range o.all {
		if state, _ := one.snapshot(); one.key == key && one.user == user && !state.Done {
			return id
		}
	}
	return ""
}

// snapshot copies the state; the channel closes when it is out of date.
func (o *operation) snapshot() (OperationState, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	state := o.state
	state.Steps = append([]OperationStep{}, o.state.Steps...)
	return state, o.changed
}

// report begins a step or changes one that has begun.
func (o *operation) report(now time.Time, step OperationStep) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.tell()
	for i := range o.state.Steps {
		if have := &o.state.Steps[i]; have.Name == step.Name {
			have.State, have.Message = step.State, step.Message
			return
		}
	}
	step.At = now
	o.state.Steps = append(o.state.Steps, step)
}

// inOrder is for work whose steps follow each other: each ends the one before.
func inOrder(report func(OperationStep)) func(name, message string) {
	var last OperationStep
	return func(name, message string) {
		if last.Name != "" && last.Name != name {
			last.State = StepDone
			report(last)
		}
		last = OperationStep{Name: name, Message: message, State: StepRunning}
		report(last)
	}
}

func (o *operation) finish(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := StepDone
	if err != nil {
		end = StepFailed
		o.state.Error = asError(kubeError(err))
	}
	for i := range o.state.Steps {
		if o.state.Steps[i].State == StepRunning {
			o.state.Steps[i].State = end
		}
	}
	o.state.Done = true
	o.tell()
}

func (o *operation) tell() {
	close(o.changed)
	o.changed = make(chan struct{})
}
