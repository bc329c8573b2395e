package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/edge/cri"
	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/edge/service"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// stopLimit bounds the wait for EdgeCore to stop, podsLimit that for its pods.
	stopLimit = 2 * time.Minute
	podsLimit = 3 * time.Minute
	// podTries is how often a pod is tried that cannot be removed.
	podTries = 3
	podPause = 2 * time.Second
)

// ErrLeft is wrapped when the device has left and something is still on it.
var ErrLeft = errcat.New("LeftBehind", "the device has left, but something is left on it")

// left is what could not be removed, why, and how to remove it by hand.
type left struct {
	what, remedy string
	err          error
}

// LeftError lists what is left.
type LeftError struct{ left []left }

// Error gives each thing with its reason and remedy.
func (e *LeftError) Error() string {
	text := ErrLeft.Error()
	for _, l := range e.left {
		text += fmt.Sprintf("\n  %s: %s\n    → %s", l.what, strings.ReplaceAll(l.err.Error(), "\n", "; "), l.remedy)
	}
	return text
}

// Unwrap makes errors.Is find ErrLeft.
func (e *LeftError) Unwrap() error { return ErrLeft }

// Leave stops EdgeCore, ends its pods and removes what the join brought. The
// container runtime and other people's containers stay. A step that fails keeps no
// other; what is left is in a LeftError, and then Leave may be run again. With force
// what is left is told and forgotten. It says nothing to the cluster: the Node goes
// when its enrollment is retired.
func (d *Device) Leave(ctx context.Context, force bool) error {
	j, err := d.load()
	if errors.Is(err, journal.ErrRecord) && force {
		d.say("%v: everything at the usual places is removed", err)
		j, err = journal.Assume(d.At, service.Detect(d.At).Name()), nil
	}
	if err != nil {
		return err
	}
	if err := d.clear(ctx, j, force); err != nil {
		return fmt.Errorf("%w\nrun edgectl leave again when that is done, or edgectl leave --force to give it up", err)
	}
	d.say("%s has left; retire the node in the console if that has not been done", j.NodeName)
	return nil
}

// load reads the record and takes over where it has the programs.
func (d *Device) load() (*journal.Journal, error) {
	j, err := journal.Load(d.At)
	if err == nil {
		d.At.Programs = j.Programs
	}
	return j, err
}

// clear goes from the outside in: nothing may start pods any more when they are
// ended, and no pod may write when files are removed. The identity goes whatever
// happens to the rest.
func (d *Device) clear(ctx context.Context, j *journal.Journal, force bool) error {
	rest := d.stop(ctx, j)
	stopped := len(rest) == 0
	if err := j.RemoveIdentity(); err != nil {
		rest = append(rest, left{"keys and certificates", "remove them: rm -f " + strings.Join(paths.Identity(), " "), err})
	}
	if j.Service != "" && stopped {
		rest = append(rest, d.endPods(ctx, j.RuntimeEndpoint, force)...)
		rest = append(rest, d.endCgroups(j.CgroupRoot)...)
	}
	rest = append(rest, d.remove(j, stopped || force, len(rest) > 0 && !force)...)
	if len(rest) == 0 {
		return j.Forget()
	}
	why := &LeftError{rest}
	if !force {
		return why
	}
	d.say("%v", why)
	return j.Forget()
}

func (d *Device) stop(ctx context.Context, j *journal.Journal) []left {
	if j.Service == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	m, err := service.Named(j.Service, d.At)
	if err == nil {
		d.say("stopping EdgeCore")
		err = m.Stop(ctx)
	}
	if err != nil {
		return []left{{"EdgeCore", "stop it: systemctl disable --now edgecore, rc-service edgecore stop, or kill its process (pidof edgecore)", err}}
	}
	return nil
}

// remove removes the files. Those that a running EdgeCore writes stay, and edgectl
// stays where it will be needed again.
func (d *Device) remove(j *journal.Journal, all, again bool) []left {
	if !all {
		return nil
	}
	var keep []string
	if again {
		keep = []string{d.At.Edgectl(), paths.EdgectlLink}
	}
	if err := j.Remove(keep...); err != nil {
		return []left{{"files", "see what holds the places that are named (findmnt, fuser -vm PLACE), unmount it, and remove them with rm -r", err}}
	}
	return nil
}

func (d *Device) endPods(ctx context.Context, endpoint string, force bool) []left {
	ctx, cancel := context.WithTimeout(ctx, podsLimit)
	defer cancel()
	c, err := cri.Dial(endpoint)
	if err != nil {
		return []left{{"pods", "end them with the tool of the container runtime", err}}
	}
	defer c.Close()
	if _, _, _, err := c.Version(ctx); err != nil {
		// Without a runtime there are no pods; a dead one must not keep the device in.
		d.say("the container runtime does not answer, its pods are left: %v", err)
		return nil
	}
	tries := podTries
	if force {
		tries = 1
	}
	rest, err := d.removePods(ctx, c, tries)
	if err != nil {
		return []left{{"pods", "end them: crictl rmp -f -a", err}}
	}
	var out []left
	for _, p := range rest {
		out = append(out, left{fmt.Sprintf("pod %s/%s", p.Namespace, p.Name), podRemedy(endpoint, p), p.Err})
	}
	return out
}

// removePods removes all pods of a kubelet, those that stay a few times more.
func (d *Device) removePods(ctx context.Context, c *cri.Client, tries int) ([]cri.LeftPod, error) {
	removed := 0
	for try := 1; ; try++ {
		pods, err := c.Pods(ctx)
		if err != nil {
			return nil, err
		}
		rest := c.RemovePods(ctx, pods)
		if removed += len(pods) - len(rest); removed > 0 && len(rest) == 0 {
			d.say("ended %d pods", removed)
		}
		if len(rest) == 0 || try >= tries || ctx.Err() != nil {
			return rest, nil
		}
		d.say("%d pods are left, try %d of %d: %v", len(rest), try, tries, rest[0].Err)
		select {
		case <-ctx.Done():
		case <-time.After(podPause):
		}
	}
}

// podRemedy speaks of the network only where the runtime's error does.
func podRemedy(endpoint string, p cri.LeftPod) string {
	if endpoint == "" {
		endpoint = cri.DefaultEndpoint
	}
	text := fmt.Sprintf("remove it: crictl -r %s rmp -f %s", endpoint, p.ID)
	why := strings.ToLower(p.Err.Error())
	if strings.Contains(why, "cni") || strings.Contains(why, "network") {
		text += "; it needs the network plugins that made it (/opt/cni/bin, /etc/cni/net.d). Without them, reboot the device: that ends it"
	}
	return text
}

func (d *Device) endCgroups(root string) []left {
	if err := removeCgroups(d.At.At("/sys/fs/cgroup"), root); err != nil {
		return []left{{"cgroups", "reboot the device", err}}
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
