package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// KubeEdgeView is the KubeEdge page: its state, and the running operation to follow.
type KubeEdgeView struct {
	runtime.Status
	Operation string          `json:"operation,omitempty" doc:"The user's operation at work on it"`
	Firewall  []FirewallEntry `json:"firewall" doc:"Ports to open, and the one to keep closed"`
}

type defaultsInput struct {
	ClusterPath
	ServiceType string `query:"serviceType" enum:"NodePort,LoadBalancer" default:"NodePort"`
}

type settingsInput struct {
	ClusterPath
	Revision int `query:"revision" default:"-1" minimum:"-1" doc:"The revision that the user looked at; another one in force is a conflict. -1: whatever is in force"`
	Body     settings.Settings
}

func (in *settingsInput) options() runtime.Options {
	if in.Revision < 0 {
		return runtime.Options{}
	}
	return runtime.Options{ExpectRevision: &in.Revision}
}

func progressTo(report func(OperationStep)) runtime.Progress {
	return func(s runtime.Step) {
		report(OperationStep{Name: s.Name, Message: s.Message, State: string(s.State)})
	}
}

type disableInput struct {
	ClusterPath
	KeepCA bool `query:"keepCA" default:"true" doc:"Keep KubeEdge's CA, so that edge nodes can come back"`
}

func (s *Server) kubeEdgeRoutes() {
	huma.Register(s.api, op(http.MethodGet, pathKubeEdge, "getKubeEdge", "State and settings of KubeEdge"), s.getKubeEdge)
	huma.Register(s.api, op(http.MethodGet, pathKubeEdge+"/defaults", "getKubeEdgeDefaults", "Proposed settings for a service type"), s.kubeEdgeDefaults)
	huma.Register(s.api, op(http.MethodPost, pathKubeEdge+"/plan", "planKubeEdge", "What applying settings would do"), s.planKubeEdge)
	apply := op(http.MethodPut, pathKubeEdge, "applyKubeEdge", "Enable KubeEdge, or change its settings")
	apply.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, apply, s.applyKubeEdge)
	disable := op(http.MethodDelete, pathKubeEdge, "disableKubeEdge", "Disable KubeEdge")
	disable.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, disable, s.disableKubeEdge)
	s.portCheckRoutes()
}

func (s *Server) getKubeEdge(ctx context.Context, in *ClusterPath) (*Body[KubeEdgeView], error) {
	user := callOf(ctx).sess.user
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	status, err := s.cfg.KubeEdge.Status(ctx, c.config)
	if err != nil {
		return nil, kubeError(err)
	}
	out := KubeEdgeView{Status: status, Operation: s.operations.running(in.Cluster, user), Firewall: []FirewallEntry{}}
	if status.Settings != nil {
		out.Firewall = firewall(status.Ports)
	}
	return &Body[KubeEdgeView]{out}, nil
}

func (s *Server) kubeEdgeDefaults(ctx context.Context, in *defaultsInput) (*Body[KubeEdgeDefaults], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	out, err := s.cfg.KubeEdge.Defaults(ctx, c.config, settings.ServiceType(in.ServiceType))
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[KubeEdgeDefaults]{out}, nil
}

func (s *Server) planKubeEdge(ctx context.Context, in *settingsInput) (*Body[runtime.Plan], error) {
	ctx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := s.mustAdmin(ctx, c); err != nil {
		return nil, err
	}
	out, err := s.cfg.KubeEdge.Plan(ctx, c.config, in.Body)
	if err != nil {
		return nil, kubeError(err)
	}
	return &Body[runtime.Plan]{out}, nil
}

func (s *Server) applyKubeEdge(ctx context.Context, in *settingsInput) (*acceptedOutput, error) {
	user := callOf(ctx).sess.user
	callCtx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := s.mustAdmin(callCtx, c); err != nil {
		return nil, err
	}
	return s.begin("enable", in.Cluster, in.Cluster, user, func(ctx context.Context, report func(OperationStep)) error {
		return s.cfg.KubeEdge.Enable(ctx, c.config, in.Body, in.options(), progressTo(report))
	})
}

func (s *Server) disableKubeEdge(ctx context.Context, in *disableInput) (*acceptedOutput, error) {
	note(ctx, "keepCA", boolText(in.KeepCA))
	user := callOf(ctx).sess.user
	callCtx, cancel, c, err := s.clusterCall(ctx, in.Cluster, callLimit)
	if err != nil {
		return nil, err
	}
	defer cancel()
	if err := s.mustAdmin(callCtx, c); err != nil {
		return nil, err
	}
	return s.begin("disable", in.Cluster, in.Cluster, user, func(ctx context.Context, report func(OperationStep)) error {
		return s.cfg.KubeEdge.Disable(ctx, c.config, runtime.DisableOptions{KeepCA: in.KeepCA}, progressTo(report))
	})
}
