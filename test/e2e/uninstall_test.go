//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
)

// TestPlainHelmUninstall removes the release as `helm uninstall` does, hooks and all:
// when it is done no kernel has a rule of ours, and no object of the hook is left. Then
// the release is put back for whoever uses the site next.
func TestPlainHelmUninstall(t *testing.T) {
	for _, host := range cloudNodes {
		if !strings.Contains(onHost(t, host, "nft list tables"), "inet edgeway") {
			t.Fatalf("%s has no rules to begin with", host)
		}
	}
	t.Cleanup(func() { enableAgain(t) })
	env := cli.New()
	env.KubeConfig = site.Kubeconfig
	env.SetNamespace("kubeedge")
	cfg := action.NewConfiguration()
	if err := cfg.Init(env.RESTClientGetter(), "kubeedge", "secrets"); err != nil {
		t.Fatal(err)
	}
	uninstall := action.NewUninstall(cfg)
	uninstall.Timeout, uninstall.WaitStrategy = 4*time.Minute, kube.HookOnlyStrategy
	if _, err := uninstall.Run("kubeedge"); err != nil {
		t.Fatalf("helm uninstall: %v", err)
	}
	for _, host := range cloudNodes {
		if tables := onHost(t, host, "nft list tables"); strings.Contains(tables, "inet edgeway") {
			t.Errorf("%s still has rules after helm uninstall:\n%s", host, tables)
		}
	}
	left := mustKubectl(t, "get", "jobs,serviceaccounts,roles,rolebindings", "-n", "kubeedge", "-o", "name") +
		mustKubectl(t, "get", "clusterroles,clusterrolebindings", "-o", "name")
	if strings.Contains(left, "edgeway-uninstall") {
		t.Errorf("the hook left objects:\n%s", left)
	}
}

// enableAgain does what `make up` did, and waits for logs of every edge node.
func enableAgain(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join(root, "bin", "edgeway"), "enable", "--cluster", "sandbox",
		"--kubeconfig", site.Kubeconfig, "-f", filepath.Join(root, ".sandbox", "settings.yaml"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("edgeway enable: %v: %s", err, out)
	}
	for node := range edgeNodes {
		eventually(t, 3*time.Minute, func() error { return logs(t, node) })
	}
}
