package hosts

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestReadPid: a pid file counts only while the very process that it names lives.
func TestReadPid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pid")
	if _, err := readPid(file); !errors.Is(err, ErrNotRunning) {
		t.Errorf("no file: %v, want ErrNotRunning", err)
	}
	if err := writePid(file, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	if pid, err := readPid(file); err != nil || pid != os.Getpid() {
		t.Errorf("own pid: %d, %v", pid, err)
	}
	// The same number, another process: what the kernel does when pids wrap around.
	if err := os.WriteFile(file, []byte(fmt.Sprintf("%d 1\n", os.Getpid())), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readPid(file); !errors.Is(err, ErrNotRunning) {
		t.Errorf("reused pid: %v, want ErrNotRunning", err)
	}
	if err := os.WriteFile(file, []byte("rubbish"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readPid(file); err == nil || errors.Is(err, ErrNotRunning) {
		t.Errorf("rubbish: %v, want an error that names the file", err)
	}
}

func TestReadPidOfEndedProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.pid")
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := writePid(file, cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := readPid(file); !errors.Is(err, ErrNotRunning) {
		t.Errorf("ended process: %v, want ErrNotRunning", err)
	}
}

func TestPortNameFitsTheKernel(t *testing.T) {
	for _, host := range []string{"cp", "nat-raspberry", "jetson-xavier", "a-very-long-host-name"} {
		if got := portName(host); len(got) > 15 {
			t.Errorf("portName(%q) = %q has %d characters, the kernel takes 15", host, got, len(got))
		}
	}
}

func TestCovered(t *testing.T) {
	for path, want := range map[string]bool{
		"/var/lib/jenkins/edgeway": true,
		"/usr/local/src/edgeway":   true,
		"/run/edgeway":             true,
		"/home/me/edgeway":         false,
		"/variable":                false,
		"/etcetera/x":              false,
	} {
		if got := covered(path); got != want {
			t.Errorf("covered(%q) = %v, want %v", path, got, want)
		}
	}
}
