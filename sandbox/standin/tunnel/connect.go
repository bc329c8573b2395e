package tunnel

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// EdgeServer is where an edge node forwards requests to. CloudCore writes it into
// every request and EdgeCore never uses another.
const EdgeServer = "127.0.0.1:10350"

// Connect is the request that opens a stream: what kube-apiserver or a scraper
// asked CloudStream for, addressed to the edge node's own server.
type Connect struct {
	// ID repeats the frame's stream id.
	ID     uint64      `json:"MessID"`
	URL    url.URL     `json:"url"`
	Header http.Header `json:"header"`
	// Method is set for exec and attach only; logs and metrics are always GET.
	Method string `json:"method,omitempty"`
}

// NewConnect makes the opening request of stream id out of a request that
// CloudStream received.
func NewConnect(id uint64, typ Type, r *http.Request) Connect {
	c := Connect{ID: id, URL: *r.URL, Header: r.Header}
	c.URL.Scheme = "http"
	c.URL.Host = EdgeServer
	if typ == Exec || typ == Attach {
		c.Method = r.Method
	}
	return c
}

// Frame encodes the request as the frame of the given type.
func (c Connect) Frame(typ Type) (Frame, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return Frame{}, fmt.Errorf("encode %s request of stream %d: %w", typ, c.ID, err)
	}
	return Frame{ID: c.ID, Type: typ, Data: data}, nil
}

// ParseConnect reads the request out of a frame that opens a stream.
func ParseConnect(f Frame) (Connect, error) {
	var c Connect
	if !f.Type.Opens() {
		return c, fmt.Errorf("%w: a %s frame opens no stream", ErrMalformed, f.Type)
	}
	if err := json.Unmarshal(f.Data, &c); err != nil {
		return c, fmt.Errorf("%w: %s request of stream %d: %w", ErrMalformed, f.Type, f.ID, err)
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	return c, nil
}
