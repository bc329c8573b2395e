package server

import (
	"context"
	"log/slog"

	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// KubeEdge switches KubeEdge on a cluster on and off, with the rights of the
// given configuration.
type KubeEdge interface {
	Status(ctx context.Context, cfg *rest.Config) (runtime.Status, error)
	// Defaults are the proposed settings for a service type on this cluster.
	Defaults(ctx context.Context, cfg *rest.Config, t settings.ServiceType) (KubeEdgeDefaults, error)
	Plan(ctx context.Context, cfg *rest.Config, s settings.Settings) (runtime.Plan, error)
	Enable(ctx context.Context, cfg *rest.Config, s settings.Settings, o runtime.Options, progress runtime.Progress) error
	Disable(ctx context.Context, cfg *rest.Config, o runtime.DisableOptions, progress runtime.Progress) error
}

// KubeEdgeDefaults are proposed settings with what is to be said about them.
type KubeEdgeDefaults struct {
	Settings settings.Settings  `json:"settings"`
	Problems []settings.Problem `json:"problems"`
}

// RealKubeEdge is the KubeEdge of package runtime.
type RealKubeEdge struct{ log *slog.Logger }

// NewKubeEdge logs to log.
func NewKubeEdge(log *slog.Logger) *RealKubeEdge { return &RealKubeEdge{log} }

// Status implements KubeEdge.
func (k *RealKubeEdge) Status(ctx context.Context, cfg *rest.Config) (runtime.Status, error) {
	r, err := runtime.New(cfg, k.log)
	if err != nil {
		return runtime.Status{}, err
	}
	return r.Status(ctx)
}

// Defaults implements KubeEdge. What the user may not read of the cluster is left open.
func (k *RealKubeEdge) Defaults(ctx context.Context, cfg *rest.Config, t settings.ServiceType) (KubeEdgeDefaults, error) {
	r, err := runtime.New(cfg, k.log)
	if err != nil {
		return KubeEdgeDefaults{}, err
	}
	out := KubeEdgeDefaults{Settings: settings.Default(t), Problems: []settings.Problem{}}
	facts, err := r.Facts(ctx, out.Settings)
	if err != nil {
		return KubeEdgeDefaults{}, err
	}
	var problems []settings.Problem
	out.Settings, problems = out.Settings.Resolve(facts)
	out.Problems = append(out.Problems, problems...)
	return out, nil
}

// Plan implements KubeEdge.
func (k *RealKubeEdge) Plan(ctx context.Context, cfg *rest.Config, s settings.Settings) (runtime.Plan, error) {
	r, err := runtime.New(cfg, k.log)
	if err != nil {
		return runtime.Plan{}, err
	}
	return r.Plan(ctx, s)
}

// Enable implements KubeEdge.
func (k *RealKubeEdge) Enable(ctx context.Context, cfg *rest.Config, s settings.Settings, o runtime.Options, progress runtime.Progress) error {
	r, err := runtime.New(cfg, k.log)
	if err != nil {
		return err
	}
	_, err = r.Enable(ctx, s, o, progress)
	return err
}

// Disable implements KubeEdge.
func (k *RealKubeEdge) Disable(ctx context.Context, cfg *rest.Config, o runtime.DisableOptions, progress runtime.Progress) error {
	r, err := runtime.New(cfg, k.log)
	if err != nil {
		return err
	}
	return r.Disable(ctx, o, progress)
}
