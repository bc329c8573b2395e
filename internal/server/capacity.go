package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/edgeway-io/edgeway/internal/limit"
)

// What the console holds at once. A request or stream counts for its session, its user and,
// if it is a request, its cluster, so that neither one of many tabs, nor one user, nor one
// cluster that does not answer takes everything.
const (
	requestsOfSession, requestsOfUser, requestsOfCluster, requestsInAll = 12, 24, 48, 128
	streamsOfSession, streamsOfUser, streamsInAll                       = 20, 40, 256
	// So many lists of objects are decoded at once: one may be 100 MB.
	decodingOfCluster, decodingInAll = 3, 8
	// slotPatience is how long a request waits for others to end.
	slotPatience = 10 * time.Second
	// rowsBudget is for the watched lists of all sessions. Without room for its list, a
	// session reads it anew each time.
	rowsBudget = 48 << 20
)

// metaStream marks operations that last for as long as somebody reads.
const metaStream = "stream"

// anonymous is the key of what nobody is signed in for.
const anonymous = "anonymous"

// capacity is what is left of it.
type capacity struct {
	requests, streams, decoding *limit.Slots
	logs, rows                  *limit.Bytes
	patience                    time.Duration
}

func newCapacity() *capacity {
	return &capacity{
		requests: limit.NewSlots(requestsOfSession, requestsOfUser, requestsOfCluster, requestsInAll),
		streams:  limit.NewSlots(streamsOfSession, streamsOfUser, streamsInAll),
		decoding: limit.NewSlots(decodingOfCluster, decodingInAll),
		logs:     limit.NewBytes(logBudget),
		rows:     limit.NewBytes(rowsBudget),
		patience: slotPatience,
	}
}

// admit takes a slot for a call of somebody who is signed in, and waits for it unless the
// call is a stream: streams end when somebody closes a page. Nobody who is not signed in
// gets one here, since it would be held for as long as the body takes to come.
func (s *Server) admit(ctx huma.Context, c *call) (release func(), refused *Error) {
	if c.sess == nil {
		return func() {}, nil
	}
	if flagged(ctx.Operation(), metaStream) {
		release, level, ok := s.capacity.streams.Take(c.sess.id, c.sess.user, "all")
		if !ok {
			return nil, tooManyStreams(level)
		}
		return release, nil
	}
	wait, cancel := context.WithTimeout(ctx.Context(), s.capacity.patience)
	defer cancel()
	release, level, ok := s.capacity.requests.Wait(wait, c.sess.id, c.sess.user, ctx.Param("cluster"), "all")
	if !ok {
		return nil, busy(level, ctx.Param("cluster"))
	}
	return release, nil
}

// admitAnonymous is for what asks a cluster for somebody who is not signed in, once the
// request has been read.
func (s *Server) admitAnonymous(ctx context.Context) (release func(), refused *Error) {
	wait, cancel := context.WithTimeout(ctx, s.capacity.patience)
	defer cancel()
	release, level, ok := s.capacity.requests.Wait(wait, "", "", "", anonymous)
	if !ok {
		return nil, busy(level, "")
	}
	return release, nil
}

func tooManyStreams(level int) *Error {
	switch level {
	case 0:
		return fail(http.StatusTooManyRequests, "TooManyStreams", fmt.Sprintf("this session has %d logs, terminals and downloads open, which is the most", streamsOfSession), "close some of them")
	case 1:
		return fail(http.StatusTooManyRequests, "TooManyStreams", fmt.Sprintf("you have %d logs, terminals and downloads open in all your sessions, which is the most", streamsOfUser), "close some of them")
	}
	return fail(http.StatusServiceUnavailable, "ConsoleBusy", fmt.Sprintf("the console has %d logs, terminals and downloads open, which is the most", streamsInAll), "try again when others have closed some")
}

func busy(level int, cluster string) *Error {
	switch level {
	case 0, 1:
		return fail(http.StatusTooManyRequests, "TooManyRequests", "too many of your requests are still being answered", "wait a moment and try again")
	case 2:
		return fail(http.StatusServiceUnavailable, "ConsoleBusy", fmt.Sprintf("too many requests to cluster %s are still waiting for its answer", cluster), "wait a moment and try again; if it stays so, see whether the cluster's API server answers")
	}
	return fail(http.StatusServiceUnavailable, "ConsoleBusy", "the console answers as many requests as it can hold", "wait a moment and try again")
}

// decode runs the reading of a list, of which few are decoded at once.
func decode[T any](ctx context.Context, c *clusterClients, read func() (T, error)) (T, error) {
	release, _, ok := c.decoding.Wait(ctx, c.cluster, "all")
	if !ok {
		var none T
		return none, fmt.Errorf("wait for other lists to be read: %w", ctx.Err())
	}
	defer release()
	return read()
}
