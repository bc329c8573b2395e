package enrollment

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
)

// A dead tunnel answers nothing at all; a working one takes well under a second.
const tunnelTimeout = 5 * time.Second

// Figures answers what a node's kubelet answers to a path.
type Figures interface {
	Get(ctx context.Context, node, path string) ([]byte, error)
}

// tunnelReader reads from an edge node: logs through kube-apiserver, as kubectl does.
type tunnelReader struct {
	rest    rest.Interface
	figures Figures
}

// podLog returns up to 64 KiB of the log of the pod's only container.
func (t *tunnelReader) podLog(ctx context.Context, namespace, pod string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	out, err := t.rest.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
		Param("limitBytes", "65536").Do(ctx).Raw()
	if err != nil {
		return nil, fmt.Errorf("log of pod %s/%s: %w", namespace, pod, err)
	}
	return out, nil
}

// summary returns the node's /stats/summary.
func (t *tunnelReader) summary(ctx context.Context, node string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTimeout)
	defer cancel()
	return t.figures.Get(ctx, node, "stats/summary")
}
