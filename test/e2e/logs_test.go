//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A pod that says all that a log may do to a reader, once, and then is silent; its
// first life ends, so that there is a previous one.
const hostilePod = `apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: hostile}}
spec:
  nodeName: jetson-xavier
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  volumes: [{name: state, emptyDir: {}}]
  containers:
  - name: main
    image: %s
    volumeMounts: [{name: state, mountPath: /state}]
    command:
    - sh
    - -c
    - |
      i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; done
      printf '\033[31mred\033[0m \033]0;title\007 <script>alert(1)</script> <img src=x onerror=alert(2)>\n'
      printf 'nul \000 and \377\376 that is no text\n'
      printf '\033[2J\033[1;1H\rcursor\n'
      head -c 1048576 /dev/zero | tr '\0' x; echo
      sleep 2
      echo "last words"
      [ -e /state/second ] || { touch /state/second; exit 3; }
      sleep 3600
  - name: side
    image: %[2]s
    command: [sh, -c, 'echo from the side; sleep 3600']
`

func busyboxImage(t *testing.T) string {
	t.Helper()
	return mustKubectl(t, "get", "deployment", "hello-jetson-xavier", "-o", "jsonpath={.spec.template.spec.containers[0].image}")
}

// startHostile makes the pod and waits for its second life to say its last words.
func startHostile(t *testing.T, name string) {
	t.Helper()
	if _, err := kubectl(t, fmt.Sprintf(hostilePod, name, busyboxImage(t)), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "pod", name, "--force", "--grace-period=0") })
	eventually(t, 90*time.Second, func() error {
		out, err := kubectl(t, "", "logs", name, "-c", "main", "--previous", "--tail=1")
		if err == nil && out != "last words\n" {
			err = fmt.Errorf("previous log ends in %.80q", out)
		}
		return err
	})
	eventually(t, 60*time.Second, func() error {
		out, err := kubectl(t, "", "logs", name, "-c", "main", "--tail=1")
		if err == nil && out != "last words\n" {
			err = fmt.Errorf("log ends in %.80q", out)
		}
		return err
	})
}

// clusterName is how the console calls the site's cluster.
func clusterName(t *testing.T, c console) string {
	t.Helper()
	var list []struct{ Name string }
	if err := c.Call(http.MethodGet, "/api/v1/clusters", nil, &list); err != nil || len(list) == 0 {
		t.Fatalf("clusters: %v %v", list, err)
	}
	return list[0].Name
}

func logPath(cluster, pod string, query url.Values) string {
	return "/api/v1/clusters/" + cluster + "/pods/default/" + pod + "/logs?" + query.Encode()
}

// TestConsoleLogsAreByteForByte compares the console's download and the command
// line with kubectl.
func TestConsoleLogsAreByteForByte(t *testing.T) {
	const pod = "hostile-bytes"
	startHostile(t, pod)
	c := signIn(t, site.Tokens.Viewer)
	cluster := clusterName(t, c)
	since := strings.Fields(mustKubectl(t, "logs", pod, "-c", "main", "--timestamps", "--tail=1"))[0]
	at, err := time.Parse(time.RFC3339Nano, since)
	if err != nil {
		t.Fatal(err)
	}
	sinceTime := at.UTC().Format(time.RFC3339)
	for name, v := range map[string]struct {
		kubectl []string
		query   url.Values
	}{
		"plain":      {nil, url.Values{"tail": {"-1"}}},
		"tail":       {[]string{"--tail=3"}, url.Values{"tail": {"3"}}},
		"since-time": {[]string{"--since-time=" + sinceTime}, url.Values{"tail": {"-1"}, "sinceTime": {sinceTime}}},
		"previous":   {[]string{"--previous"}, url.Values{"tail": {"-1"}, "previous": {"true"}}},
		"timestamps": {[]string{"--timestamps"}, url.Values{"tail": {"-1"}, "timestamps": {"true"}}},
	} {
		t.Run(name, func(t *testing.T) {
			want := mustKubectl(t, append([]string{"logs", pod, "-c", "main"}, v.kubectl...)...)
			if len(want) == 0 || name == "plain" && (len(want) < 1<<20 || !strings.Contains(want, "\xff\xfe")) {
				t.Fatalf("kubectl gave %d bytes", len(want))
			}
			v.query.Set("container", "main")
			code, got, err := c.Get(logPath(cluster, pod, v.query))
			if err != nil || code != http.StatusOK {
				t.Fatalf("%d %v", code, err)
			}
			if !bytes.Equal(got, []byte(want)) {
				t.Errorf("the console gives %d bytes, kubectl %d", len(got), len(want))
			}
			out, errs, err := edgeway(t, time.Minute, append([]string{"logs", pod, "-c", "main"}, v.kubectl...)...)
			if err != nil || out != want {
				t.Errorf("edgeway logs gives %d bytes, kubectl %d: %v %s", len(out), len(want), err, errs)
			}
		})
	}
}

