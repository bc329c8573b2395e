package service

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// logged writes lines into EdgeCore's log.
func logged(t *testing.T, at paths.Layout, from, to int) {
	t.Helper()
	name := at.At(paths.Log)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for i := from; i <= to; i++ {
		fmt.Fprintln(f, "line", i)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogLeavesOutWhatWasThereBefore(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	logged(t, at, 1, 5)
	part := Now(at, 3)
	logged(t, at, 6, 7)
	for name, test := range map[string]struct {
		part Part
		want string
	}{
		"the last lines":  {Part{Lines: 3}, "line 5\nline 6\nline 7\n"},
		"since this join": {part, "line 6\nline 7\n"},
		"rotated":         {Part{Lines: 1, Skip: 1 << 30}, "line 7\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := (&supervised{at: at}).Log(t.Context(), &out, test.part); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// On a read-only root the supervisor's process id goes below /var.
func TestPIDFileWhereRunIsReadOnly(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	run := at.At(filepath.Dir(paths.RunDir))
	if err := os.MkdirAll(run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", run, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Fatalf("mounting needs root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(run, unix.MNT_DETACH) })
	s := &supervised{at: at}
	if pid, err := s.pid(); pid != 0 || err != nil {
		t.Fatalf("before it runs: %d, %v", pid, err)
	}
	f, err := takePIDFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(f.Name(), paths.VarPIDFile) {
		t.Errorf("it is in %s", f.Name())
	}
	if pid, err := s.pid(); pid != os.Getpid() || err != nil {
		t.Errorf("the supervisor is %d, %v", pid, err)
	}
	if _, err := takePIDFile(at); !errors.Is(err, ErrSupervised) {
		t.Errorf("a second supervisor: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLockedFileWithoutAProcessID: no signal goes to a number that no supervisor wrote.
func TestLockedFileWithoutAProcessID(t *testing.T) {
	for text, fails := range map[string]bool{"": false, "-1\n": true, "0\n": true, "12": true, "4294967295\n": true, "x\n": true, strings.Repeat("1", 40): true} {
		at := paths.Layout{Root: t.TempDir()}
		f, err := takePIDFile(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &supervised{at: at}
		pid, err := s.pid()
		if pid != 0 || (err != nil) != fails || err != nil && (errcat.Code(err) != "ServiceFailed" || !strings.Contains(err.Error(), f.Name())) {
			t.Errorf("%q: process %d, %v", text, pid, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzPID: what is taken for a process id is one that can be signaled alone, and the
// file holds what the supervisor writes for it.
func FuzzPID(f *testing.F) {
	for _, text := range []string{"1\n", "4194304\n", "", "\n", "0\n", "-1\n", "+7\n", "007\n", " 7\n", "7", "7\n\n", "4294967297\n", "0x10\n", "1_0\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pid, ok := parsePID(text)
		if ok && (pid < 1 || pid > math.MaxInt32 || fmt.Sprintf("%d\n", pid) != text) {
			t.Errorf("%q is taken for process %d", text, pid)
		}
	})
}

func TestUnitsNameTheProgramsPlace(t *testing.T) {
	for name, m := range map[string]Manager{"systemd": &systemd{at: paths.Layout{Programs: paths.VarPrograms}}, "openrc": &openrc{at: paths.Layout{Programs: paths.VarPrograms}}} {
		files := m.Files()
		if len(files) != 1 || !strings.Contains(string(files[0].Data), "/var/lib/edgeway/bin/edgecore") || strings.Contains(string(files[0].Data), "%!") {
			t.Errorf("%s: %s", name, files[0].Data)
		}
	}
}
