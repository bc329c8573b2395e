package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

func listing(t *testing.T, root string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(root, func(p string, _ os.DirEntry, err error) error {
		out = append(out, p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestUndoRemovesExactlyWhatWasMade(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	write(t, at.At("/etc/hosts"))
	write(t, at.At("/var/log/pods/somebody/else.log"))
	if err := os.MkdirAll(at.At(paths.KubeletData), 0o755); err != nil {
		t.Fatal(err)
	}
	before := listing(t, at.Root)

	j := New(at)
	for _, tree := range []string{paths.EtcKubeEdge, paths.KubeletData, paths.PodLogs} {
		if err := j.OwnTree(tree); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(j.WriteFile(paths.CA, nil, 0o644), j.WriteFile(paths.SystemdUnit, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	write(t, at.At("/etc/kubeedge/made/by/edgecore"))
	write(t, at.At("/var/lib/kubelet/pods/x"))

	// As after a crash: what counts is on disk.
	again, err := Load(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Undo(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, listing(t, at.Root)); diff != "" {
		t.Error(diff)
	}
	if _, err := Load(at); !errors.Is(err, ErrNotJoined) {
		t.Errorf("the record is still there: %v", err)
	}
}

func TestClaimRefusesOthersFiles(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	write(t, at.At(at.EdgeCore()))
	j := New(at)
	if err := j.WriteFile(at.EdgeCore(), nil, 0o755); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v, want ErrForeign", err)
	}
	if err := j.Undo(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at.At(at.EdgeCore())); err != nil {
		t.Errorf("somebody else's file is gone: %v", err)
	}
}

func TestMountsBelow(t *testing.T) {
	info := "22 1 0:21 / / rw - ext4 /dev/sda rw\n" +
		"30 22 0:30 / /var/lib/kubelet rw - tmpfs t rw\n" +
		"31 30 0:31 / /var/lib/kubelet/pods/a\\040b rw - tmpfs t rw\n" +
		"32 30 0:32 / /var/lib/kubelet2/x rw - tmpfs t rw\n"
	want := []string{"/var/lib/kubelet/pods/a b"}
	if diff := cmp.Diff(want, mountsBelow(info, "/var/lib/kubelet")); diff != "" {
		t.Error(diff)
	}
}

// A step that fails keeps neither the identity nor the other files.
func TestRemoveGoesOnAfterAFailure(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	j := New(at)
	for _, tree := range []string{paths.EtcKubeEdge, paths.KubeEdgeData} {
		if err := j.OwnTree(tree); err != nil {
			t.Fatal(err)
		}
	}
	j.StatusToken = "secret"
	if err := errors.Join(j.WriteFile(paths.Key, nil, 0o600), j.WriteFile(paths.SystemdUnit, nil, 0o644), j.WriteFile(at.Edgectl(), nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	write(t, at.At(paths.Database))
	// A directory in the place of a file of ours cannot be removed as one.
	write(t, at.At("/usr/local/bin/stuck/inside"))
	j.Files = append(j.Files, "/usr/local/bin/stuck")

	if err := j.RemoveIdentity(); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{paths.Key, paths.Database} {
		if _, err := os.Stat(at.At(place)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", place, err)
		}
	}
	if again, err := Load(at); err != nil || again.StatusToken != "" {
		t.Errorf("the token is still in the record: %+v, %v", again, err)
	}
	if err := j.Remove(at.Edgectl()); err == nil {
		t.Error("the stuck file is not told")
	}
	for place, there := range map[string]bool{paths.SystemdUnit: false, at.Edgectl(): true, paths.State: true} {
		if _, err := os.Stat(at.At(place)); (err == nil) != there {
			t.Errorf("%s: %v, should be there: %v", place, err, there)
		}
	}
	if err := j.Forget(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(at); !errors.Is(err, ErrNotJoined) {
		t.Errorf("the record is still there: %v", err)
	}
}

func TestIdentityOfOthersStays(t *testing.T) {
	at := paths.Layout{Root: t.TempDir()}
	write(t, at.At(paths.Key))
	if err := New(at).RemoveIdentity(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(at.At(paths.Key)); err != nil {
		t.Errorf("somebody else's key is gone: %v", err)
	}
}