// edgeway runs the command line for at most a while.
func edgeway(t *testing.T, limit time.Duration, args ...string) (string, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := edgewayCommand(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	return out.String(), errs.String(), err
}

func edgewayCommand(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, filepath.Join(root, "bin", "edgeway"), append(args, "--kubeconfig", site.Kubeconfig)...)
}

func TestCommandLogsOfSeveral(t *testing.T) {
	const pod = "hostile-several"
	startHostile(t, pod)
	out, errs, err := edgeway(t, time.Minute, "logs", pod, "--all-containers", "--tail=2")
	if err != nil || !strings.Contains(out, "[hostile-several/side] from the side\n") || !strings.Contains(out, "[hostile-several/main] last words\n") {
		t.Errorf("--all-containers: %v %s %.300q", err, errs, out)
	}
	out, errs, err = edgeway(t, time.Minute, "logs", "-l", "app=hello", "--tail=5", "--timestamps")
	if err != nil {
		t.Fatalf("%v %s", err, errs)
	}
	stamps := []string{}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 3 || !strings.HasPrefix(fields[0], "[hello-") {
			t.Fatalf("line %q", line)
		}
		stamps = append(stamps, fields[1])
	}
	if len(stamps) != 5*len(edgeNodes) {
		t.Errorf("%d lines of %d pods", len(stamps), len(edgeNodes))
	}
	for i := 1; i < len(stamps); i++ {
		if stamps[i] < stamps[i-1] {
			t.Errorf("line %d of %s comes after %s", i, stamps[i], stamps[i-1])
		}
	}
	for _, want := range []string{"hello-jetson-xavier", "hello-raspberrypi"} {
		if !strings.Contains(out, want) {
			t.Errorf("no line of %s:\n%s", want, out)
		}
	}
}

// TestLogRights: each of viewer, developer of one namespace, admin and nobody reads
// the logs and opens the terminals that Kubernetes lets them, and no others.
func TestLogRights(t *testing.T) {
	developer := makeDeveloper(t)
	paths := map[string]string{}
	people := map[string]console{
		"admin": signIn(t, site.Tokens.Admin), "viewer": signIn(t, site.Tokens.Viewer), "developer": signIn(t, developer),
		"nobody": site.Nobody(),
	}
	cluster := clusterName(t, people["admin"])
	for _, namespace := range []string{"default", "rights"} {
		pod := strings.TrimSpace(mustKubectl(t, "-n", namespace, "get", "pods", "-l", "app=hello", "-o", "jsonpath={.items[0].metadata.name}"))
		paths[namespace] = "/api/v1/clusters/" + cluster + "/pods/" + namespace + "/" + pod
	}
	for _, c := range []struct {
		who, namespace string
		logs           int
		terminal       string
	}{
		{"admin", "default", 200, "Ended"}, {"admin", "rights", 200, "Ended"},
		{"viewer", "default", 200, "Forbidden"}, {"viewer", "rights", 200, "Forbidden"},
		{"developer", "default", 403, "Forbidden"}, {"developer", "rights", 200, "Ended"},
		{"nobody", "default", 401, "401"}, {"nobody", "rights", 401, "401"},
	} {
		t.Run(c.who+" in "+c.namespace, func(t *testing.T) {
			code, body, err := people[c.who].Get(paths[c.namespace] + "/logs?container=hello&tail=1")
			if err != nil || code != c.logs {
				t.Errorf("log: %d %v %s, want %d", code, err, body, c.logs)
			}
			if got := runInTerminal(t, people[c.who], paths[c.namespace], "exit 0"); got != c.terminal {
				t.Errorf("terminal: %s, want %s", got, c.terminal)
			}
		})
	}
}

// makeDeveloper makes a namespace with a pod, and somebody with the role edit there.
func makeDeveloper(t *testing.T) string {
	t.Helper()
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "namespace", "rights", "--wait=false") })
	const people = `
apiVersion: v1
kind: Namespace
metadata: {name: rights}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: developer, namespace: rights}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: rights}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{kind: ServiceAccount, name: developer, namespace: rights}]
---
apiVersion: v1
kind: Pod
metadata: {name: hello, namespace: rights, labels: {app: hello}}
spec:
  nodeName: raspberrypi
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers: [{name: hello, image: %s, command: [sh, -c, 'echo hello; sleep 3600']}]
`
	if _, err := kubectl(t, fmt.Sprintf(people, busyboxImage(t)), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 90*time.Second, func() error {
		out, err := kubectl(t, "", "-n", "rights", "logs", "hello")
		if err == nil && out != "hello\n" {
			err = errors.New("log is " + out)
		}
		return err
	})
	return strings.TrimSpace(mustKubectl(t, "-n", "rights", "create", "token", "developer"))
}
