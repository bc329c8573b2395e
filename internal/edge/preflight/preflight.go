// Package preflight looks at a device before it joins. The probes form a tree: a
// probe whose parent failed is not run, so that one fault gives one message.
package preflight

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Status of a probe.
type Status string

// What a probe can say.
const (
	Pass Status = "pass"
	// Unknown: it could not be found out. It stops no join.
	Unknown Status = "unknown"
	Warn    Status = "warn"
	Fail    Status = "fail"
	// Skipped: its parent failed, or there is nothing to look at.
	Skipped Status = "skipped"
)

// Outcome of one probe.
type Outcome struct {
	Status Status `json:"status"`
	// Detail is what was found.
	Detail string `json:"detail,omitempty"`
	// Remedy says what to do; set with Unknown, Warn and Fail.
	Remedy string `json:"remedy,omitempty"`
}

// Probe is one thing to look at.
type Probe struct {
	// ID is stable, like "runtime.socket".
	ID string
	// Title for people.
	Title string
	// Run looks; nil makes the probe a heading.
	Run func(ctx context.Context) Outcome
	// Below is looked at when Run did not fail.
	Below []Probe
}

// Report is the tree of outcomes.
type Report struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Outcome
	Below []Report `json:"below,omitempty"`
}

// Run runs the probes in order.
func Run(ctx context.Context, p Probe) Report {
	out := Outcome{Status: Pass}
	if p.Run != nil {
		out = p.Run(ctx)
	}
	r := Report{ID: p.ID, Title: p.Title, Outcome: out}
	for _, below := range p.Below {
		if out.Status == Fail || out.Status == Skipped {
			r.Below = append(r.Below, skip(below))
		} else {
			r.Below = append(r.Below, Run(ctx, below))
		}
	}
	if p.Run == nil {
		r.Status = worst(r.Below)
	}
	return r
}

func skip(p Probe) Report {
	r := Report{ID: p.ID, Title: p.Title, Outcome: Outcome{Status: Skipped}}
	for _, below := range p.Below {
		r.Below = append(r.Below, skip(below))
	}
	return r
}

func worst(reports []Report) Status {
	rank := map[Status]int{Skipped: 0, Pass: 1, Unknown: 2, Warn: 3, Fail: 4}
	w := Skipped
	for _, r := range reports {
		if rank[r.Status] > rank[w] {
			w = r.Status
		}
	}
	return w
}

// Failures are the failed probes themselves, without their headings.
func (r Report) Failures() []Report { return r.with(Fail) }

// Doubts are the probes that warn or do not know, without their headings.
func (r Report) Doubts() []Report { return append(r.with(Warn), r.with(Unknown)...) }

func (r Report) with(s Status) []Report {
	var out []Report
	for _, below := range r.Below {
		out = append(out, below.with(s)...)
	}
	if r.Status == s && len(out) == 0 {
		out = append(out, r)
	}
	return out
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error { return r.text(w, 0) }

func (r Report) text(w io.Writer, depth int) error {
	indent := strings.Repeat("  ", depth)
	line := fmt.Sprintf("%s%-9s %s", indent, "["+string(r.Status)+"]", r.Title)
	if r.Detail != "" {
		line += ": " + r.Detail
	}
	if r.Remedy != "" {
		line += "\n" + indent + "          → " + r.Remedy
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	for _, below := range r.Below {
		if err := below.text(w, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
