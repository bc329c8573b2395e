package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// logGroups measure the console's logs on a site, through the tunnel of an edge node.
var logGroups = []group{
	onSite(spec{name: "log-follow-over-kubectl", unit: "ms", limit: limit(200),
		what: "99th percentile of the delay from the time that the node gives a line to its arrival over the console's stream, less that of `kubectl logs -f` of the same pod at the same time."}, followDelay),
	onSite(spec{name: "log-download-of-kubectl", unit: "of kubectl's time", limit: limit(1 / 0.9),
		what: "Time of the console's download of a log of some megabytes, divided by that of `kubectl logs` of the same container right before; at least 0.9 of kubectl's throughput is promised."}, downloadTime),
}

// onSite is a group of one figure that is taken on a site.
func onSite(f spec, take func(ctx context.Context, root string) (float64, error)) group {
	return group{figures: []spec{f}, measure: func(b *bed) error {
		siteUp(b)
		for range b.runs {
			value, err := take(b.ctx, b.root)
			if err != nil {
				return err
			}
			b.record(f.name, value)
		}
		return nil
	}}
}

// benchSite is what these measurements need of .sandbox/site.json.
type benchSite struct {
	Kubeconfig, Kubectl string
	Console             struct{ URL string }
	Tokens              struct{ Viewer, Admin string }
}

func readSite(root string) (benchSite, error) {
	var s benchSite
	b, err := os.ReadFile(siteFile(root))
	if err != nil {
		return s, fmt.Errorf("a site must be up (make up): %w", err)
	}
	return s, json.Unmarshal(b, &s)
}

func (s benchSite) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.Kubectl, append([]string{"--kubeconfig", s.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// benchPod makes a pod on an edge node and gives what removes it.
func (s benchSite) benchPod(ctx context.Context, name, script string) (func(), error) {
	image, err := s.kubectl(ctx, "", "get", "deployment", "hello-jetson-xavier", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	if err != nil {
		return nil, err
	}
	pod, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name, "namespace": "default"},
		"spec": map[string]any{
			"nodeName": "jetson-xavier", "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
			"tolerations": []any{map[string]string{"operator": "Exists"}},
			"containers":  []any{map[string]any{"name": "main", "image": image, "command": []string{"sh", "-c", script}}},
		},
	})
	if err != nil {
		return nil, err
	}
	if _, err := s.kubectl(ctx, string(pod), "apply", "-f", "-"); err != nil {
		return nil, err
	}
	remove := func() {
		_, _ = s.kubectl(context.WithoutCancel(ctx), "", "delete", "pod", name, "--ignore-not-found", "--force", "--grace-period=0")
	}
	if _, err := s.kubectl(ctx, "", "wait", "--for=condition=Ready", "--timeout=90s", "pod", name); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// downloadTime keeps below the size at which kubelets rotate a log. It reads one log
// by kubectl and by the console, and compares the bytes too.
func downloadTime(ctx context.Context, root string) (float64, error) {
	s, err := readSite(root)
	if err != nil {
		return 0, err
	}
	remove, err := s.benchPod(ctx, "bench-throughput", `i=0; while [ $i -lt 80000 ]; do i=$((i+1)); echo "$i 0123456789012345678901234567890123456789012345678901234567"; done; echo done; sleep 3600`)
	if err != nil {
		return 0, err
	}
	defer remove()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		out, err := s.kubectl(ctx, "", "logs", "bench-throughput", "--tail=1")
		if err == nil && out == "done\n" {
			break
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the pod has not written its log: %q %w", out, err)
		}
	}
	c, err := signIn(ctx, s)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	want, err := s.kubectl(ctx, "", "logs", "bench-throughput")
	if err != nil {
		return 0, err
	}
	byKubectl := time.Since(began)
	began = time.Now()
	got, err := c.download(ctx, "bench-throughput", "main")
	if err != nil {
		return 0, err
	}
	byConsole := time.Since(began)
	if got != want {
		return 0, fmt.Errorf("the console gave %d bytes, kubectl %d", len(got), len(want))
	}
	return byConsole.Seconds() / byKubectl.Seconds(), nil
}

// followDelay follows one pod both ways at a time.
func followDelay(ctx context.Context, root string) (float64, error) {
	s, err := readSite(root)
	if err != nil {
		return 0, err
	}
	remove, err := s.benchPod(ctx, "bench-follow", `while true; do echo line; sleep 0.05; done`)
	if err != nil {
		return 0, err
	}
	defer remove()
	c, err := signIn(ctx, s)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	type result struct {
		delays []float64
		err    error
	}
	ours := make(chan result, 1)
	go func() {
		d, err := c.followDelays(ctx, "bench-follow", "main")
		ours <- result{d, err}
	}()
	theirs, err := s.kubectlDelays(ctx, "bench-follow")
	mine := <-ours
	if err := errors.Join(err, mine.err); err != nil {
		return 0, err
	}
	return percentile(mine.delays, 0.99) - percentile(theirs, 0.99), nil
}

// followed is how many lines are timed.
const followed = 400

// kubectlDelays times lines of kubectl logs -f.
func (s benchSite) kubectlDelays(ctx context.Context, pod string) ([]float64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Kubectl, "--kubeconfig", s.Kubeconfig, "logs", pod, "-f", "--tail=0", "--timestamps")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	delays, err := timeLines(out)
	cancel()
	_ = cmd.Wait() // we have ended it
	return delays, err
}

// timeLines gives the delay of each line in milliseconds, from the time before it.
func timeLines(r io.Reader) ([]float64, error) {
	var delays []float64
	var rest []byte
	buf := make([]byte, 64<<10)
	for len(delays) < followed {
		n, err := r.Read(buf)
		now := time.Now()
		rest = append(rest, buf[:n]...)
		for {
			line, after, ok := bytes.Cut(rest, []byte("\n"))
			if !ok {
				break
			}
			rest = after
			stamp, _, _ := strings.Cut(string(line), " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil {
				return nil, fmt.Errorf("line %q: %w", line, err)
			}
			delays = append(delays, float64(now.Sub(at).Microseconds())/1000)
		}
		if err != nil && len(delays) < followed {
			return nil, fmt.Errorf("the log ended after %d lines: %w", len(delays), err)
		}
	}
	return delays, nil
}

func percentile(values []float64, p float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[min(len(s)-1, int(float64(len(s))*p))]
}

// benchConsole is a signed-in client of the console.
type benchConsole struct {
	http    *http.Client
	url     string
	cookie  string
	cluster string
}
