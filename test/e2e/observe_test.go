//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestLogsTail(t *testing.T) {
	forEachEdge(t, func(t *testing.T, node string) {
		eventually(t, 20*time.Second, func() error {
			out := mustKubectl(t, "logs", "deployment/hello-"+node, "--tail=3")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != 3 {
				return fmt.Errorf("--tail=3 gave %d lines: %q", len(lines), out)
			}
			return nil
		})
		for _, line := range strings.Split(strings.TrimSpace(mustKubectl(t, "logs", "deployment/hello-"+node, "--tail=3")), "\n") {
			if !strings.HasSuffix(line, "from "+node) {
				t.Errorf("line %q is not from a pod on %s", line, node)
			}
		}
	})
}

// TestLogsFollow reads lines that did not exist when the request began.
func TestLogsFollow(t *testing.T) {
	forEachEdge(t, func(t *testing.T, node string) {
		cmd := exec.CommandContext(t.Context(), site.Kubectl, "--kubeconfig", site.Kubeconfig, "logs", "deployment/hello-"+node, "-f", "--tail=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killer := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
		numbers := make([]int, 0, 4)
		for lines := bufio.NewScanner(out); len(numbers) < 4 && lines.Scan(); {
			var n int
			if _, err := fmt.Sscanf(lines.Text(), "hello %d from "+node, &n); err != nil {
				t.Fatalf("line %q: %v", lines.Text(), err)
			}
			numbers = append(numbers, n)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if len(numbers) < 4 {
			t.Fatalf("followed log ended after lines %v", numbers)
		}
		for i := 1; i < len(numbers); i++ {
			if numbers[i] != numbers[i-1]+1 {
				t.Errorf("lines %v are not consecutive", numbers)
			}
		}
	})
}

func TestExecWithStdin(t *testing.T) {
	forEachEdge(t, func(t *testing.T, node string) {
		const text = "through the tunnel\nand back\n"
		out, err := kubectl(t, text, "exec", "-i", "deployment/hello-"+node, "--", "sh", "-c", "cat; hostname")
		if err != nil {
			t.Fatal(err)
		}
		if want := text + "hello-" + node; !strings.HasPrefix(out, want) {
			t.Errorf("exec gave %q, want it to start with %q", out, want)
		}
		if _, err := kubectl(t, "", "exec", "deployment/hello-"+node, "--", "sh", "-c", "exit 7"); err == nil || !strings.Contains(err.Error(), "exit code 7") {
			t.Errorf("exec of a failing command: %v, want exit code 7", err)
		}
	})
}

func TestTop(t *testing.T) {
	forEachEdge(t, func(t *testing.T, node string) {
		eventually(t, 90*time.Second, func() error {
			out, err := kubectl(t, "", "top", "node", node, "--no-headers")
			if err != nil {
				return err
			}
			if f := strings.Fields(out); len(f) < 5 || f[0] != node || strings.Contains(out, "unknown") {
				return fmt.Errorf("top node gave %q", out)
			}
			return nil
		})
		eventually(t, 90*time.Second, func() error {
			out, err := kubectl(t, "", "top", "pod", "-l", "node="+node, "--no-headers")
			if err != nil {
				return err
			}
			if f := strings.Fields(out); len(f) != 3 || !strings.HasPrefix(f[0], "hello-"+node) || !strings.HasSuffix(f[2], "Mi") {
				return fmt.Errorf("top pod gave %q", out)
			}
			return nil
		})
	})
}

func TestNodeProxySummary(t *testing.T) {
	forEachEdge(t, func(t *testing.T, node string) {
		if err := summary(t, node); err != nil {
			t.Error(err)
		}
	})
}

// summary reads /stats/summary through the API server and checks whose it is.
func summary(t *testing.T, node string) error {
	out, err := kubectl(t, "", "get", "--raw", "/api/v1/nodes/"+node+"/proxy/stats/summary", "--request-timeout=6s")
	if err != nil {
		return err
	}
	var s struct {
		Node struct {
			NodeName string `json:"nodeName"`
			CPU      struct {
				UsageCoreNanoSeconds uint64 `json:"usageCoreNanoSeconds"`
			} `json:"cpu"`
		} `json:"node"`
		Pods []struct {
			PodRef struct {
				Name string `json:"name"`
			} `json:"podRef"`
		} `json:"pods"`
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return fmt.Errorf("summary of %s: %w: %.200s", node, err, out)
	}
	if s.Node.NodeName != node || s.Node.CPU.UsageCoreNanoSeconds == 0 {
		return fmt.Errorf("summary of %s names node %q with CPU %d", node, s.Node.NodeName, s.Node.CPU.UsageCoreNanoSeconds)
	}
	for _, p := range s.Pods {
		if strings.HasPrefix(p.PodRef.Name, "hello-"+node) {
			return nil
		}
	}
	return fmt.Errorf("summary of %s lists no pod of its workload: %+v", node, s.Pods)
}
