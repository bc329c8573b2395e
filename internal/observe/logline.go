package observe

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// maxPiece bounds what is kept of one line at a time, in bytes: a container may
// write a gigabyte without a line's end.
const maxPiece = 16 << 10

// piece is a line or a part of one.
type piece struct {
	// data without the line's end; good until the next read.
	data []byte
	// start: the line begins here. more: it goes on in the next piece.
	start, more bool
	// open: the log ended before the line did.
	open bool
}

// lineReader cuts a log into pieces.
type lineReader struct {
	r      *bufio.Reader
	inside bool
	err    error
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, maxPiece)}
}

// next gives the next piece. What precedes an error is given out before it.
func (l *lineReader) next() (piece, error) {
	if l.err != nil {
		return piece{}, l.err
	}
	data, err := l.r.ReadSlice('\n')
	p := piece{data: data, start: !l.inside}
	switch {
	case err == nil:
		p.data = data[:len(data)-1]
	case errors.Is(err, bufio.ErrBufferFull):
		p.more = true
	default:
		l.err = err
		if len(data) == 0 {
			return piece{}, err
		}
		p.open = true
	}
	l.inside = p.more
	return p, nil
}

// parseLine splits the timestamp off. What has none does not come from the container.
func parseLine(b []byte) LogEvent {
	stamp, text, ok := bytes.Cut(b, []byte(" "))
	if t, err := time.Parse(time.RFC3339Nano, string(stamp)); err == nil && (ok || len(text) == 0) {
		return LogEvent{Kind: LogLine, Time: t, Stamp: string(stamp), Text: bytes.Clone(text)}
	}
	return LogEvent{Kind: LogNotice, Text: bytes.Clone(b)}
}
