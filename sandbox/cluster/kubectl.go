package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Kubectl runs kubectl on the machine with one kubeconfig.
type Kubectl struct {
	Binary, Kubeconfig string
}

// Kubectl of the cluster's admin.
func (c Cluster) Kubectl() Kubectl {
	return Kubectl{Binary: filepath.Join(c.BinDir, "kubectl"), Kubeconfig: c.Kubeconfig()}
}

// Run runs kubectl and returns its standard output; the error holds what it said.
func (k Kubectl) Run(ctx context.Context, args ...string) (string, error) {
	return k.input(ctx, "", args...)
}

// Apply applies manifests (YAML) on the server's side.
func (k Kubectl) Apply(ctx context.Context, manifests string) error {
	_, err := k.input(ctx, manifests, "apply", "--server-side", "--force-conflicts", "-f", "-")
	return err
}

// Get reads one object or list into v.
func (k Kubectl) Get(ctx context.Context, v any, args ...string) error {
	out, err := k.Run(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		return fmt.Errorf("kubectl get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

func (k Kubectl) input(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, k.Binary, append([]string{"--kubeconfig", k.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Until runs a check again and again until it succeeds, and gives its last
// error when the time is over.
func Until(ctx context.Context, timeout time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // the context's own end explains nothing
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not after %s: %w", timeout, last)
		case <-time.After(300 * time.Millisecond):
		}
	}
}
