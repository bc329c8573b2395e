package units

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own program be the supervisor that start runs.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == superviseCommand {
		os.Exit(Directories{Units: os.Getenv("UNITS"), State: os.Getenv("STATE")}.Run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestUnit is keadm's use of systemd: write a unit, enable and start it, look at it,
// stop, disable and remove it.
func TestUnit(t *testing.T) {
	dir := t.TempDir()
	d := Directories{Units: filepath.Join(dir, "units"), State: filepath.Join(dir, "state")}
	t.Setenv("UNITS", d.Units)
	t.Setenv("STATE", d.State)
	runs := filepath.Join(dir, "runs")
	if err := os.MkdirAll(d.Units, 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "program")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $GREETING >> "+runs+"\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := "[Service]\nType=simple\nExecStart=" + script + "\nEnvironment=\"GREETING=hello\"\nRestart=always\nRestartSec=0\n"

	expect(t, d, 4, "not-found", "status", "edgecore")
	expect(t, d, 4, "", "start", "edgecore")
	if err := os.WriteFile(d.file("edgecore"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, d, 0, "", "daemon-reload")
	expect(t, d, 3, "inactive", "is-active", "edgecore")
	expect(t, d, 1, "disabled", "is-enabled", "edgecore")
	expect(t, d, 0, "", "enable", "--now", "edgecore")
	t.Cleanup(func() { d.Run([]string{"stop", "edgecore"}, os.Stdout, os.Stderr) })
	expect(t, d, 0, "enabled", "is-enabled", "edgecore.service")
	expect(t, d, 0, "active", "is-active", "edgecore")
	expect(t, d, 0, "Loaded: loaded", "status", "edgecore")
	waitRuns(t, runs, 1)
	expect(t, d, 0, "", "restart", "edgecore")
	waitRuns(t, runs, 2)
	expect(t, d, 0, "", "stop", "edgecore")
	expect(t, d, 3, "inactive", "is-active", "edgecore")
	expect(t, d, 0, "", "disable", "edgecore")
	expect(t, d, 1, "disabled", "is-enabled", "edgecore")
	expect(t, d, 1, "not a command", "reboot", "edgecore")
}

func expect(t *testing.T, d Directories, status int, text string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	if got := d.Run(args, &out, &out); got != status || !strings.Contains(out.String(), text) {
		t.Errorf("systemctl %s: %d, %q; want %d and %q", strings.Join(args, " "), got, out.String(), status, text)
	}
}

func waitRuns(t *testing.T, file string, n int) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		b, _ := os.ReadFile(file)
		if got := strings.Count(string(b), "hello\n"); got == n {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("the program ran %d times, want %d", got, n)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
