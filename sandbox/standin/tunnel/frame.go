// Package tunnel speaks the wire format of KubeEdge's stream tunnel: the frames
// that CloudCore and EdgeCore exchange over one WebSocket, the request that opens
// a stream, and the queues that keep one slow stream from holding up the others.
package tunnel

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxData is the largest payload of a frame in bytes.
const MaxData = 1 << 20

// Type tells what a frame means. The numbers are KubeEdge's.
type Type uint64

// The frame types. Logs, Exec, Metrics and Attach open a stream and carry a
// [Connect] as JSON; Data carries raw bytes; Remove ends one stream; Close ends
// the whole tunnel and carries the reason as text.
const (
	Logs    Type = 0
	Exec    Type = 1
	Metrics Type = 2
	Data    Type = 3
	Remove  Type = 4
	Close   Type = 5
	Attach  Type = 6
)

// String gives the type's name for log lines.
func (t Type) String() string {
	names := [...]string{"logs", "exec", "metrics", "data", "remove", "close", "attach"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint64(t))
}

// Opens tells whether a frame of this type opens a stream.
func (t Type) Opens() bool {
	return t == Logs || t == Exec || t == Metrics || t == Attach
}

var (
	// ErrMalformed is a frame whose stream id or type is cut short or overflows.
	ErrMalformed = errors.New("malformed tunnel frame")
	// ErrTooLarge is a frame to send with more than MaxData bytes of payload: the rest
	// would be lost.
	ErrTooLarge = errors.New("tunnel frame is larger than 1 MiB")
)

// Frame is one message of the tunnel.
type Frame struct {
	// ID names the stream; CloudCore chooses it. 0 concerns the tunnel itself.
	ID   uint64
	Type Type
	Data []byte
}

// Encode gives the frame's bytes: id and type as unsigned varints, then the data.
func (f Frame) Encode() []byte {
	buf := make([]byte, 0, 2*binary.MaxVarintLen64+len(f.Data))
	buf = binary.AppendUvarint(buf, f.ID)
	buf = binary.AppendUvarint(buf, uint64(f.Type))
	return append(buf, f.Data...)
}

// Decode reads a frame. Its Data is a part of b, not a copy, and ends after MaxData
// bytes: the real programs drop the rest without a word. The error is ErrMalformed.
func Decode(b []byte) (Frame, error) {
	id, n := binary.Uvarint(b)
	if n <= 0 {
		return Frame{}, fmt.Errorf("%w: no stream id in %d bytes", ErrMalformed, len(b))
	}
	b = b[n:]
	typ, n := binary.Uvarint(b)
	if n <= 0 {
		return Frame{}, fmt.Errorf("%w: no type after stream id %d", ErrMalformed, id)
	}
	b = b[n:]
	return Frame{ID: id, Type: Type(typ), Data: b[:min(len(b), MaxData)]}, nil
}
