package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

// Undo removes what the record lists, latest first, and the record itself at the
// end. It goes on after a failure and reports all of them; then the record stays,
// so that it can be tried again.
func (j *Journal) Undo() error {
	if err := j.Remove(); err != nil {
		return err
	}
	return j.Forget()
}

// RemoveIdentity removes what makes this device the node: keys, certificates, the
// database with the node's Secrets, and the token in the record. Whatever else of
// leaving fails, that is gone.
func (j *Journal) RemoveIdentity() error {
	var errs []error
	for _, place := range paths.Identity() {
		if !j.owns(place) {
			continue
		}
		if err := remove(j.at.At(place)); err != nil {
			errs = append(errs, fmt.Errorf("removing %s: %w", place, err))
		}
	}
	if j.StatusToken != "" {
		j.StatusToken = ""
		errs = append(errs, j.Save())
	}
	return errors.Join(errs...)
}

func (j *Journal) owns(place string) bool {
	return slices.Contains(j.Files, place) || slices.ContainsFunc(j.Trees, func(tree string) bool { return strings.HasPrefix(place, tree+"/") })
}

// Remove removes what the record lists except the places to keep, latest first. It
// goes on after a failure and reports all of them.
func (j *Journal) Remove(keep ...string) error {
	var errs []error
	for _, tree := range j.Trees {
		errs = append(errs, j.emptyTree(tree))
	}
	for _, place := range slices.Backward(j.Files) {
		if slices.Contains(keep, place) {
			continue
		}
		if err := remove(j.at.At(place)); err != nil {
			errs = append(errs, fmt.Errorf("removing %s: %w", place, err))
		}
	}
	return errors.Join(append(errs, j.removeDirs())...)
}

// Forget removes the record. What it lists and is still there is nobody's then.
func (j *Journal) Forget() error {
	if err := os.RemoveAll(j.at.At(paths.StateDir)); err != nil {
		return fmt.Errorf("removing %s: %w", paths.StateDir, err)
	}
	// Once more: the directories above the record were not empty before.
	return j.removeDirs()
}

// removeDirs leaves a directory that meanwhile holds something of somebody else's.
func (j *Journal) removeDirs() error {
	var errs []error
	for _, dir := range slices.Backward(j.Dirs) {
		if err := remove(j.at.At(dir)); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("removing %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// remove is no error where nothing is, on a read-only filesystem either.
func remove(name string) error {
	err := os.Remove(name)
	if _, serr := os.Lstat(name); errors.Is(serr, fs.ErrNotExist) {
		return nil
	}
	return err
}

func gone(err error) bool {
	return errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY)
}

// emptyTree unmounts what pods left mounted below and removes the contents. The
// directory itself goes with Dirs when the join made it. Where something stays
// mounted nothing is removed: it would go from the volume.
func (j *Journal) emptyTree(dir string) error {
	root := j.at.At(dir)
	if err := unmountBelow(root); err != nil {
		return fmt.Errorf("emptying %s: %w", dir, err)
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("emptying %s: %w", dir, err)
	}
	var errs []error
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
			errs = append(errs, fmt.Errorf("emptying %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// unmountBelow unmounts deepest first; a mount on root itself is not ours.
func unmountBelow(root string) error {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("reading the mounts: %w", err)
	}
	var errs []error
	for _, p := range slices.Backward(mountsBelow(string(raw), root)) {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			errs = append(errs, fmt.Errorf("unmounting %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// mountsBelow reads mountinfo, whose fifth field is the mount point, in order of
// mounting.
func mountsBelow(mountinfo, root string) []string {
	var points []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if p := mountEscapes.Replace(fields[4]); strings.HasPrefix(p, strings.TrimRight(root, "/")+"/") {
			points = append(points, p)
		}
	}
	return points
}
