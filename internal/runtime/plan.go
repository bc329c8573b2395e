package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/internal/settings"
)

// Action is what enabling or configuring would do.
type Action string

// The actions.
const (
	ActionNone     Action = "None"
	ActionInstall  Action = "Install"
	ActionUpgrade  Action = "Upgrade"
	ActionContinue Action = "Continue"
	ActionRefuse   Action = "Refuse"
)

// Change is one field that would change.
type Change struct {
	Field string `json:"field" doc:"Path of the field."`
	From  any    `json:"from,omitempty" doc:"The value in force."`
	To    any    `json:"to,omitempty" doc:"The value asked for."`
}

// Effect is what a change means to those who use the cluster.
type Effect struct {
	Code    string `json:"code" doc:"Stable name."`
	Message string `json:"message" doc:"What happens."`
}

// Plan says what enabling or configuring would do, without doing it.
type Plan struct {
	Action   Action             `json:"action" enum:"None,Install,Upgrade,Continue,Refuse" doc:"What would be done."`
	State    State              `json:"state" doc:"State of KubeEdge now."`
	Reason   string             `json:"reason" doc:"Why it is in that state, as a stable word."`
	Message  string             `json:"message,omitempty" doc:"Why it is in that state."`
	Revision int                `json:"revision" doc:"Revision of the settings in force; 0 when there are none."`
	Settings settings.Settings  `json:"settings" doc:"The settings as they would be in force."`
	Problems []settings.Problem `json:"problems" doc:"What is wrong with the settings; warnings do not refuse them."`
	Changes  []Change           `json:"changes" doc:"Fields that would change."`
	Effects  []Effect           `json:"effects" doc:"What that means."`
}

// Plan compares s with what is in force. Bad settings are part of the plan, not
// an error; an error means that the cluster could not be asked.
func (r *Runtime) Plan(ctx context.Context, s settings.Settings) (Plan, error) {
	cfg, err := r.actions()
	if err != nil {
		return Plan{}, err
	}
	o, err := r.observe(ctx, cfg)
	if err != nil {
		return Plan{}, err
	}
	return r.plan(ctx, s, o)
}

func (r *Runtime) plan(ctx context.Context, s settings.Settings, o observation) (Plan, error) {
	facts, err := r.Facts(ctx, s)
	if err != nil {
		return Plan{}, err
	}
	resolved, problems := s.Resolve(facts)
	problems = append(problems, resolved.Validate(facts)...)
	more, err := r.preflight(ctx)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{
		State: o.state, Reason: o.reason, Message: o.message, Settings: resolved.WithoutRemoved(),
		Problems: append(problems, more...), Changes: []Change{}, Effects: []Effect{},
	}
	if p.Problems == nil {
		p.Problems = []settings.Problem{}
	}
	return p, p.decide(o, r.chart.Metadata.Version)
}

// decide turns the observation into one action and lists what it changes.
func (p *Plan) decide(o observation, chartVersion string) error {
	if o.last != nil {
		p.Revision = o.last.Version
	}
	if settings.AsError(p.Problems) != nil || o.state == StateForeign {
		p.Action = ActionRefuse
		return nil
	}
	if o.last == nil || o.state == StateAbsent {
		p.Action = ActionInstall
		p.Effects = []Effect{{"Installs", "CloudCore, edge-watcher and iptables-operator are installed in namespace kubeedge"}}
		return nil
	}
	newer := o.last.Chart.Metadata.Version != chartVersion
	current, unreadable := settingsOfRelease(o.last)
	if unreadable == nil {
		var err error
		if p.Changes, err = diff(current, p.Settings); err != nil {
			return err
		}
		p.Effects = effects(p.Changes, newer)
	} else {
		p.Effects = []Effect{{"ReplacesUnreadable", unreadable.Error() + ": the settings of this plan replace all of them"}}
	}
	switch {
	case o.state == StateInterrupted || o.state == StateFailed:
		p.Action = ActionContinue
	case len(p.Changes) == 0 && !newer && unreadable == nil:
		p.Action = ActionNone
	default:
		p.Action = ActionUpgrade
	}
	return nil
}

// diff compares two settings field by field, in order of path.
func diff(from, to settings.Settings) ([]Change, error) {
	before, err := flatten(from)
	if err != nil {
		return nil, err
	}
	after, err := flatten(to)
	if err != nil {
		return nil, err
	}
	fields := map[string]bool{}
	for f := range before {
		fields[f] = true
	}
	for f := range after {
		fields[f] = true
	}
	out := []Change{}
	for f := range fields {
		if !reflect.DeepEqual(before[f], after[f]) {
			out = append(out, Change{Field: f, From: before[f], To: after[f]})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return strings.Compare(a.Field, b.Field) })
	return out, nil
}

// flatten maps paths to values; lists are values.
func flatten(s settings.Settings) (map[string]any, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	out := map[string]any{}
	walk("", tree, out)
	return out, nil
}

func walk(prefix string, tree map[string]any, out map[string]any) {
	for key, value := range tree {
		if sub, ok := value.(map[string]any); ok {
			walk(prefix+key+".", sub, out)
			continue
		}
		out[prefix+key] = value
	}
}
