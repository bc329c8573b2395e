package server

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// NodeList is the node list with what could not be read.
type NodeList struct {
	Nodes []observe.Node `json:"nodes"`
	// PodsCause says why no row has pod counts.
	PodsCause string `json:"podsCause,omitempty" doc:"Why pod counts are absent"`
	// StrayDaemonSets is empty, too, when the user may not list DaemonSets.
	StrayDaemonSets []string `json:"strayDaemonSets" doc:"DaemonSets, as namespace/name, that go to edge nodes though nothing in them asks for that"`
}

// roleAll asks for nodes of every role.
const roleAll = "all"

type listNodesInput struct {
	ClusterPath
	Role string `query:"role" enum:"edge,cloud,all" default:"edge" doc:"Which nodes"`
}

type cordonInput struct {
	NodePath
	Body struct {
		Schedulable bool `json:"schedulable" doc:"Whether new pods may be scheduled onto the node"`
	}
}

// NodeMetadataChange changes labels and taints of an edge node, all or none of them.
type NodeMetadataChange struct {
	Labels       map[string]*string `json:"labels,omitempty" doc:"A value sets a label, null takes it off"`
	SetTaints    []observe.Taint    `json:"setTaints,omitempty" doc:"Taints to add, or to give another value"`
	RemoveTaints []observe.Taint    `json:"removeTaints,omitempty" doc:"Taints to take off, by key and, unless it is empty, effect"`
}

type nodeMetadataInput struct {
	NodePath
	Body NodeMetadataChange
}

func (s *Server) nodeRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathCluster+"/nodes", "listNodes", "Nodes with state, pods and live usage"), s.listNodes)
	huma.Register(s.api, op(http.MethodGet, pathNode, "getNode", "One node"), s.getNode)
	huma.Register(s.api, op(http.MethodGet, pathNode+"/events", "listNodeEvents", "Events of a node, newest first"), s.nodeEvents)
	huma.Register(s.api, op(http.MethodGet, pathNode+"/metrics", "getNodeMetrics", "Live usage of a node"), s.nodeMetrics)
	huma.Register(s.api, op(http.MethodPatch, pathNode+"/scheduling", "setNodeScheduling", "Cordon or uncordon a node"), s.cordon)
	huma.Register(s.api, op(http.MethodPatch, pathNode+"/metadata", "setNodeMetadata", "Change labels and taints of an edge node"), s.setNodeMetadata)
}

// selectorOf matches edge nodes by the label's key: KubeEdge and the join wizard
// give it different values.
func selectorOf(role string) string {
	switch role {
	case observe.RoleEdge:
		return v1alpha1.LabelEdge
	case observe.RoleCloud:
		return "!" + v1alpha1.LabelEdge
	}
	return ""
}

func (s *Server) listNodes(ctx context.Context, in *listNodesInput) (*Body[NodeList], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	var (
		wg               sync.WaitGroup
		nodes            []observe.Node
		counts           map[string]*observe.PodCount
		nodeErr, podErr  error
		usages           map[string]observe.Usage
		usageUnavailable *observe.Usage
	)
	wg.Go(func() { nodes, nodeErr = c.nodeRows(ctx, in.Role) })
	wg.Go(func() { counts, podErr = c.podCounts(ctx) })
	wg.Go(func() { usages, usageUnavailable = observe.NodeUsages(ctx, c.metrics, selectorOf(in.Role)) })
	stray := []string{}
	wg.Go(func() {
		if sets, err := c.kube.AppsV1().DaemonSets("").List(ctx, metav1.ListOptions{ResourceVersion: "0"}); err == nil {
			stray = observe.StrayDaemonSets(sets.Items)
		}
	})
	wg.Wait()
	if nodeErr != nil {
		return nil, kubeError(nodeErr)
	}
	out := &Body[NodeList]{NodeList{Nodes: nodes, StrayDaemonSets: stray}}
	if podErr != nil {
		out.Body.PodsCause = podErr.Error()
	}
	for i := range nodes {
		n := &nodes[i]
		n.Usage = usageIn(usages, usageUnavailable, n.Name)
		if podErr == nil {
			n.Pods = orNone(counts[n.Name])
		}
	}
	slices.SortFunc(nodes, func(a, b observe.Node) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func usageIn(usages map[string]observe.Usage, none *observe.Usage, name string) observe.Usage {
	if none != nil {
		return *none
	}
	if u, ok := usages[name]; ok {
		return u
	}
	return observe.Unavailable(observe.CauseNoSample, "metrics-server has no current sample of this node")
}

func orNone(c *observe.PodCount) *observe.PodCount {
	if c == nil {
		return &observe.PodCount{}
	}
	return c
}

func (s *Server) getNode(ctx context.Context, in *NodePath) (*Body[observe.NodeDetail], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	n, err := c.kube.CoreV1().Nodes().Get(ctx, in.Node, metav1.GetOptions{})
	if err != nil {
		return nil, kubeError(err)
	}
	d := observe.NodeDetailOf(n)
	d.Usage = observe.NodeUsage(ctx, c.metrics, in.Node)
	pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: podsOfNode(in.Node)})
	if err == nil {
		d.Pods = orNone(observe.CountPods(observe.PodUses(pods.Items))[in.Node])
		d.Allocated = observe.AllocatedOf(n, pods.Items)
	}
	return &Body[observe.NodeDetail]{d}, nil
}

// podsOfNode escapes the name: a comma would begin another term.
func podsOfNode(node string) string {
	return fields.OneTermEqualSelector("spec.nodeName", node).String()
}

func (s *Server) nodeEvents(ctx context.Context, in *NodePath) (*Body[[]observe.Event], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	events, err := observe.Events(ctx, c.kube, metav1.NamespaceAll, "Node", in.Node)
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[[]observe.Event]{events}, nil
}

func (s *Server) nodeMetrics(ctx context.Context, in *NodePath) (*Body[observe.Usage], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	return &Body[observe.Usage]{observe.NodeUsage(ctx, c.metrics, in.Node)}, nil
}

func (s *Server) cordon(ctx context.Context, in *cordonInput) (*Body[observe.NodeDetail], error) {
	note(ctx, "schedulable", boolText(in.Body.Schedulable))
	callCtx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	err = c.nodes().Cordon(callCtx, in.Node, !in.Body.Schedulable)
	if err != nil {
		return nil, kubeError(err)
	}
	return s.getNode(ctx, &in.NodePath)
}

func (s *Server) setNodeMetadata(ctx context.Context, in *nodeMetadataInput) (*Body[observe.NodeDetail], error) {
	callCtx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	change := nodework.Metadata{Labels: in.Body.Labels,
		Taints: nodework.Taints{Set: taintsOf(in.Body.SetTaints), Remove: taintsOf(in.Body.RemoveTaints)}}
	if err := c.nodes().Change(callCtx, in.Node, change); err != nil {
		return nil, kubeError(err)
	}
	return s.getNode(ctx, &in.NodePath)
}

func taintsOf(taints []observe.Taint) []corev1.Taint {
	out := make([]corev1.Taint, 0, len(taints))
	for _, t := range taints {
		out = append(out, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	return out
}
