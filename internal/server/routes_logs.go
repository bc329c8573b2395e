package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// LogPart chooses a part of a log.
type LogPart struct {
	Tail       int64     `query:"tail" default:"500" minimum:"-1" maximum:"1000000" doc:"Lines from the end; -1 for all"`
	Since      int64     `query:"since" default:"0" minimum:"0" doc:"Seconds back from now; 0 for no limit"`
	SinceTime  time.Time `query:"sinceTime" doc:"Lines from then on, in whole seconds; goes before since"`
	Previous   bool      `query:"previous" doc:"The container's last life"`
	Timestamps bool      `query:"timestamps" doc:"Prefix lines with their time (download only; the stream always carries it)"`
	Follow     bool      `query:"follow" doc:"Keep the stream open"`
}

func (q *LogPart) options(now time.Time) observe.LogOptions {
	o := observe.LogOptions{Follow: q.Follow && !q.Previous, Previous: q.Previous, Timestamps: q.Timestamps}
	if q.Tail >= 0 {
		o.Tail = &q.Tail
	}
	if q.Since > 0 {
		t := now.Add(-time.Duration(q.Since) * time.Second)
		o.Since = &t
	}
	if !q.SinceTime.IsZero() {
		o.Since = &q.SinceTime
	}
	return o
}

// LogResume says what of a stream was read before.
type LogResume struct {
	Resume []string `query:"resume,explode" maxItems:"200" doc:"Where an earlier stream ended, once for each log: POD/CONTAINER@TIME+N, of which N lines of exactly that time were read"`
}

func (r *LogResume) positions() (map[string]observe.LogPosition, error) {
	out := map[string]observe.LogPosition{}
	for _, text := range r.Resume {
		name, at, ok := strings.Cut(text, "@")
		split := strings.LastIndex(at, "+")
		if !ok || split < 0 {
			return nil, badResume(text)
		}
		t, err := time.Parse(time.RFC3339Nano, at[:split])
		n, numErr := strconv.Atoi(at[split+1:])
		if err != nil || numErr != nil || n < 0 {
			return nil, badResume(text)
		}
		out[name] = observe.LogPosition{Time: t, Lines: n}
	}
	return out, nil
}

func badResume(text string) error {
	return invalid("resume", fmt.Sprintf("%q is no place in a log", text), "give POD/CONTAINER@TIME+N, with the time as the stream gave it")
}

// PodLogQuery chooses one container's log.
type PodLogQuery struct {
	PodPath
	LogPart
	Container string `query:"container" required:"true" minLength:"1" maxLength:"63"`
}

// PodLogStream chooses logs of one pod.
type PodLogStream struct {
	PodPath
	LogPart
	LogResume
	Container []string `query:"container" doc:"Names of containers; none for all of the pod, init and ephemeral ones too"`
}

// MergedLogs chooses logs of several pods.
type MergedLogs struct {
	ClusterPath
	Namespace string `path:"namespace" maxLength:"63" doc:"Namespace of the pods"`
	LogPart
	Workload  string   `query:"workload" maxLength:"320" doc:"Kind/name, such as Deployment/web, or Pod/name for all containers of one; or give selector"`
	Selector  string   `query:"selector" maxLength:"1024" doc:"Label selector of the pods"`
	Container []string `query:"container" doc:"Names of containers; none for all"`
}

func (q *MergedLogs) pick() (observe.LogPick, error) {
	if (q.Workload == "") == (q.Selector == "") {
		return observe.LogPick{}, invalid("workload", "give either workload or selector", "for example workload=Deployment/web")
	}
	if _, err := labels.Parse(q.Selector); err != nil {
		return observe.LogPick{}, invalid("selector", fmt.Sprintf("%q: %v", q.Selector, err), "write it as for kubectl: app=web,tier!=cache")
	}
	if pod, one := strings.CutPrefix(q.Workload, "Pod/"); one {
		return observe.LogPick{Namespace: q.Namespace, Pod: pod, Containers: q.Container}, nil
	}
	return observe.LogPick{Namespace: q.Namespace, Workload: q.Workload, Selector: q.Selector, Containers: q.Container}, nil
}

type mergedLogStream struct {
	MergedLogs
	LogResume
}

func (s *Server) logRoutes() {
	merged := pathCluster + "/logs/{namespace}"
	huma.Register(s.api, textOp(op(http.MethodGet, pathPod+"/logs", "downloadLogs", "A container's log, byte for byte", metaStream)), s.downloadLogs)
	huma.Register(s.api, textOp(op(http.MethodGet, merged, "downloadMergedLogs", "Logs of several pods, merged by time", metaStream)), s.downloadMerged)
	huma.Register(s.api, streamOp(op(http.MethodGet, pathPod+"/logs/stream", "streamLogs", "Logs of a pod over a WebSocket", metaOrigin, metaStream)), s.streamLogs)
	huma.Register(s.api, streamOp(op(http.MethodGet, merged+"/stream", "streamMergedLogs", "Logs of several pods over a WebSocket, merged by time", metaOrigin, metaStream)), s.streamMerged)
}

