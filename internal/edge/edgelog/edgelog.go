// Package edgelog finds in EdgeCore's output why it does not come up. It reads text
// and nothing else; where the text comes from is package service's matter. A remedy
// is given only where a line of the output makes its cause probable.
package edgelog

import (
	"regexp"
	"slices"
	"strings"
)

// Finding is the first real error of EdgeCore's last run.
type Finding struct {
	// Line as EdgeCore wrote it, without time and place.
	Line string
	// Cause and Remedy are empty when the line is none that this package knows.
	Cause, Remedy string
}

// String is one sentence for people.
func (f Finding) String() string {
	if f.Cause == "" {
		return "EdgeCore says: " + f.Line
	}
	return f.Cause + " (EdgeCore says: " + f.Line + "): " + f.Remedy
}

const (
	// maxLine bounds what is shown of a line, in bytes.
	maxLine = 300
	// started begins EdgeCore's output at every start.
	started = "Version: "
	// connected is its line when CloudHub took the connection.
	connected = "Websocket connect to cloud access successful"
)

// klogLine is a line of klog, whatever stands in front of it (systemd's journal).
var klogLine = regexp.MustCompile(`(?:^|\s)([IWEF])\d{4} \d{2}:\d{2}:\d{2}\.\d+\s+\d+ \S+:\d+\] (.*)`)

// plainFatal are ends of a Go program, and of a shell or systemd that cannot start it.
var plainFatal = regexp.MustCompile(`(?:^|: |\s)(panic: .*|fatal error: .*|Error: .*|\S*edgecore: .*|\S+\.service: .*status=203/EXEC.*)$`)

type entry struct {
	severity byte // I, W, E or F
	text     string
}

// First returns the finding of the last run that has one. Lines that are wrong in a
// healthy EdgeCore, too, do not count.
func First(output string) (Finding, bool) {
	for _, run := range slices.Backward(runs(output)) {
		if f, ok := first(run); ok {
			return f, true
		}
		if slices.ContainsFunc(run, func(e entry) bool { return strings.Contains(e.text, connected) }) {
			return Finding{}, false
		}
	}
	return Finding{}, false
}

// runs cuts the output where EdgeCore was started.
func runs(output string) [][]entry {
	out := [][]entry{nil}
	for line := range strings.Lines(output) {
		e, ok := parse(strings.TrimRight(line, "\r\n"))
		if !ok {
			continue
		}
		if e.severity == 'I' && strings.HasPrefix(e.text, started) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], e)
	}
	return out
}

func parse(line string) (entry, bool) {
	if m := klogLine.FindStringSubmatch(line); m != nil {
		return entry{m[1][0], clip(m[2])}, true
	}
	if m := plainFatal.FindStringSubmatch(line); m != nil {
		return entry{'F', clip(m[1])}, true
	}
	return entry{}, false
}

func clip(text string) string {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "?"))
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	return text
}

// first prefers what a rule knows, then what ended EdgeCore, then any error.
func first(run []entry) (Finding, bool) {
	var fatal, wrong string
	for i, e := range run {
		if e.severity == 'I' || noise.MatchString(e.text) {
			continue
		}
		f, known, passed := explain(e.text, run[i+1:])
		if known {
			return f, true
		}
		if passed {
			continue
		}
		switch {
		case e.severity == 'F' && fatal == "":
			fatal = e.text
		case e.severity == 'E' && wrong == "":
			wrong = e.text
		}
	}
	if fatal == "" {
		fatal = wrong
	}
	return Finding{Line: fatal}, fatal != ""
}

// explain finds the rule of a line. passed: later lines show that it is over.
func explain(text string, later []entry) (f Finding, known, passed bool) {
	for _, r := range rules {
		if !r.line.MatchString(text) {
			continue
		}
		if r.passes && slices.ContainsFunc(later, func(e entry) bool { return strings.Contains(e.text, connected) }) {
			return Finding{}, false, true
		}
		return Finding{Line: text, Cause: r.cause, Remedy: r.remedy}, true, false
	}
	return Finding{}, false, false
}
