package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/edgeway-io/edgeway/internal/nodework"
)

// LeaveRequest retires an edge node.
type LeaveRequest struct {
	Confirm        string `json:"confirm" doc:"The node's name, typed again"`
	TimeoutSeconds int    `json:"timeoutSeconds" minimum:"0" maximum:"3600" doc:"How long pods may take to go"`
	Force          bool   `json:"force" doc:"Go on when pods are still there after the timeout; needed for a node that is offline"`
}

type leaveInput struct {
	NodePath
	Body LeaveRequest
}

func (s *Server) leaveRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathNode+"/leave", "planLeave", "What leaving means for the node's pods"), s.planLeave)
	o := op(http.MethodPost, pathNode+"/leave", "leaveNode", "Retire an edge node")
	o.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, o, s.leaveNode)
}

// nodes are the clients for work on nodes.
func (c *clusterClients) nodes() nodework.Clients {
	return nodework.Clients{Kube: c.kube, Objects: c.objects}
}

func (s *Server) planLeave(ctx context.Context, in *NodePath) (*Body[nodework.LeavePlan], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	plan, err := c.nodes().PlanLeave(ctx, in.Node)
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[nodework.LeavePlan]{*plan}, nil
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
	if _, err := c.nodes().EdgeNode(callCtx, in.Node); err != nil {
		return nil, kubeError(err)
	}
	options := nodework.LeaveOptions{Timeout: time.Duration(in.Body.TimeoutSeconds) * time.Second, Force: in.Body.Force}
	sess := callOf(ctx).sess
	return s.begin("leave", in.Cluster, in.Cluster+"/"+in.Node, sess.user, func(ctx context.Context, report func(OperationStep)) error {
		ctx, cancel := leaveContext(ctx, options.Timeout)
		defer cancel()
		return c.nodes().Leave(ctx, in.Node, options, inOrder(report))
	})
}

// leaveContext lasts beyond the drain timeout, which may be longer than operationLimit:
// an operation that ends before would neither force nor say which pods are left.
func leaveContext(operation context.Context, drainTimeout time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(operation), operationLimit+drainTimeout)
}
