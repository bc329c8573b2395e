// Package hubwire speaks the wire format of CloudHub: the messages, JSON in a WebSocket,
// that EdgeCore and CloudCore exchange. What they mean is up to its users.
package hubwire

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrMalformed is a message that cannot be decoded.
var ErrMalformed = errors.New("malformed CloudHub message")

// The operations of a message.
const (
	Insert    = "insert"
	Update    = "update"
	Delete    = "delete"
	Query     = "query"
	Patch     = "patch"
	Response  = "response"
	Keepalive = "keepalive"
)

// Message is one message. Its content is any JSON value.
type Message struct {
	Header  Header          `json:"header"`
	Route   Route           `json:"route"`
	Content json.RawMessage `json:"content"`
}

// Header names a message. Parent is the ID of the message that it answers, Timestamp is
// in milliseconds, ResourceVersion is that of an object in the content.
type Header struct {
	ID              string `json:"msg_id"`
	Parent          string `json:"parent_msg_id,omitempty"`
	Timestamp       int64  `json:"timestamp"`
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

// New makes a message with an ID and a time.
func New(source, operation, resource string, content json.RawMessage) Message {
	return Message{
		Header:  Header{ID: rand.Text(), Timestamp: time.Now().UnixMilli()},
		Route:   Route{Source: source, Group: "resource", Operation: operation, Resource: resource},
		Content: content,
	}
}

// Text is a content of text.
func Text(s string) json.RawMessage {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string can always be encoded
	}
	return b
}

// Target splits the resource; missing parts are empty.
func (m Message) Target() (namespace, kind, name string) {
	parts := append(strings.SplitN(m.Route.Resource, "/", 3), "", "")
	return parts[0], parts[1], parts[2]
}

func (m Message) encode() ([]byte, error) {
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s of %s: %w", m.Route.Operation, m.Route.Resource, err)
	}
	return b, nil
}

func decode(b []byte) (Message, error) {
	var m Message
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return m, nil
}
