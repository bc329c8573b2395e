package onsite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/host"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// OwnTable is the table in which the product keeps everything.
const OwnTable = "inet edgeway"

// Kernels compares the kernels of all cloud nodes with the API. What must be there
// is found out from the route objects alone: the rules for them are made from
// nothing in a namespace of the test's own, and the two tables are compared as nft
// shows them.
type Kernels struct {
	site    Site
	api     client.Client
	hosts   map[string]*lab.NS
	model   *lab.NS
	backend netrules.Backend
}

// NewKernels connects to the API and to the cloud nodes' namespaces.
func NewKernels(t testing.TB, s Site) *Kernels {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(s.Config(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	k := &Kernels{site: s, api: api, hosts: map[string]*lab.NS{}, model: lab.New(t, "model")}
	for _, name := range CloudNodes {
		k.hosts[name] = s.Namespace(t, name)
	}
	if k.backend, err = nft.Open(k.model.FD, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.backend.Close() })
	return k
}

// Config is the cluster-admin's client configuration.
func (s Site) Config(t testing.TB) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	return config
}

// Client is the cluster-admin's client.
func (s Site) Client(t testing.TB) kubernetes.Interface {
	t.Helper()
	c, err := kubernetes.NewForConfig(s.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// WaitEqual waits until every cloud node's kernel holds what the API says at that
// moment, and returns how long that took.
func (k *Kernels) WaitEqual(t testing.TB, within time.Duration) time.Duration {
	t.Helper()
	return Eventually(t, within, 50*time.Millisecond, func() error { return k.Compare(t.Context()) })
}

// Compare tells in what the kernels differ from the API.
func (k *Kernels) Compare(ctx context.Context) error {
	state, err := k.state(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range CloudNodes {
		errs = append(errs, k.compareHost(ctx, name, state))
	}
	return errors.Join(errs...)
}

// Model is what the API says now, as seen by one cloud node.
func (k *Kernels) Model(ctx context.Context, name string) (*netrules.Model, error) {
	state, err := k.state(ctx)
	if err != nil {
		return nil, err
	}
	return k.modelOf(name, state)
}

// Handle is the number of a cloud node's table; another one means that the table
// was made anew.
func (k *Kernels) Handle(t testing.TB, name string) float64 {
	t.Helper()
	handle, err := TableHandle(k.hosts[name], OwnTable)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

// Slices are the stored routes.
func (k *Kernels) Slices(ctx context.Context) ([]v1alpha1.EdgeRouteSlice, error) {
	var list v1alpha1.EdgeRouteSliceList
	err := k.api.List(ctx, &list)
	return list.Items, err
}

// Create stores a route object.
func (k *Kernels) Create(ctx context.Context, obj client.Object) error { return k.api.Create(ctx, obj) }

// Versions are the resource versions of all route objects, by kind and name.
func (k *Kernels) Versions(ctx context.Context) (map[string]string, error) {
	state, err := k.state(ctx)
	if err != nil {
		return nil, err
	}
	versions := map[string]string{"targets": state.targets.ResourceVersion}
	for _, s := range state.slices {
		versions["slice "+s.Name] = s.ResourceVersion
	}
	return versions, nil
}

// apiState is what the operators read.
type apiState struct {
	slices  []v1alpha1.EdgeRouteSlice
	targets *v1alpha1.EdgeRouteTargets
	nodes   []v1alpha1.CloudNodeRoutes
}

func (k *Kernels) state(ctx context.Context) (apiState, error) {
	var nodes v1alpha1.CloudNodeRoutesList
	targets := &v1alpha1.EdgeRouteTargets{}
	slices, err := k.Slices(ctx)
	err = errors.Join(err, k.api.List(ctx, &nodes), k.api.Get(ctx, client.ObjectKey{Name: v1alpha1.TargetsName}, targets))
	if err != nil {
		return apiState{}, fmt.Errorf("read the route objects: %w", err)
	}
	return apiState{slices: slices, targets: targets, nodes: nodes.Items}, nil
}

func (k *Kernels) modelOf(name string, state apiState) (*netrules.Model, error) {
	m := netrules.NewModel()
	errs := []error{m.SetTargets(state.targets)}
	for _, s := range state.slices {
		errs = append(errs, m.SetSlice(s.Name, s.Routes))
	}
	errs = append(errs, k.hosts[name].Do(func() error {
		local, err := host.Addresses()
		m.SetLocal(local)
		return err
	}))
	return m, errors.Join(errs...)
}

func (k *Kernels) compareHost(ctx context.Context, name string, state apiState) error {
	m, err := k.modelOf(name, state)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := k.backend.Cleanup(ctx); err != nil {
		return err
	}
	if _, err := k.backend.Apply(ctx, m.Plan(), netrules.CheckAll); err != nil {
		return err
	}
	want, err := Table(k.model, OwnTable)
	if err != nil {
		return err
	}
	if len(want) < 10 {
		return fmt.Errorf("%s: only %d lines of rules are expected, which proves nothing", name, len(want))
	}
	have, err := Table(k.hosts[name], OwnTable)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, have); diff != "" {
		return fmt.Errorf("%s: the kernel differs from the API (-want +have):\n%.4000s", name, diff)
	}
	return nil
}
