package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// Status of KubeEdge on a cluster, as far as the user may see it.
type Status struct {
	State    State              `json:"state" doc:"State of KubeEdge."`
	Reason   string             `json:"reason" doc:"Why, as a stable word."`
	Message  string             `json:"message,omitempty" doc:"Why."`
	Revision int                `json:"revision" doc:"Revision of the settings in force; 0 when there are none."`
	Chart    string             `json:"chart,omitempty" doc:"Version of the chart that is installed."`
	Changed  *time.Time         `json:"changed,omitempty" doc:"When the settings last changed."`
	Settings *settings.Settings `json:"settings,omitempty" doc:"The settings in force."`
	// Unreadable is set where there are settings, but not in a form that can be read.
	Unreadable string `json:"unreadable,omitempty" doc:"Why the settings in force cannot be shown."`
	// Addresses and Ports are what firewalls and join commands need.
	Addresses    []string        `json:"addresses" doc:"Addresses that edge nodes dial."`
	Ports        []settings.Port `json:"ports" doc:"CloudCore's services."`
	Components   []Component     `json:"components" doc:"The workloads."`
	Certificates []Certificate   `json:"certificates" doc:"Certificates and when they end; absent without the right to read Secrets."`
	Notes        []Note          `json:"notes" doc:"What keeps requests from reaching edge nodes, as edge-watcher and the operators found."`
	EdgeNodes    *EdgeNodes      `json:"edgeNodes,omitempty" doc:"Edge nodes; absent without the right to list nodes."`
}

// EdgeNodes counts.
type EdgeNodes struct {
	Total     int `json:"total" doc:"Edge nodes whose device has arrived."`
	Joining   int `json:"joining" doc:"Nodes that wait for their device."`
	Ready     int `json:"ready" doc:"Those that are Ready."`
	Connected int `json:"connected" doc:"Those whose tunnel a running CloudCore holds."`
}

// Status reads what the user may read; what is forbidden is left out.
func (r *Runtime) Status(ctx context.Context) (Status, error) {
	s, err := r.releaseStatus(ctx)
	if apierrors.IsForbidden(err) {
		s, err = r.viewerStatus(ctx)
	}
	if err != nil {
		return Status{}, err
	}
	if s.Settings != nil {
		s.Addresses, s.Ports = s.Settings.EffectiveAddresses(), s.Settings.Ports()
	}
	if err := r.addDetails(ctx, &s); err != nil {
		return Status{}, err
	}
	return s.complete(), nil
}

// complete replaces absent lists by empty ones, for JSON.
func (s Status) complete() Status {
	if s.Addresses == nil {
		s.Addresses = []string{}
	}
	if s.Ports == nil {
		s.Ports = []settings.Port{}
	}
	if s.Components == nil {
		s.Components = []Component{}
	}
	if s.Certificates == nil {
		s.Certificates = []Certificate{}
	}
	if s.Notes == nil {
		s.Notes = []Note{}
	}
	return s
}

// releaseStatus is what those see who may read the release.
func (r *Runtime) releaseStatus(ctx context.Context) (Status, error) {
	cfg, err := r.actions()
	if err != nil {
		return Status{}, err
	}
	o, err := r.observe(ctx, cfg)
	if err != nil {
		return Status{}, err
	}
	s := Status{State: o.state, Reason: o.reason, Message: o.message}
	if o.reason == ReasonUnreadable {
		s.Unreadable = o.message
	}
	if o.last == nil || o.state == StateForeign {
		return r.changing(ctx, s), nil
	}
	s.Revision, s.Chart = o.last.Version, o.last.Chart.Metadata.Version
	if changed := o.last.Info.LastDeployed; !changed.IsZero() {
		s.Changed = &changed
	}
	if s.Unreadable != "" {
		return r.changing(ctx, s), nil // those of the revision before are in force no more
	}
	current, err := settingsOfRelease(o.last)
	if err != nil {
		s.unreadable(err)
		return r.changing(ctx, s), nil
	}
	s.Settings = &current
	return r.changing(ctx, s), nil
}

// changing tells a change that runs right now from an interrupted one.
func (r *Runtime) changing(ctx context.Context, s Status) Status {
	lease, err := r.kube.CoordinationV1().Leases(Namespace).Get(ctx, leaseName, metav1.GetOptions{})
	if err == nil && r.leaseHeld(lease) {
		s.State, s.Reason, s.Message = StateChanging, "ChangeRunning", "a change is running"
	}
	return s
}

