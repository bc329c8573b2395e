package tunnel

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// maxMessage is the largest frame in bytes: 1 MiB of data, which is what KubeEdge
// reads at most, and two varints.
const maxMessage = 1<<20 + 2*binary.MaxVarintLen64

// kind tells what a frame of KubeEdge's tunnel means. The numbers are KubeEdge's.
type kind uint64

const (
	logs     kind = 0
	exec     kind = 1
	metrics  kind = 2
	data     kind = 3
	remove   kind = 4 // ends one stream
	closeAll kind = 5 // ends the tunnel
	attach   kind = 6
)

// opens says whether a frame opens a stream.
func (k kind) opens() bool { return k == logs || k == exec || k == metrics || k == attach }

// errMalformed says that a frame cannot be read.
var errMalformed = errors.New("malformed tunnel frame")

// frame is one message: which stream it belongs to, what it means and what it
// carries.
type frame struct {
	stream uint64
	kind   kind
	data   []byte
}

// parse reads a frame; its data is a part of message.
func parse(message []byte) (frame, error) {
	stream, n := binary.Uvarint(message)
	if n <= 0 {
		return frame{}, fmt.Errorf("%w: no stream in %d bytes", errMalformed, len(message))
	}
	k, m := binary.Uvarint(message[n:])
	if m <= 0 {
		return frame{}, fmt.Errorf("%w: no kind in %d bytes", errMalformed, len(message))
	}
	return frame{stream: stream, kind: kind(k), data: message[n+m:]}, nil
}

func (f frame) message() []byte {
	out := binary.AppendUvarint(make([]byte, 0, 2*binary.MaxVarintLen64+len(f.data)), f.stream)
	out = binary.AppendUvarint(out, uint64(f.kind))
	return append(out, f.data...)
}

// takeHeader takes one header out of the request that opens a stream, and leaves
// everything else as CloudCore wrote it.
func (f *frame) takeHeader(name string) (string, error) {
	var request map[string]json.RawMessage
	if err := json.Unmarshal(f.data, &request); err != nil {
		return "", fmt.Errorf("%w: request of stream %d: %w", errMalformed, f.stream, err)
	}
	var header http.Header
	if err := json.Unmarshal(request["header"], &header); err != nil {
		return "", fmt.Errorf("%w: headers of stream %d: %w", errMalformed, f.stream, err)
	}
	value := header.Get(name)
	header.Del(name)
	var err error
	if request["header"], err = json.Marshal(header); err != nil {
		return "", fmt.Errorf("encode the headers of stream %d: %w", f.stream, err)
	}
	if f.data, err = json.Marshal(request); err != nil {
		return "", fmt.Errorf("encode the request of stream %d: %w", f.stream, err)
	}
	return value, nil
}
