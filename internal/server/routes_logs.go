package server

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// LogQuery chooses a container's log and the part of it.
type LogQuery struct {
	PodPath
	Container  string `query:"container" required:"true" minLength:"1" maxLength:"63"`
	Tail       int64  `query:"tail" default:"500" minimum:"-1" maximum:"1000000" doc:"Lines from the end; -1 for all"`
	Since      int64  `query:"since" default:"0" minimum:"0" doc:"Seconds back from now; 0 for no limit"`
	Previous   bool   `query:"previous" doc:"The container's last life"`
	Timestamps bool   `query:"timestamps" doc:"Prefix lines with their time (download only; the stream always carries it)"`
	Follow     bool   `query:"follow" doc:"Keep the stream open"`
}

func (q *LogQuery) options(now time.Time) observe.LogOptions {
	o := observe.LogOptions{
		Namespace: q.Namespace, Pod: q.Pod, Container: q.Container,
		Follow: q.Follow && !q.Previous, Previous: q.Previous, Timestamps: q.Timestamps,
	}
	if q.Tail >= 0 {
		o.Tail = &q.Tail
	}
	if q.Since > 0 {
		t := now.Add(-time.Duration(q.Since) * time.Second)
		o.Since = &t
	}
	return o
}

func (s *Server) logRoutes() {
	download := op(http.MethodGet, pathPod+"/logs", "downloadLogs", "A container's log, byte for byte")
	download.Responses = map[string]*huma.Response{"200": {Description: "The log", Content: map[string]*huma.MediaType{
		"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	huma.Register(s.api, download, s.downloadLogs)

	stream := op(http.MethodGet, pathPod+"/logs/stream", "streamLogs", "A container's log over a WebSocket", metaOrigin)
	stream.Description = "The server sends JSON frames of type LogFrame; the client answers each with {\"ack\":seq} once it has shown it."
	stream.Responses = map[string]*huma.Response{"101": {Description: "Switching to WebSocket"}}
	huma.Register(s.api, stream, s.streamLogs)
}

func (s *Server) downloadLogs(ctx context.Context, in *LogQuery) (*huma.StreamResponse, error) {
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	opts := in.options(s.cfg.Now())
	opts.Follow = false
	body, err := observe.NewKubeLogs(c.kube).Open(ctx, opts)
	if err != nil {
		return nil, logError(err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer body.Close()
		hc.SetHeader("Content-Type", "text/plain; charset=utf-8")
		hc.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q", in.Pod+"_"+in.Container+".log"))
		hc.SetStatus(http.StatusOK)
		if _, err := io.Copy(hc.BodyWriter(), body); err != nil {
			// The status line is gone; a cut connection is the only way left to say so.
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (s *Server) streamLogs(ctx context.Context, in *LogQuery) (*huma.StreamResponse, error) {
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	sess, opts := callOf(ctx).sess, in.options(s.cfg.Now())
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		s.serveLog(w, r, sess, observe.NewKubeLogs(c.kube), opts)
	}}, nil
}

// clientsFor is clusterCall without a time limit, for streams.
func (s *Server) clientsFor(ctx context.Context, cluster string) (*clusterClients, error) {
	_, cancel, c, err := s.clusterCall(ctx, cluster, callLimit)
	if err != nil {
		return nil, err
	}
	cancel()
	return c, nil
}

// logError tells a tunnel that is down from other failures.
func logError(err error) error {
	e := asError(kubeError(err))
	if e.status >= http.StatusInternalServerError {
		return fail(http.StatusBadGateway, "NodeUnreachable", e.Message,
			"check the node's tunnel on its page; logs come back when it is connected")
	}
	return e
}