// viewerStatus reads the ConfigMap that is there for everybody. While KubeEdge is
// off nobody is entitled to it, so "forbidden" then only means unknown.
func (r *Runtime) viewerStatus(ctx context.Context) (Status, error) {
	cm, err := r.kube.CoreV1().ConfigMaps(Namespace).Get(ctx, configMapSettings, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Status{State: StateAbsent, Reason: "NotInstalled"}, nil
	}
	if apierrors.IsForbidden(err) {
		return Status{State: StateUnknown, Reason: "NoPermission", Message: "KubeEdge is off, or you may not see it"}, nil
	}
	if err != nil {
		return Status{}, fmt.Errorf("read ConfigMap %s: %w", configMapSettings, err)
	}
	s := Status{State: StateEnabled, Reason: "Deployed"}
	current, err := settingsOf(cm)
	if err != nil {
		s.unreadable(err)
		return s, nil
	}
	if s.Revision, err = strconv.Atoi(cm.Data["revision"]); err != nil {
		s.unreadable(fmt.Errorf("ConfigMap %s: revision %q: %w", configMapSettings, cm.Data["revision"], err))
		return s, nil
	}
	s.Settings = &current
	return s, nil
}

func settingsOf(cm *corev1.ConfigMap) (settings.Settings, error) {
	s, err := settings.Parse([]byte(cm.Data["settings.json"]))
	if err != nil {
		return s, fmt.Errorf("ConfigMap %s: %w", cm.Name, err)
	}
	return s, nil
}

// addDetails fills in workloads, certificates and nodes, each if it is permitted.
func (r *Runtime) addDetails(ctx context.Context, s *Status) error {
	if s.State == StateAbsent || s.State == StateUnknown || s.State == StateForeign {
		return nil
	}
	for _, name := range componentNames {
		c, err := r.component(ctx, name)
		if apierrors.IsForbidden(err) {
			break
		}
		if apierrors.IsNotFound(err) {
			c, err = Component{Name: name, Message: "missing"}, nil
		}
		if err != nil {
			return err
		}
		s.Components = append(s.Components, c)
		if !c.Settled && s.State == StateEnabled {
			s.State, s.Reason, s.Message = StateDegraded, "NotAllReady", name+": "+c.Message
		}
	}
	certificates, err := r.certificates(ctx)
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	s.Certificates = certificates
	if err := r.addNotes(ctx, s); err != nil {
		return err
	}
	return r.addEdgeNodes(ctx, s)
}

func (r *Runtime) addEdgeNodes(ctx context.Context, s *Status) error {
	nodes, err := r.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelEdge})
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list edge nodes: %w", err)
	}
	recorded, err := r.tunnelPorts(ctx)
	switch {
	case errors.Is(err, routes.ErrBadRecord):
		s.Notes = append(s.Notes, Note{Reason: "BadTunnelRecord", Message: err.Error()})
	case err != nil && !apierrors.IsForbidden(err):
		return err
	}
	s.EdgeNodes = countEdge(nodes.Items, recorded)
	return nil
}

// countEdge takes a node for connected when its kubelet port is one that a
// CloudCore of the record gives out.
func countEdge(nodes []corev1.Node, recorded map[int32]bool) *EdgeNodes {
	out := &EdgeNodes{}
	for _, n := range nodes {
		if v1alpha1.ExpectedBy(&n) != "" {
			out.Joining++
			continue
		}
		out.Total++
		ready := false
		for _, c := range n.Status.Conditions {
			ready = ready || (c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue)
		}
		if !ready {
			continue
		}
		out.Ready++
		if recorded[n.Status.DaemonEndpoints.KubeletEndpoint.Port] {
			out.Connected++
		}
	}
	return out
}

// tunnelPorts are those of the CloudCores in the record.
func (r *Runtime) tunnelPorts(ctx context.Context) (map[int32]bool, error) {
	cm, err := r.kube.CoreV1().ConfigMaps(Namespace).Get(ctx, v1alpha1.TunnelPortConfigMap, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tunnel record: %w", err)
	}
	record, err := routes.ParseRecord(cm.Annotations[v1alpha1.TunnelPortAnnotation])
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s in namespace %s: %w; CloudCore writes it anew at its start", cm.Name, Namespace, err)
	}
	out := map[int32]bool{}
	for _, port := range record.Current {
		out[port] = true
	}
	return out, nil
}
