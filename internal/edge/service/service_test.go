package service

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
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

func TestUnitsNameTheProgramsPlace(t *testing.T) {
	for name, m := range map[string]Manager{"systemd": &systemd{at: paths.Layout{Programs: paths.VarPrograms}}, "openrc": &openrc{at: paths.Layout{Programs: paths.VarPrograms}}} {
		files := m.Files()
		if len(files) != 1 || !strings.Contains(string(files[0].Data), "/var/lib/edgeway/bin/edgecore") || strings.Contains(string(files[0].Data), "%!") {
			t.Errorf("%s: %s", name, files[0].Data)
		}
	}
}
