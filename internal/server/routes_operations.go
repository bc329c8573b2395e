package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// OperationPath names an operation.
type OperationPath struct {
	ClusterPath
	Operation string `path:"operation" maxLength:"64"`
}

func (s *Server) operationRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathCluster+"/operations/{operation}", "getOperation", "State of a long operation"), s.getOperation)
	events := op(http.MethodGet, pathCluster+"/operations/{operation}/events", "streamOperation",
		"Progress of a long operation as server-sent events", metaOrigin, metaStream)
	events.Description = "Every event carries the whole OperationState; the last one has done=true."
	events.Responses = map[string]*huma.Response{"200": {Description: "Events", Content: map[string]*huma.MediaType{
		"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(s.api, events, s.streamOperation)
}

type acceptedOutput struct {
	Status int
	Body   OperationState
}

// begin starts an operation; key is what only one of them may work on at a time.
func (s *Server) begin(kind, cluster, key, user string, work func(context.Context, func(OperationStep)) error) (*acceptedOutput, error) {
	o, err := s.operations.start(kind, cluster, key, user, func(ctx context.Context, report func(OperationStep)) error {
		err := work(ctx, report)
		s.auditEnd(ctx, kind, key, user, err)
		return err
	})
	if errors.Is(err, errBusy) {
		return nil, fail(http.StatusConflict, "Busy", "another operation is at work on it", "wait until it is done")
	}
	if err != nil {
		return nil, err
	}
	state, _ := o.snapshot()
	return &acceptedOutput{Status: http.StatusAccepted, Body: state}, nil
}

// ownOperation finds an operation of the signed-in user.
func (s *Server) ownOperation(ctx context.Context, in *OperationPath) (*operation, error) {
	o, err := s.operations.find(in.Operation)
	if errors.Is(err, errNoOperation) || o.cluster != in.Cluster || o.user != callOf(ctx).sess.user {
		return nil, fail(http.StatusNotFound, "NoSuchOperation", "there is no such operation of yours", "look at the state of KubeEdge instead")
	}
	return o, nil
}

func (s *Server) getOperation(ctx context.Context, in *OperationPath) (*Body[OperationState], error) {
	o, err := s.ownOperation(ctx, in)
	if err != nil {
		return nil, err
	}
	state, _ := o.snapshot()
	return &Body[OperationState]{state}, nil
}

func (s *Server) streamOperation(ctx context.Context, in *OperationPath) (*huma.StreamResponse, error) {
	o, err := s.ownOperation(ctx, in)
	if err != nil {
		return nil, err
	}
	sess := callOf(ctx).sess
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		for {
			state, changed := o.snapshot()
			raw, err := json.Marshal(state)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "data: %s\n\n", raw); err != nil {
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil || state.Done {
				return
			}
			if !wait(r.Context(), sess.ctx, changed, w) {
				return
			}
		}
	}}, nil
}

// wait returns true when there is news; a comment now and then keeps proxies from
// closing a quiet connection.
func wait(request, session context.Context, news <-chan struct{}, w http.ResponseWriter) bool {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-news:
			return true
		case <-request.Done():
			return false
		case <-session.Done():
			return false
		case <-t.C:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return false
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return false
			}
		}
	}
}
