package preflight

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// processes maps the names of all processes that this one sees to their ids.
func (s System) processes() (map[string][]int, error) {
	entries, err := os.ReadDir(s.at("/proc"))
	if err != nil {
		return nil, errcat.Errorf("KernelTable", "listing the processes: %w", err)
	}
	out := map[string][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// One that ended meanwhile has no name any more.
		if name, err := s.read("/proc/" + e.Name() + "/comm"); err == nil {
			out[name] = append(out[name], pid)
		}
	}
	if len(out) == 0 {
		return nil, errcat.Errorf("KernelTable", "listing the processes: %s shows none", s.at("/proc"))
	}
	return out, nil
}

const psRemedy = "see with: ps -e | grep -e kube -e edgecore"

// kubelet: EdgeCore is a kubelet itself and refuses to start beside another one,
// unless its MetaServer is on or its environment has CHECK_EDGECORE_ENVIRONMENT=false.
func (f Facts) kubelet(context.Context) Outcome {
	running, err := f.System.processes()
	if err != nil {
		return unknown(err.Error(), psRemedy)
	}
	pids := running["kubelet"]
	switch {
	case len(pids) == 0:
		return pass("")
	case f.MetaServer || f.unchecked():
		return warn(fmt.Sprintf("a kubelet runs (process %s); EdgeCore starts beside it, as MetaServer is on or CHECK_EDGECORE_ENVIRONMENT is false", list(pids)),
			"stop it: systemctl disable --now kubelet; the two remove each other's pods")
	}
	return fail(fmt.Sprintf("a kubelet runs (process %s), and EdgeCore refuses to start beside it", list(pids)),
		"take the device out of its cluster (kubeadm reset), or stop it: systemctl disable --now kubelet")
}

// unchecked: EdgeCore gets this shell's environment only from edgectl's own supervisor.
func (f Facts) unchecked() bool {
	return f.System.env("CHECK_EDGECORE_ENVIRONMENT") == "false" && !f.System.exists(paths.SystemdMarker) && !f.System.exists(paths.OpenRCMarker)
}

func (f Facts) kubeProxy(context.Context) Outcome {
	running, err := f.System.processes()
	if err != nil {
		return unknown(err.Error(), psRemedy)
	}
	if pids := running["kube-proxy"]; len(pids) > 0 {
		return fail(fmt.Sprintf("kube-proxy runs (process %s): EdgeCore may refuse to start beside it, and its rules are another cluster's", list(pids)),
			"take the device out of its cluster (kubeadm reset), or stop kube-proxy's pod or service")
	}
	return pass("")
}

// embedded are programs with a kubelet inside, which EdgeCore does not notice.
var embedded = []string{"kubelite", "k3s-server", "k3s-agent", "k3s", "rke2", "k0s", "microk8s"}

func (f Facts) otherKubelet(context.Context) Outcome {
	running, err := f.System.processes()
	if err != nil {
		return unknown(err.Error(), psRemedy)
	}
	for _, name := range embedded {
		if pids := running[name]; len(pids) > 0 {
			return warn(fmt.Sprintf("%s runs (process %s), which has a kubelet inside", name, list(pids)),
				"remove it from this device: two kubelets share /var/lib/kubelet and remove each other's pods")
		}
	}
	return pass("")
}

func (f Facts) edgecore(context.Context) Outcome {
	running, err := f.System.processes()
	if err != nil {
		return unknown(err.Error(), psRemedy)
	}
	pids := running["edgecore"]
	if len(pids) == 0 || f.Resuming {
		return pass("")
	}
	return fail(fmt.Sprintf("an EdgeCore runs already (process %s)", list(pids)),
		"leave the old cluster first: edgectl leave, or keadm reset edge when keadm was used")
}

func list(pids []int) string {
	slices.Sort(pids)
	var out []string
	for _, p := range pids {
		out = append(out, strconv.Itoa(p))
	}
	return strings.Join(out, ", ")
}
