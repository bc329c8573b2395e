package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	pathsegment "k8s.io/apimachinery/pkg/api/validation/path"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/samples"
)

// CauseNoSamplesAPI: samples.edgeway.io is not served; KubeEdge is not enabled on the
// cluster, or edge-watcher is not ready.
const CauseNoSamplesAPI = "SamplesAPIMissing"

// Samples reads samples.edgeway.io as whoever the client acts for.
type Samples struct{ client rest.Interface }

// NewSamples takes a client of any API group.
func NewSamples(client rest.Interface) Samples { return Samples{client} }

// Node's recent samples, and its history when since is not zero.
func (s Samples) Node(ctx context.Context, name string, since time.Duration) (samples.NodeSamples, error) {
	out := samples.NodeSamples{Metadata: samples.Meta{Name: name}, Node: noObject(name)}
	err := s.get(ctx, &out, since, "nodes", name)
	out.State = unless(out.State, err)
	return out, refused(err)
}

// Pod's recent samples and its containers'.
func (s Samples) Pod(ctx context.Context, namespace, name string, since time.Duration) (samples.PodSamples, error) {
	out := samples.PodSamples{Metadata: samples.Meta{Namespace: namespace, Name: name}, Pod: noObject(name), Containers: []samples.Object{}}
	err := s.get(ctx, &out, since, "namespaces", namespace, "pods", name)
	out.State = unless(out.State, err)
	return out, refused(err)
}

// Pods are the newest samples of a namespace's pods ("" is all of them).
func (s Samples) Pods(ctx context.Context, namespace string) (samples.PodSamplesList, error) {
	out := samples.PodSamplesList{Items: []samples.PodSamples{}}
	path := []string{"pods"}
	if namespace != "" {
		path = []string{"namespaces", namespace, "pods"}
	}
	return out, s.get(ctx, &out, 0, path...)
}

// Trends are the recent past of all nodes.
func (s Samples) Trends(ctx context.Context, since time.Duration) (samples.NodeTrendList, error) {
	out := samples.NodeTrendList{TimesMs: []int64{}, Items: []samples.NodeTrend{}}
	err := s.get(ctx, &out, since, "nodes")
	if err != nil && refused(err) == nil {
		out.Message = err.Error()
	}
	return out, refused(err)
}

// get reads samples.Path with the segments of path after it. A segment that is a name
// could otherwise lead to another path of the API, with the user's own rights.
func (s Samples) get(ctx context.Context, into any, since time.Duration, path ...string) error {
	for _, segment := range path {
		if faults := pathsegment.IsValidPathSegmentName(segment); segment == "" || len(faults) > 0 {
			return apierrors.NewBadRequest(fmt.Sprintf("%q cannot be the name of an object: %s", segment, strings.Join(faults, ", ")))
		}
	}
	r := s.client.Get().AbsPath(append(strings.Split(strings.TrimPrefix(samples.Path, "/"), "/"), path...)...)
	if since > 0 {
		r = r.Param("sinceSeconds", strconv.Itoa(int(since.Seconds())))
	}
	raw, err := r.Do(ctx).Raw()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read the samples' answer: %w", err)
	}
	return nil
}

func noObject(name string) samples.Object {
	return samples.Object{Name: name, Recent: []samples.Sample{}, Unavailable: []samples.Missing{}}
}

// unless an error says otherwise, the state is what was answered.
func unless(state samples.State, err error) samples.State {
	if err == nil {
		return state
	}
	return samples.State{Cause: samplesCause(err), Message: err.Error()}
}

// refused lets through only errors that are about the user or the question; that
// there are no samples is an answer.
func refused(err error) error {
	switch {
	case err == nil, samplesMissing(err):
		return nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err), apierrors.IsBadRequest(err):
		return err
	}
	return nil
}

// samplesMissing: the apiserver answers 404 without naming an object when it does not
// know the group, and 503 when it knows it and nobody serves it.
func samplesMissing(err error) bool {
	if apierrors.IsServiceUnavailable(err) {
		return true
	}
	s := new(apierrors.StatusError)
	return errors.As(err, &s) && s.ErrStatus.Code == http.StatusNotFound &&
		strings.Contains(s.ErrStatus.Message, "the server could not find the requested resource")
}

func samplesCause(err error) string {
	switch {
	case samplesMissing(err):
		return CauseNoSamplesAPI
	case apierrors.IsForbidden(err):
		return CauseForbidden
	case errors.Is(err, context.DeadlineExceeded), apierrors.IsTimeout(err):
		return CauseTimeout
	}
	return CauseFailed
}