func textOp(o huma.Operation) huma.Operation {
	o.Responses = map[string]*huma.Response{"200": {Description: "The log", Content: map[string]*huma.MediaType{
		"text/plain": {Schema: &huma.Schema{Type: huma.TypeString}},
	}}}
	return o
}

func streamOp(o huma.Operation) huma.Operation {
	o.Description = "The server sends JSON frames of type LogFrame; the client answers each with {\"ack\":seq} once it has shown it. " +
		"A followed log whose client is too slow leaves lines out and says how many."
	o.Responses = map[string]*huma.Response{"101": {Description: "Switching to WebSocket"}}
	return o
}

func (s *Server) downloadLogs(ctx context.Context, in *PodLogQuery) (*huma.StreamResponse, error) {
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	opts := in.options(s.cfg.Now())
	opts.Namespace, opts.Pod, opts.Container, opts.Follow = in.Namespace, in.Pod, in.Container, false
	src := observe.NewKubeLogs(c.logs)
	body, err := src.Open(ctx, opts)
	if err != nil {
		return nil, logError(err)
	}
	return download(in.Pod+"_"+in.Container+".log", func(w io.Writer) error {
		defer body.Close()
		if _, err := io.Copy(w, body); err != nil {
			return err
		}
		// A tunnel that breaks ends the log like its last line does.
		if !observe.Reachable(ctx, src, opts) {
			return observe.ErrNoAnswer
		}
		return nil
	}), nil
}

func (s *Server) downloadMerged(ctx context.Context, in *MergedLogs) (*huma.StreamResponse, error) {
	pick, err := in.pick()
	if err != nil {
		return nil, err
	}
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	opts := in.options(s.cfg.Now())
	opts.Follow = false
	targets, err := observe.Finder(c.kube, pick)(ctx)
	if err != nil {
		return nil, findError(err)
	}
	find := func(context.Context) ([]observe.LogTarget, error) { return targets, nil }
	name := strings.ReplaceAll(cmp.Or(in.Workload, in.Namespace), "/", "_") + ".log"
	return download(name, func(w io.Writer) error {
		out := observe.NewLogPrinter(w, true, opts.Timestamps)
		return observe.NewMerger(observe.NewKubeLogs(c.logs), opts, find, nil, out.Print).Run(ctx)
	}), nil
}

// download streams a file of text.
func download(name string, write func(io.Writer) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "text/plain; charset=utf-8")
		hc.SetHeader("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
		hc.SetStatus(http.StatusOK)
		if err := write(hc.BodyWriter()); err != nil {
			// The status line is gone; a cut connection is the only way left to say so.
			panic(http.ErrAbortHandler)
		}
	}}
}

func (s *Server) streamLogs(ctx context.Context, in *PodLogStream) (*huma.StreamResponse, error) {
	at, err := in.positions()
	if err != nil {
		return nil, err
	}
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	src, opts := observe.NewKubeLogs(c.logs), in.options(s.cfg.Now())
	if len(in.Container) == 1 {
		opts.Namespace, opts.Pod, opts.Container = in.Namespace, in.Pod, in.Container[0]
		if p, ok := at[in.Pod+"/"+opts.Container]; ok {
			opts.Resume = &p
		}
		return s.stream(ctx, opts.Follow, func(ctx context.Context, emit func(observe.LogEvent) error) error {
			return observe.NewFollower(src, opts, emit).Run(ctx)
		}), nil
	}
	return s.streamSeveral(ctx, c, observe.LogPick{Namespace: in.Namespace, Pod: in.Pod, Containers: in.Container}, opts, at), nil
}

func (s *Server) streamMerged(ctx context.Context, in *mergedLogStream) (*huma.StreamResponse, error) {
	at, err := in.positions()
	if err != nil {
		return nil, err
	}
	pick, err := in.pick()
	if err != nil {
		return nil, err
	}
	c, err := s.clientsFor(ctx, in.Cluster)
	if err != nil {
		return nil, err
	}
	return s.streamSeveral(ctx, c, pick, in.options(s.cfg.Now()), at), nil
}

func (s *Server) streamSeveral(ctx context.Context, c *clusterClients, pick observe.LogPick, opts observe.LogOptions, at map[string]observe.LogPosition) *huma.StreamResponse {
	return s.stream(ctx, opts.Follow, func(ctx context.Context, emit func(observe.LogEvent) error) error {
		err := observe.NewMerger(observe.NewKubeLogs(c.logs), opts, observe.Finder(c.kube, pick), at, emit).Run(ctx)
		if err != nil && ctx.Err() == nil {
			e := asError(findError(err))
			return emit(observe.LogEvent{Kind: observe.LogEnd, Cause: observe.CauseRefused, Message: e.Message})
		}
		return err
	})
}

func (s *Server) stream(ctx context.Context, follow bool, read readLog) *huma.StreamResponse {
	sess := callOf(ctx).sess
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		s.serveLog(w, r, sess, follow, read)
	}}
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

// findError names the field for a workload that is none.
func findError(err error) error {
	if errors.Is(err, observe.ErrNoWorkload) {
		return invalid("workload", err.Error(), "for example Deployment/web")
	}
	return kubeError(err)
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
