package contract

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/contract/cloud"
)

// programsVariable names the directory with cloudcore and edgecore; the stand-ins that
// `make build-sandbox` leaves in bin/standin when it is empty.
const programsVariable = "EDGEWAY_CONTRACT_PROGRAMS"

func programs() string {
	if dir := os.Getenv(programsVariable); dir != "" {
		return dir
	}
	return filepath.Join("..", "..", "bin", "standin")
}

// kubeadmAuthorization is how clusters of kubeadm hold nodes to their own.
var kubeadmAuthorization = []string{"--authorization-mode=Node", "--enable-admission-plugins=NodeRestriction"}

// TestCloudCore speaks to a CloudCore as EdgeCore, kube-apiserver and metrics-server do.
func TestCloudCore(t *testing.T) {
	r := newResults()
	t.Cleanup(func() { r.print(os.Stdout, filepath.Join(programs(), "cloudcore")) })
	api := apiserver.ForTest(t, apiserver.Options{ServerArgs: kubeadmAuthorization})
	t.Run("default", func(t *testing.T) {
		s := newSite(t, api, cloud.Options{})
		see(t, r, s, certificateBehaviors)
		see(t, r, s, hubBehaviors)
		see(t, r, s, tunnelBehaviors)
		see(t, r, s, streamBehaviors)
	})
	t.Run("authorization", func(t *testing.T) {
		see(t, r, newSite(t, api, cloud.Options{Authorization: true}), authorizationBehaviors)
	})
	t.Run("unprivileged", func(t *testing.T) {
		see(t, r, newSite(t, api, cloud.Options{Authorization: true, Kubeconfig: withoutImpersonation(t, api)}), unprivilegedBehaviors)
	})
	t.Run("limit", func(t *testing.T) {
		see(t, r, newSite(t, api, cloud.Options{NodeLimit: 1}), limitBehaviors)
	})
	t.Run("restart", func(t *testing.T) {
		inTurn(t, r, newSite(t, api, cloud.Options{}), restartBehaviors)
	})
}

// newSite starts a CloudCore that ends with the test.
func newSite(t *testing.T, api *apiserver.Server, o cloud.Options) *site {
	t.Helper()
	kube := must(kubernetes.NewForConfig(api.Config))(t)
	if err := ensureNamespace(t.Context(), kube); err != nil {
		t.Fatal(err)
	}
	o.Program, o.Dir = filepath.Join(programs(), "cloudcore"), t.TempDir()
	if o.Kubeconfig == "" {
		o.Kubeconfig = api.Kubeconfig()
	}
	core := must(cloud.Start(t.Context(), o))(t)
	t.Cleanup(func() {
		if err := core.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			keepLog(t, core.Log())
		}
	})
	return &site{api: api, kube: kube, core: core}
}

// keepLog saves the log of a failed run where EDGEWAY_CONTRACT_LOGS says.
func keepLog(t *testing.T, log string) {
	t.Helper()
	dir := os.Getenv("EDGEWAY_CONTRACT_LOGS")
	if dir == "" {
		return
	}
	b, err := os.ReadFile(log)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, filepath.Base(t.Name())+"-"+filepath.Base(log)), b, 0o600)
	}
	if err != nil {
		t.Log(err)
	}
}
