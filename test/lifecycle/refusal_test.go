//go:build e2e

package lifecycle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpRefuses runs `up` where something is missing: it says what and how to
// mend it, and leaves nothing behind.
func TestUpRefuses(t *testing.T) {
	program := filepath.Join(root, "bin", "sandbox")
	for _, c := range []struct {
		name string
		// wrap runs "$@" under the missing condition.
		wrap []string
		want []string
	}{
		{
			"not root",
			[]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"},
			[]string{"needs root", "sudo make up"},
		},
		{
			"no nf_tables",
			[]string{"setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"},
			[]string{"nf_tables with NAT does not work here", "modprobe"},
		},
		{
			"address range taken",
			[]string{"unshare", "--net", "sh", "-c", `ip link add taken type veth && ip addr add 198.18.0.77/24 dev taken && exec "$@"`, "sh"},
			[]string{"taken has 198.18.0.77/24", "take that address away"},
		},
		{
			"disk full",
			[]string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=64m full "$ROOT" && exec "$@"`, "sh"},
			[]string{"MiB free, the sandbox needs", "free disk space"},
		},
		{
			"programs missing",
			[]string{"env", "PATH=/nowhere"},
			[]string{"programs are missing", "make deps"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			work := t.TempDir()
			if err := os.Chmod(work, 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(c.wrap[0], append(c.wrap[1:len(c.wrap):len(c.wrap)], copyProgram(t, program), "up", "--root", work)...)
			cmd.Env = append(os.Environ(), "ROOT="+work)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("up succeeded:\n%s", out)
			}
			for _, want := range append(c.want, "remedy") {
				if !strings.Contains(string(out), want) {
					t.Errorf("up says %q, want it to mention %q", out, want)
				}
			}
			left, err := os.ReadDir(work)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) != 0 {
				t.Errorf("up left %v behind", left)
			}
		})
	}
}

// TestMakeChecksTheMachine runs what `make up` runs first, before anything is
// installed or built.
func TestMakeChecksTheMachine(t *testing.T) {
	for _, c := range []struct {
		name string
		wrap []string
		want []string
	}{
		{"not root", []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"}, []string{"needs root", "sudo make up"}},
		{"no Go and no Node", []string{"env", "PATH=" + onlyThese(t, "bash", "dirname", "id", "uname", "df", "tail", "tr")}, []string{"Go is missing", "Node and npm are missing"}},
		{"disk full", []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=64m full "$ROOT" && mkdir "$ROOT/sandbox" && cp "$1" "$ROOT/sandbox/" && exec "$ROOT/sandbox/check-machine.sh"`, "sh"}, []string{"MiB free, the sandbox needs", "free disk space"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			work := t.TempDir()
			script := copyProgram(t, filepath.Join(root, "sandbox", "check-machine.sh"))
			cmd := exec.Command(c.wrap[0], append(c.wrap[1:len(c.wrap):len(c.wrap)], script)...)
			cmd.Env = append(os.Environ(), "ROOT="+work)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatalf("the check passed:\n%s", out)
			}
			for _, want := range append(c.want, "remedy") {
				if !strings.Contains(string(out), want) {
					t.Errorf("the check says %q, want it to mention %q", out, want)
				}
			}
		})
	}
}

// onlyThese makes a directory for PATH that holds the given programs and no others.
func onlyThese(t *testing.T, programs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, p := range programs {
		path, err := exec.LookPath(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// copyProgram puts the program where an ordinary user can reach it.
func copyProgram(t *testing.T, program string) string {
	t.Helper()
	b, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "edgeway-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, filepath.Base(program))
	if err := os.WriteFile(file, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}
