package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/kubeconfig"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/observe"
	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
		code string
	}{
		{nil, ExitOK, ""},
		{errors.New("x"), ExitFailed, "Failed"},
		{runtime.ErrNotReady, ExitFailed, "NotReady"},
		{usage(errors.New("x")), ExitBadInput, "Usage"},
		{&settings.InvalidError{}, ExitBadInput, "Invalid"},
		{enroll.Problems{{Field: "nodeIP"}}, ExitBadInput, "Invalid"},
		{fmt.Errorf("cluster: %w", clusters.ErrUnknown), ExitBadInput, "NoSuchCluster"},
		{kubeconfig.ErrNoCurrent, ExitBadInput, "NoContext"},
		{kubeconfig.ErrUnreadable, ExitBadInput, "KubeconfigUnreadable"},
		{runtime.ErrNotEnabled, ExitBadInput, "NotEnabled"},
		{fmt.Errorf("n %w", nodework.ErrCloudNode), ExitBadInput, "Invalid"},
		{fmt.Errorf("n %w", nodework.ErrNotOurs), ExitBadInput, "NotFromEnrollment"},
		{observe.ErrNoWorkload, ExitBadInput, "Invalid"},
		{fmt.Errorf("x: %w", runtime.ErrConflict), ExitConflict, "Conflict"},
		{runtime.ErrForeign, ExitConflict, "ForeignKubeEdge"},
		{nodework.ErrPodsLeft, ExitConflict, "DrainTimeout"},
		{nodework.ErrCalledOff, ExitConflict, "CalledOff"},
		{runtime.ErrNotAdmin, ExitNoPermission, "ClusterAdminRequired"},
		{apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "n", errors.New("x")), ExitConflict, "Conflict"},
		{apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, "n"), ExitFailed, "NotFound"},
		{apierrors.NewTimeoutError("slow", 1), ExitFailed, "ClusterTimeout"},
		{context.Canceled, ExitFailed, "Interrupted"},
		{fmt.Errorf("list: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))), ExitNoPermission, "Forbidden"},
		{apierrors.NewUnauthorized("no"), ExitNoPermission, "CredentialsRejected"},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
		}
		if tc.err != nil && code(tc.err) != tc.code {
			t.Errorf("%v: %s, want %s", tc.err, code(tc.err), tc.code)
		}
	}
}

// TestErrorsHaveRemedyAndCode: on standard error, also where a proxy answers without text.
func TestErrorsHaveRemedyAndCode(t *testing.T) {
	unknown := apierrors.NewGenericServerResponse(http.StatusBadGateway, "get", schema.GroupResource{Resource: "nodes"}, "edge-1", "unknown", 0, true)
	for _, tc := range []struct {
		err  error
		says []string
	}{
		{fmt.Errorf("node c %w", nodework.ErrCloudNode), []string{"edgeway: node c is a cloud node\n", "  → choose an edge node\n", "  (Invalid)\n"}},
		{runtime.ErrNotEnabled, []string{"  → Enable KubeEdge first, on its page in the console or with edgeway enable.\n", "  (NotEnabled)\n"}},
		{usage(errors.New("--tail x")), []string{"--tail x\n  → see 'edgeway --help'\n  (Usage)\n"}},
		{fmt.Errorf("read the node: %w", unknown), []string{"HTTP status 502 came without a reason", "(get nodes edge-1)", "  (ClusterUnreachable)\n"}},
	} {
		root := &cobra.Command{Use: "edgeway", SilenceUsage: true, SilenceErrors: true, RunE: func(*cobra.Command, []string) error { return tc.err }}
		var errs bytes.Buffer
		root.SetErr(&errs)
		root.SetArgs([]string{})
		Execute(context.Background(), root)
		for _, want := range tc.says {
			if !strings.Contains(errs.String(), want) || strings.Contains(errs.String(), "unknown") {
				t.Errorf("%v: %q is not in %q", tc.err, want, errs.String())
			}
		}
	}
}

// run executes edgeway and returns its exit code, output and errors.
func run(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	root := NewRoot("v1")
	var out, errs bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&errs)
	root.SetArgs(args)
	code := Execute(context.Background(), root)
	return code, out.String(), errs.String()
}

func TestUsage(t *testing.T) {
	kubeconfig := writeKubeconfig(t)
	for _, tc := range []struct {
		args []string
		says string
	}{
		{[]string{"bogus"}, "unknown command"},
		{[]string{"status", "--bogus"}, "unknown flag"},
		{[]string{"status", "extra"}, "takes no argument"},
		{[]string{"status", "-o", "xml", "--kubeconfig", kubeconfig}, "choose text, json or yaml"},
		{[]string{"status", "--kubeconfig", kubeconfig, "--cluster", "b"}, "unknown cluster (known: a)"},
		{[]string{"enable", "--kubeconfig", kubeconfig, "-f", "/does/not/exist"}, "no such file"},
		{[]string{"settings", "--service-type", "ClusterIP"}, "choose NodePort or LoadBalancer"},
	} {
		code, _, errs := run(t, tc.args...)
		if code != ExitBadInput || !strings.Contains(errs, tc.says) {
			t.Errorf("%v: exit %d, %q; want %d and %q", tc.args, code, errs, ExitBadInput, tc.says)
		}
	}
	if code, _, _ := run(t, "status", "--kubeconfig", kubeconfig); code != ExitFailed {
		t.Errorf("cluster is down: exit %d, want %d", code, ExitFailed)
	}
}

// TestAResultThatIsNotWrittenIsAFailure: on a full disk, in every format.
func TestAResultThatIsNotWrittenIsAFailure(t *testing.T) {
	for _, format := range []string{"text", "json", "yaml"} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		root := NewRoot("v1")
		var errs bytes.Buffer
		root.SetOut(full)
		root.SetErr(&errs)
		root.SetArgs([]string{"clusters", "-o", format, "--kubeconfig", writeKubeconfig(t)})
		if code := Execute(context.Background(), root); code != ExitFailed || !strings.Contains(errs.String(), "(DiskFull)") {
			t.Errorf("%s: exit %d, %q", format, code, errs.String())
		}
		_ = full.Close() // nothing was written
	}
}

func writeKubeconfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a}}]\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettingsCommandPrintsWhatItReads(t *testing.T) {
	for _, service := range []settings.ServiceType{settings.NodePort, settings.LoadBalancer} {
		code, out, errs := run(t, "settings", "--service-type", string(service))
		if code != ExitOK {
			t.Fatalf("exit %d: %s", code, errs)
		}
		s, err := settings.Parse([]byte(out))
		if err != nil {
			t.Fatal(err)
		}
		if s.ServiceType != service || s.PortNamed("https").Port != settings.Default(service).PortNamed("https").Port {
			t.Errorf("%s: read back %+v", service, s)
		}
	}
}
