package onsite

import (
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// release is the name under which the chart is installed.
const release = "kubeedge"

// helmTimeout bounds the hooks of one action.
const helmTimeout = 3 * time.Minute

// helm is what plain helm works with.
func (s Site) helm(t testing.TB) *action.Configuration {
	t.Helper()
	kube.ManagedFieldsManager = "helm"
	settings := cli.New()
	settings.KubeConfig = s.Kubeconfig
	settings.SetNamespace(v1alpha1.KubeEdgeNamespace)
	config := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	if err := config.Init(settings.RESTClientGetter(), v1alpha1.KubeEdgeNamespace, "secrets"); err != nil {
		t.Fatal(err)
	}
	return config
}

// HelmUninstall does what `helm uninstall` does.
func (s Site) HelmUninstall(t testing.TB) {
	t.Helper()
	un := action.NewUninstall(s.helm(t))
	un.WaitStrategy, un.Timeout = kube.HookOnlyStrategy, helmTimeout
	if _, err := un.Run(release); err != nil {
		t.Fatalf("helm uninstall: %v", err)
	}
}

// HelmUpgrade does what `helm upgrade --reuse-values` does with the work tree's
// chart under another version, so that every pod is replaced.
func (s Site) HelmUpgrade(t testing.TB, version string) error {
	chart, err := loader.Load(filepath.Join(s.Root, "charts", release))
	if err != nil {
		return err
	}
	chart.Metadata.Version = version
	up := action.NewUpgrade(s.helm(t))
	up.Namespace, up.ReuseValues, up.ForceConflicts = v1alpha1.KubeEdgeNamespace, true, true
	up.SkipCRDs, up.WaitStrategy, up.Timeout = true, kube.HookOnlyStrategy, helmTimeout
	if _, err := up.RunWithContext(t.Context(), release, chart, nil); err != nil {
		return err
	}
	var errs []error
	for _, workload := range []string{"deployment/cloudcore", "deployment/edge-watcher", "daemonset/iptables-operator"} {
		errs = append(errs, s.RolledOut(t, workload))
	}
	return errors.Join(errs...)
}

// RolledOut waits up to three minutes for the pods of one of our workloads. It may be
// called beside the test's own goroutine.
func (s Site) RolledOut(t testing.TB, workload string) error {
	var err error
	for range 3 {
		if _, err = s.RunKubectl(t, "", "-n", v1alpha1.KubeEdgeNamespace, "rollout", "status", workload, "--timeout=55s"); err == nil {
			return nil
		}
	}
	return err
}
