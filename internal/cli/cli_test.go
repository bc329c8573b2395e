package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{errors.New("x"), ExitFailed},
		{runtime.ErrNotReady, ExitFailed},
		{usage(errors.New("x")), ExitBadInput},
		{&settings.InvalidError{}, ExitBadInput},
		{fmt.Errorf("cluster: %w", clusters.ErrUnknown), ExitBadInput},
		{fmt.Errorf("x: %w", runtime.ErrConflict), ExitConflict},
		{runtime.ErrForeign, ExitConflict},
		{runtime.ErrNotAdmin, ExitNoPermission},
		{fmt.Errorf("list: %w", apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))), ExitNoPermission},
		{apierrors.NewUnauthorized("no"), ExitNoPermission},
	} {
		if got := ExitCode(tc.err); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.err, got, tc.want)
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
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	config := "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\ncontexts: [{name: a, context: {cluster: a}}]\n"
	if err := os.WriteFile(kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
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
