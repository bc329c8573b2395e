package runtime

import "sync"

// StepState is how far a step is.
type StepState string

// The states of a step.
const (
	StepRunning StepState = "Running"
	StepDone    StepState = "Done"
	StepFailed  StepState = "Failed"
)

// Step is one report of progress. The same step is reported again whenever its
// state or message changes.
type Step struct {
	// Name is stable: preflight, lock, namespace, certificate, crds, loadBalancer,
	// release, cloudcore, edgeWatcher, iptablesOperator, rollback, routes, uninstall, leftovers.
	Name    string    `json:"name" doc:"Stable name of the step."`
	State   StepState `json:"state" enum:"Running,Done,Failed" doc:"How far the step is."`
	Message string    `json:"message,omitempty" doc:"What is going on."`
}

// Progress receives steps, in order and never two at once. It must not block for long.
type Progress func(Step)

// serial drops repeated reports and keeps callers on several goroutines apart.
func (p Progress) serial() Progress {
	var mu sync.Mutex
	last := map[string]Step{}
	return func(s Step) {
		mu.Lock()
		defer mu.Unlock()
		if p == nil || last[s.Name] == s {
			return
		}
		last[s.Name] = s
		p(s)
	}
}

// step runs fn and reports its beginning and its end.
func (p Progress) step(name string, fn func(say func(string)) error) error {
	message := ""
	p(Step{Name: name, State: StepRunning})
	err := fn(func(m string) {
		message = m
		p(Step{Name: name, State: StepRunning, Message: m})
	})
	if err != nil {
		p(Step{Name: name, State: StepFailed, Message: err.Error()})
		return err
	}
	p(Step{Name: name, State: StepDone, Message: message})
	return nil
}
