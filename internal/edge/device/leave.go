package device

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/edgeway-io/edgeway/internal/edge/cri"
	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/service"
)

// Leave stops EdgeCore, ends its pods and removes what the join brought. The
// container runtime and other people's containers stay. It says nothing to the
// cluster: the Node goes when its enrolment is retired.
func (d *Device) Leave(ctx context.Context) error {
	j, err := journal.Load(d.At)
	if err != nil {
		return err
	}
	if err := d.clear(ctx, j); err != nil {
		return fmt.Errorf("leaving (it may be run again): %w", err)
	}
	d.say("%s has left; retire the node in the console if that has not been done", j.NodeName)
	return nil
}

// clear goes from the outside in: nothing may start pods any more when they are
// ended, and no pod may write when files are removed.
func (d *Device) clear(ctx context.Context, j *journal.Journal) error {
	if j.Service != "" {
		m, err := service.Named(j.Service, d.At)
		if err != nil {
			return err
		}
		d.say("stopping EdgeCore")
		if err := m.Stop(ctx); err != nil {
			return err
		}
		if err := d.endPods(ctx, j.RuntimeEndpoint); err != nil {
			return err
		}
		if err := removeCgroups(d.At.At("/sys/fs/cgroup"), j.CgroupRoot); err != nil {
			return err
		}
	}
	return j.Undo()
}

func (d *Device) endPods(ctx context.Context, endpoint string) error {
	c, err := cri.Dial(endpoint)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, _, _, err := c.Version(ctx); err != nil {
		// Without a runtime there are no pods; a dead one must not keep the device in.
		d.say("the container runtime does not answer, its pods are left: %v", err)
		return nil
	}
	n, err := c.RemovePods(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		d.say("ended %d pods", n)
	}
	return nil
}

// removeCgroups removes the empty directories that a kubelet leaves behind. The
// kernel refuses those in use, which then are not ours.
func removeCgroups(mount, root string) error {
	var found []string
	for _, pattern := range []string{filepath.Join(mount, root, "kubepods*"), filepath.Join(mount, "*", root, "kubepods*")} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("looking for cgroups: %w", err)
		}
		found = append(found, matches...)
	}
	for _, top := range found {
		var dirs []string
		err := filepath.WalkDir(top, func(p string, e os.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, p)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("looking for cgroups: %w", err)
		}
		for _, dir := range slices.Backward(dirs) {
			_ = os.Remove(dir) // busy ones stay, see above
		}
	}
	return nil
}
