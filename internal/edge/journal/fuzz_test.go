package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

// FuzzLoad: a record that a power cut damaged is refused with ErrRecord, or can be
// undone without touching anything outside the root.
func FuzzLoad(f *testing.F) {
	f.Add(`{"nodeName":"edge-1","files":["/etc/kubeedge/certs/server.key"],"dirs":["/etc/kubeedge"],"trees":["/var/lib/kubelet"]}`)
	f.Add("")
	f.Add("null")
	f.Add(`{"files":["/../witness"]}`)
	f.Add(`{"trees":["/"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		outside := t.TempDir()
		at := paths.Layout{Root: filepath.Join(outside, "root")}
		write(t, filepath.Join(outside, "witness"))
		write(t, at.At(paths.State))
		if err := os.WriteFile(at.At(paths.State), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Load(at)
		if err != nil {
			if !errors.Is(err, ErrRecord) {
				t.Errorf("%q gives %v", text, err)
			}
			return
		}
		_ = errors.Join(j.RemoveIdentity(), j.Undo()) // places that cannot be removed are told
		if _, err := os.Stat(filepath.Join(outside, "witness")); err != nil {
			t.Errorf("%q removed something outside: %v", text, err)
		}
	})
}

func FuzzMountsBelow(f *testing.F) {
	f.Add("31 30 0:31 / /var/lib/kubelet/pods/a\\040b rw - tmpfs t rw\n", "/var/lib/kubelet")
	f.Fuzz(func(t *testing.T, info, root string) {
		for _, p := range mountsBelow(info, root) {
			if !strings.HasPrefix(p, strings.TrimRight(root, "/")+"/") {
				t.Errorf("%q is not below %q", p, root)
			}
		}
	})
}
