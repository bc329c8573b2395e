package wire

import (
	"encoding/binary"
	"fmt"
)

// The types of a tunnel's frames.
const (
	Logs uint64 = iota
	Exec
	Metrics
	Data
	Remove
	Close
	Attach
)

// MaxData is how much of a frame's data is read, in bytes.
const MaxData = 1 << 20

// Frame is one message of the stream tunnel: two varints and the data.
type Frame struct {
	ID, Type uint64
	Data     []byte
}

// Encode gives the frame's bytes.
func (f Frame) Encode() []byte {
	b := binary.AppendUvarint(nil, f.ID)
	return append(binary.AppendUvarint(b, f.Type), f.Data...)
}

// DecodeFrame reads what Encode gives.
func DecodeFrame(b []byte) (Frame, error) {
	id, n := binary.Uvarint(b)
	if n <= 0 {
		return Frame{}, fmt.Errorf("%w: no stream id in a frame of %d bytes", ErrMalformed, len(b))
	}
	typ, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return Frame{}, fmt.Errorf("%w: no type in a frame of %d bytes", ErrMalformed, len(b))
	}
	return Frame{ID: id, Type: typ, Data: b[n+m:]}, nil
}
