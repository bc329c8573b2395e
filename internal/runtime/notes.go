package runtime

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/uninstall"
)

// Note is something that keeps requests from reaching edge nodes.
type Note struct {
	Reason  string `json:"reason" doc:"What it is, as a stable word."`
	Node    string `json:"node,omitempty" doc:"The cloud node that it is about; empty: the cluster."`
	Message string `json:"message" doc:"What it is and what to do."`
}

// addNotes reads what edge-watcher and the operators found, as far as it is permitted.
func (r *Runtime) addNotes(ctx context.Context, s *Status) error {
	object, err := r.dynamic.Resource(uninstall.Resource("edgeroutetargets")).Get(ctx, v1alpha1.TargetsName, metav1.GetOptions{})
	if err == nil {
		targets := v1alpha1.EdgeRouteTargets{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &targets); err != nil {
			s.Notes = append(s.Notes, Note{Reason: "BadTargets", Message: "EdgeRouteTargets cannot be read: " + err.Error()})
		}
		s.Notes = append(s.Notes, clusterNotes(targets.Status.Conditions)...)
	} else if !unreadable(err) {
		return fmt.Errorf("read EdgeRouteTargets: %w", err)
	}
	list, err := r.dynamic.Resource(uninstall.Resource("cloudnoderoutes")).List(ctx, metav1.ListOptions{})
	if unreadable(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list cloudnoderoutes: %w", err)
	}
	for _, item := range list.Items {
		report := v1alpha1.CloudNodeRoutes{}
		reason := ""
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(item.Object, &report); err != nil {
			reason = err.Error()
		}
		if reason = cmp.Or(reason, report.Undecodable); reason != "" {
			s.Notes = append(s.Notes, Note{Node: item.GetName(), Reason: "BadReport", Message: "its CloudNodeRoutes cannot be read: " + reason + ". Delete it: the node's iptables-operator writes it anew."})
			continue
		}
		s.Notes = append(s.Notes, nodeNotes(report)...)
	}
	return nil
}

// unreadable says that there is nothing, or nothing for this user.
func unreadable(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsForbidden(err) }

func clusterNotes(conditions []metav1.Condition) []Note {
	var out []Note
	for _, c := range conditions {
		if c.Status == metav1.ConditionTrue {
			out = append(out, Note{Reason: c.Type, Message: c.Message})
		}
	}
	return out
}

// nodeNotes are the conditions of a cloud node that are not as they should be: two of
// them are good when True, all others are problems. A guard that the settings switch
// off is none.
func nodeNotes(report v1alpha1.CloudNodeRoutes) []Note {
	var out []Note
	for _, c := range report.Status.Conditions {
		good := c.Type == v1alpha1.ConditionApplied || c.Type == v1alpha1.ConditionGuarded
		if good == (c.Status == metav1.ConditionTrue) || c.Reason == "Disabled" {
			continue
		}
		reason := c.Type
		if good {
			reason = c.Reason
		}
		out = append(out, Note{Reason: reason, Node: report.Name, Message: c.Message})
	}
	slices.SortStableFunc(out, func(a, b Note) int { return strings.Compare(a.Reason, b.Reason) })
	return slices.Compact(out)
}
