// Package wire encodes and decodes what KubeEdge's two halves say to each other: the
// messages of CloudHub and the frames of the stream tunnel. It is written from observed
// traffic and shares no code with the stand-ins, so that a fault of theirs is not hidden
// by the same fault here.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrMalformed is a message or a frame that cannot be decoded.
var ErrMalformed = errors.New("malformed message")

// Message is one message between EdgeHub and CloudHub: a WebSocket message of JSON.
type Message struct {
	Header Header `json:"header"`
	Route  Route  `json:"route"`
	// Content is any JSON value; text is a JSON string.
	Content json.RawMessage `json:"content"`
}

// Header of a message. Parent is the ID of the message that it answers.
type Header struct {
	ID     string `json:"msg_id"`
	Parent string `json:"parent_msg_id,omitempty"`
	// Timestamp is in milliseconds.
	Timestamp int64 `json:"timestamp"`
	// ResourceVersion is the content's, when that is an object.
	ResourceVersion string `json:"resourceversion,omitempty"`
	Sync            bool   `json:"sync,omitempty"`
}

// Route says what a message is about. Resource is NAMESPACE/TYPE/NAME.
type Route struct {
	Source    string `json:"source,omitempty"`
	Group     string `json:"group,omitempty"`
	Operation string `json:"operation,omitempty"`
	Resource  string `json:"resource,omitempty"`
}

// Encode gives the message's JSON.
func (m Message) Encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s of %s: %w", m.Route.Operation, m.Route.Resource, err)
	}
	return b, nil
}

// Decode reads what Encode gives.
func Decode(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return m, nil
}

// Text is a content of text.
func Text(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return b
}
