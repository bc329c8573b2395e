package observe

import (
	"bytes"
	"io"
)

// LogPrinter writes lines as text, as kubectl would: the same bytes.
type LogPrinter struct {
	w          io.Writer
	prefix     bool
	timestamps bool
	sources    map[int]LogTarget
	// inside is the source of a line that has begun, -1 for none.
	inside int
	buf    bytes.Buffer
}

// NewLogPrinter writes to w, each line with [pod/container] before it where prefix
// is set and a source is known, and with its time where timestamps is.
func NewLogPrinter(w io.Writer, prefix, timestamps bool) *LogPrinter {
	return &LogPrinter{w: w, prefix: prefix, timestamps: timestamps, sources: map[int]LogTarget{}, inside: -1}
}

// Print writes lines and notices, and nothing for other events.
func (p *LogPrinter) Print(e LogEvent) error {
	if e.Kind == LogSourceAdded {
		p.sources[e.Source] = e.From
	}
	if !e.hasText() {
		return nil
	}
	p.buf.Reset()
	goesOn := e.Continues && p.inside == e.Source
	if !goesOn {
		if p.inside >= 0 {
			p.buf.WriteByte('\n') // another line came between
		}
		if from, ok := p.sources[e.Source]; ok && p.prefix {
			p.buf.WriteString("[" + from.Name() + "] ")
		}
		if p.timestamps && e.Stamp != "" {
			p.buf.WriteString(e.Stamp + " ")
		}
	}
	p.buf.Write(e.Text)
	p.inside = e.Source
	if !e.Continued {
		p.buf.WriteByte('\n')
		p.inside = -1
	}
	_, err := p.w.Write(p.buf.Bytes())
	return err
}
