package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// errNoEnrollment: the node did not join through an enrolment of ours.
var errNoEnrollment = errors.New("no enrolment has this node")

// leavePoll is how often a leaving node is looked at.
const leavePoll = 500 * time.Millisecond

// LeaveRequest retires an edge node.
type LeaveRequest struct {
	Confirm        string `json:"confirm" doc:"The node's name, typed again"`
	TimeoutSeconds int    `json:"timeoutSeconds" minimum:"0" maximum:"3600" doc:"How long pods may take to go"`
	Force          bool   `json:"force" doc:"Go on when pods are still there after the timeout; needed for a node that is offline"`
}

// LeavePlan says what leaving means for a node's pods.
type LeavePlan struct {
	Evicted    []string `json:"evicted" doc:"Pods that are evicted, namespace/name"`
	DaemonSets []string `json:"daemonSets" doc:"Pods of DaemonSets, which go with the node"`
	LocalData  []string `json:"localData" doc:"Pods whose emptyDir data is lost"`
	Online     bool     `json:"online" doc:"The node is Ready; else only force helps"`
	Enrollment string   `json:"enrollment,omitempty" doc:"The enrolment through which edge-watcher retires it"`
}

type leaveInput struct {
	NodePath
	Body LeaveRequest
}

type acceptedOutput struct {
	Status int
	Body   OperationState
}

func (s *Server) leaveRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathNode+"/leave", "planLeave", "What leaving means for the node's pods"), s.planLeave)
	o := op(http.MethodPost, pathNode+"/leave", "leaveNode", "Retire an edge node")
	o.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, o, s.leaveNode)
}

func (s *Server) planLeave(ctx context.Context, in *NodePath) (*Body[LeavePlan], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	node, err := edgeNode(ctx, c, in.Node)
	if err != nil {
		return nil, err
	}
	pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + in.Node})
	if err != nil {
		return nil, kubeError(err)
	}
	out := LeavePlan{Evicted: []string{}, DaemonSets: []string{}, LocalData: []string{}}
	out.Online = observe.NodeOf(node).State == "Ready"
	for i := range pods.Items {
		addToPlan(&out, &pods.Items[i])
	}
	if e, err := enrollmentOfNode(ctx, c, in.Node); err == nil {
		out.Enrollment = e.Name
	}
	return &Body[LeavePlan]{out}, nil
}

func addToPlan(out *LeavePlan, p *corev1.Pod) {
	name := p.Namespace + "/" + p.Name
	if ofDaemonSet(p) {
		out.DaemonSets = append(out.DaemonSets, name)
		return
	}
	out.Evicted = append(out.Evicted, name)
	for _, v := range p.Spec.Volumes {
		if v.EmptyDir != nil {
			out.LocalData = append(out.LocalData, name)
			return
		}
	}
}

func ofDaemonSet(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "DaemonSet"
}

// edgeNode refuses cloud nodes: nothing here takes one of those away.
func edgeNode(ctx context.Context, c *clusterClients, name string) (*corev1.Node, error) {
	node, err := c.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, kubeError(err)
	}
	if _, edge := node.Labels[v1alpha1.LabelEdge]; !edge {
		return nil, invalid("node", "node "+name+" is a cloud node", "choose an edge node")
	}
	return node, nil
}

func (s *Server) leaveNode(ctx context.Context, in *leaveInput) (*acceptedOutput, error) {
	note(ctx, "force", boolText(in.Body.Force))
	if in.Body.Confirm != in.Node {
		return nil, invalid("confirm", fmt.Sprintf("%q is not the node's name", in.Body.Confirm), "type the node's name")
	}
	callCtx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if _, err := edgeNode(callCtx, c, in.Node); err != nil {
		return nil, err
	}
	sess := callOf(ctx).sess
	return s.begin("leave", in.Cluster, in.Cluster+"/"+in.Node, sess.user, func(ctx context.Context, report func(OperationStep)) error {
		step := inOrder(report)
		err := setEnrollmentState(ctx, c, in.Node, v1alpha1.StateRetired, &in.Body)
		if errors.Is(err, errNoEnrollment) || apierrors.IsForbidden(err) {
			return drainAndDelete(ctx, c, in.Node, in.Body, step)
		}
		if err != nil {
			return err
		}
		step("retire", in.Node)
		return awaitGone(ctx, c, in.Node, step)
	})
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

func enrollmentOfNode(ctx context.Context, c *clusterClients, node string) (*v1alpha1.EdgeEnrollment, error) {
	var list v1alpha1.EdgeEnrollmentList
	if err := c.objects.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace)); err != nil {
		return nil, err
	}
	for i := range list.Items {
		if e := &list.Items[i]; e.Spec.NodeName == node && enroll.Reserves(e) {
			return e, nil
		}
	}
	return nil, errNoEnrollment
}

// setEnrollmentState asks edge-watcher to act on the node; leave adds the deadline.
func setEnrollmentState(ctx context.Context, c *clusterClients, node string, state v1alpha1.EnrollmentState, leave *LeaveRequest) error {
	e, err := enrollmentOfNode(ctx, c, node)
	if err != nil {
		return err
	}
	base := e.DeepCopy()
	e.Spec.State = state
	if leave != nil {
		e.Spec.Force = leave.Force
		if leave.TimeoutSeconds > 0 {
			e.Spec.DrainTimeout = &metav1.Duration{Duration: time.Duration(leave.TimeoutSeconds) * time.Second}
		}
	}
	return c.objects.Patch(ctx, e, client.MergeFrom(base))
}

// awaitGone watches edge-watcher retire the node.
func awaitGone(ctx context.Context, c *clusterClients, node string, step func(string, string)) error {
	for {
		_, err := c.kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			step("gone", node)
			return nil
		}
		if err != nil {
			return err
		}
		if e, err := enrollmentOfNode(ctx, c, node); err == nil {
			for _, cond := range e.Status.Conditions {
				if cond.Type == v1alpha1.ConditionRetired && cond.Status == metav1.ConditionFalse {
					step("retire", cond.Message)
				}
			}
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// drainAndDelete is the way for nodes without an enrolment, with the user's own rights.
func drainAndDelete(ctx context.Context, c *clusterClients, node string, in LeaveRequest, step func(string, string)) error {
	step("cordon", node)
	_, err := c.kube.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, []byte(`{"spec":{"unschedulable":true}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if err := drain(ctx, c, node, in, step); err != nil {
		return err
	}
	step("delete", node)
	if err := c.kube.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	step("gone", node)
	return nil
}

func drain(ctx context.Context, c *clusterClients, node string, in LeaveRequest, step func(string, string)) error {
	deadline := time.NewTimer(time.Duration(in.TimeoutSeconds) * time.Second)
	defer deadline.Stop()
	for {
		pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
		if err != nil {
			return err
		}
		left := 0
		for i := range pods.Items {
			p := &pods.Items[i]
			if ofDaemonSet(p) {
				continue
			}
			left++
			if p.DeletionTimestamp != nil {
				continue
			}
			err := c.kube.CoreV1().Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}})
			// Too many requests: a PodDisruptionBudget says not yet.
			if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsTooManyRequests(err) {
				return err
			}
		}
		if left == 0 {
			return nil
		}
		step("drain", fmt.Sprintf("%d", left))
		select {
		case <-deadline.C:
			if in.Force {
				return nil
			}
			return fail(http.StatusConflict, "DrainTimeout", fmt.Sprintf("%d pods are still on the node", left), "wait longer, or force it")
		default:
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(leavePoll):
		return nil
	}
}
