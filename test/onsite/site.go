// Package onsite holds what tests of a running sandbox share: where the site is,
// how a command runs on one of its hosts, what a host's kernel holds and what it
// should hold. It is driven from outside, through kubectl and the hosts' own tools.
package onsite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StandIn is Site.KubeEdge of a site without the real programs.
const StandIn = "stand-in"

// Site is what .sandbox/site.json tells about the running sandbox.
type Site struct {
	// Root is the work tree.
	Root       string `json:"-"`
	Kubeconfig string `json:"kubeconfig"`
	Kubectl    string `json:"kubectl"`
	// KubeEdge is StandIn or the directory of the real programs.
	KubeEdge string `json:"kubeedge"`
	// Burner is the image of the program that burns a known amount.
	Burner  string `json:"burner"`
	Console struct {
		URL string `json:"url"`
	} `json:"console"`
	Tokens struct {
		Admin  string `json:"admin"`
		Viewer string `json:"viewer"`
		// Of people of both clusters, where there are two.
		FleetAdmin  string `json:"fleetAdmin"`
		BranchAdmin string `json:"branchAdmin"`
	} `json:"tokens"`
	// Branch is the second cluster's kubeconfig.
	Branch string `json:"branch"`
	Hosts  []struct {
		Name      string   `json:"name"`
		Role      string   `json:"role"`
		Addresses []string `json:"addresses"`
		Command   []string `json:"command"`
	} `json:"hosts"`
}

// CloudNodes are the hosts whose kernels hold the routes.
var CloudNodes = []string{"cp", "worker"}

// Read reads the site of the work tree in which a test at test/NAME runs.
func Read() (Site, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Site{}, err
	}
	return ReadAt(filepath.Dir(filepath.Dir(dir)))
}

// ReadAt reads the site of a work tree.
func ReadAt(root string) (Site, error) {
	s := Site{Root: root}
	b, err := os.ReadFile(filepath.Join(s.Root, ".sandbox", "site.json"))
	if err != nil {
		return s, fmt.Errorf("these tests need a running sandbox (make up): %w", err)
	}
	return s, json.Unmarshal(b, &s)
}

// RunKubectl runs kubectl for at most a minute. It may be used while the test ends.
func (s Site) RunKubectl(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	return s.command(t, stdin, s.Kubectl, append([]string{"--kubeconfig", s.Kubeconfig}, args...)...)
}

// MustKubectl fails the test when kubectl fails.
func (s Site) MustKubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := s.RunKubectl(t, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Edgeway runs the product's command line on the site's cluster.
func (s Site) Edgeway(t testing.TB, args ...string) {
	t.Helper()
	s.EdgewayOn(t, "sandbox", s.Kubeconfig, args...)
}

// EdgewayOn runs the product's command line on a cluster of a kubeconfig.
func (s Site) EdgewayOn(t testing.TB, cluster, kubeconfig string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute)
	defer cancel()
	all := append(args[:len(args):len(args)], "--cluster", cluster, "--kubeconfig", kubeconfig)
	out, err := exec.CommandContext(ctx, filepath.Join(s.Root, "bin", "edgeway"), all...).CombinedOutput()
	if err != nil {
		t.Fatalf("edgeway %s: %v:\n%s", strings.Join(args, " "), err, out)
	}
}

func (s Site) command(t testing.TB, stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// OnHost runs a shell command on a host of the sandbox.
func (s Site) OnHost(t testing.TB, host, script string) string {
	t.Helper()
	return s.OnHostWith(t, host, "", script)
}

// OnHostWith is OnHost with standard input.
func (s Site) OnHostWith(t testing.TB, host, stdin, script string) string {
	t.Helper()
	for _, h := range s.Hosts {
		if h.Name != host {
			continue
		}
		args := append(h.Command[1:len(h.Command):len(h.Command)], "sh", "-c", script)
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), h.Command[0], args...)
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("on %s: %s: %v: %s", host, script, err, out)
		}
		return string(out)
	}
	t.Fatalf("the sandbox has no host %q", host)
	return ""
}

// Log reads the last line of an edge node's workload, as every client would.
func (s Site) Log(t testing.TB, node string) error {
	t.Helper()
	out, err := s.RunKubectl(t, "", "logs", "deployment/hello-"+node, "--tail=1", "--request-timeout=6s")
	if err == nil && !strings.Contains(out, "from "+node) {
		err = fmt.Errorf("log of %s: %q", node, out)
	}
	return err
}

// Eventually repeats a check until it passes, returns how long that took, and
// fails with the check's last error.
func Eventually(t testing.TB, timeout, pause time.Duration, check func() error) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		err := check()
		if err == nil {
			return time.Since(start)
		}
		if time.Since(start) > timeout {
			t.Fatalf("not after %s: %v", timeout, err)
		}
		time.Sleep(pause)
	}
}
