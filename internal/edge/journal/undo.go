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
	var errs []error
	for _, tree := range j.Trees {
		errs = append(errs, j.emptyTree(tree))
	}
	for _, place := range slices.Backward(j.Files) {
		if err := os.Remove(j.at.At(place)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("removing %s: %w", place, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := j.removeDirs(); err != nil {
		return err
	}
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
		if err := os.Remove(j.at.At(dir)); err != nil && !gone(err) {
			errs = append(errs, fmt.Errorf("removing %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY)
}

// emptyTree unmounts what pods left mounted below and removes the contents. The
// directory itself goes with Dirs when the join made it.
func (j *Journal) emptyTree(dir string) error {
	root := j.at.At(dir)
	if err := unmountBelow(root); err != nil {
		return err
	}
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("emptying %s: %w", dir, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(root, e.Name())); err != nil {
			return fmt.Errorf("emptying %s: %w", dir, err)
		}
	}
	return nil
}

// unmountBelow unmounts deepest first; a mount on root itself is not ours.
func unmountBelow(root string) error {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("reading the mounts: %w", err)
	}
	points := mountsBelow(string(raw), root)
	for _, p := range slices.Backward(points) {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", p, err)
		}
	}
	return nil
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
