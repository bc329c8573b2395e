package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyTimeout bounds the time that a request's body takes, from its headers on, whether
// somebody reads it or not.
const bodyTimeout = 20 * time.Second

// bodyDeadline closes connections whose body comes too slowly. net/http's ReadTimeout
// would also end the requests that answer for longer: it counts on while they do.
func bodyDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Body != http.NoBody {
			_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // every connection of net/http has one
		}
		// A request without a body needs this, too: huma sets a deadline before it reads
		// an optional body. Left on, the deadline ends a longer answer's context, and with
		// it every later request on the connection.
		r.Body = &timedBody{r.Body, control}
		next.ServeHTTP(w, r)
	})
}

// timedBody takes the deadline off when the body is complete: after that a read is only
// how net/http notices that the client leaves. A body that nobody reads to its end keeps
// the deadline, and net/http waits no longer for the rest.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
