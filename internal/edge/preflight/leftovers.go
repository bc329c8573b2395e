package preflight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

const leaveRemedy = "leave the old cluster first: edgectl leave, or keadm reset edge when keadm was used; then move away what is still there"

// traces of an earlier join. The bootstrap file's token and the database's node win
// over what a new join writes.
var traces = []string{paths.State, paths.Config, paths.CA, paths.Cert, paths.Key, paths.Bootstrap, paths.Database, paths.SystemdUnit, paths.OpenRCScript}

func (f Facts) leftovers(context.Context) Outcome {
	if f.Resuming {
		return pass("an interrupted join is taken up again")
	}
	var found []string
	var unread error
	for _, place := range append(traces[:len(traces):len(traces)], f.Layout.EdgeCore()) {
		_, err := os.Lstat(f.Layout.At(place))
		switch {
		case err == nil && place == paths.Config:
			found = append(found, place+f.describe(place))
		case err == nil:
			found = append(found, place)
		case !errors.Is(err, fs.ErrNotExist):
			unread = err
		}
	}
	switch {
	case len(found) > 0:
		return fail("found "+strings.Join(found, ", "), leaveRemedy)
	case unread != nil:
		return unknown(unread.Error(), "see with: ls -l /etc/kubeedge /var/lib/edgeway")
	}
	return pass("")
}

// oldConfig is what older and newer releases have in common in edgecore.yaml and
// cloudcore.yaml.
type oldConfig struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Modules    struct {
		Edged struct {
			HostnameOverride string `json:"hostnameOverride"`
			// RuntimeType is of v1alpha1, RemoteRuntimeEndpoint of both.
			RuntimeType           string `json:"runtimeType"`
			ContainerRuntime      string `json:"containerRuntime"`
			RemoteRuntimeEndpoint string `json:"remoteRuntimeEndpoint"`
		} `json:"edged"`
		EdgeHub struct {
			HTTPServer string `json:"httpServer"`
		} `json:"edgeHub"`
	} `json:"modules"`
}

// describe tells whose an old configuration is.
func (f Facts) describe(place string) string {
	raw, err := os.ReadFile(f.Layout.At(place))
	if err != nil {
		return ""
	}
	c, err := parseOldConfig(raw)
	if err != nil {
		return " (not readable as a configuration of KubeEdge)"
	}
	about := []string{c.Kind + " " + c.APIVersion[strings.LastIndex(c.APIVersion, "/")+1:]}
	edged := c.Modules.Edged
	if edged.HostnameOverride != "" {
		about = append(about, "node "+edged.HostnameOverride)
	}
	if edged.RuntimeType == "docker" || edged.ContainerRuntime == "docker" {
		about = append(about, "runtime docker")
	}
	if c.Modules.EdgeHub.HTTPServer != "" {
		about = append(about, "cluster "+c.Modules.EdgeHub.HTTPServer)
	}
	return " (" + strings.Join(about, ", ") + ")"
}

var errNotKubeEdge = errors.New("it has no kind of KubeEdge")

func parseOldConfig(raw []byte) (oldConfig, error) {
	var c oldConfig
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("reading the configuration: %w", err)
	}
	if c.Kind != "EdgeCore" && c.Kind != "CloudCore" {
		return c, fmt.Errorf("reading the configuration: %w: %.40q", errNotKubeEdge, c.Kind)
	}
	return c, nil
}

// cloudCoreHere: a host of CloudCore is no device.
func (f Facts) cloudCoreHere(context.Context) Outcome {
	const config = "/etc/kubeedge/config/cloudcore.yaml"
	running, err := f.System.processes()
	switch {
	case err == nil && len(running["cloudcore"]) > 0:
		return fail(fmt.Sprintf("CloudCore runs here (process %s)", list(running["cloudcore"])), "join another machine: CloudCore's host cannot be its own edge node")
	case f.System.exists(config):
		return warn("found "+config+f.describe(config), "if this machine is no host of CloudCore any more, remove it: keadm reset cloud")
	case err != nil:
		return unknown(err.Error(), psRemedy)
	}
	return pass("")
}

// kubeadm: what is left of a cluster node starts a kubelet with the next boot.
func (f Facts) kubeadm(context.Context) Outcome {
	var found []string
	for _, file := range []string{"/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf", "/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env"} {
		if f.System.exists(file) {
			found = append(found, file)
		}
	}
	if len(found) > 0 {
		return warn("found "+strings.Join(found, ", ")+" of a cluster node", "take the device out of its cluster: kubeadm reset, then systemctl disable kubelet")
	}
	return pass("")
}

// checkpoints of an older kubelet's resource managers. A kubelet with another policy
// ends at its start ("could not restore state from checkpoint").
var checkpoints = map[string]string{"/var/lib/kubelet/cpu_manager_state": "none", "/var/lib/kubelet/memory_manager_state": "None"}

func (f Facts) checkpoint(context.Context) Outcome {
	for file, policy := range checkpoints {
		raw, err := f.System.read(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var c struct {
			PolicyName string `json:"policyName"`
		}
		if err == nil {
			err = json.Unmarshal([]byte(raw), &c)
		}
		if err != nil {
			return fail(fmt.Sprintf("%s of an older kubelet cannot be read: %v", file, err), "remove it: rm "+file)
		}
		if !strings.EqualFold(c.PolicyName, policy) {
			return fail(fmt.Sprintf("%s is of policy %q, and EdgeCore has %q", file, c.PolicyName, policy), "remove it: rm "+file)
		}
	}
	return pass("")
}

// docker: Docker brings a containerd in which CRI is switched off, and older installs
// of KubeEdge used Docker itself.
func (f Facts) docker(context.Context) Outcome {
	if f.System.exists("/var/lib/dockershim") {
		return warn("found /var/lib/dockershim of a kubelet that used Docker", "remove it: rm -r /var/lib/dockershim; EdgeCore uses containerd, CRI-O or cri-dockerd")
	}
	config, err := f.System.read("/etc/containerd/config.toml")
	if errors.Is(err, fs.ErrNotExist) {
		return pass("")
	}
	if err != nil {
		return unknown(err.Error(), "see with: cat /etc/containerd/config.toml")
	}
	if disabledCRI(config) {
		return warn("/etc/containerd/config.toml switches CRI off, as Docker's packages do",
			"remove \"cri\" from disabled_plugins there and restart containerd, unless this device's runtime is another one")
	}
	return pass("")
}

// disabledCRI looks for cri in disabled_plugins, which may span lines.
func disabledCRI(toml string) bool {
	var text strings.Builder
	for line := range strings.Lines(toml) {
		code, _, _ := strings.Cut(line, "#")
		text.WriteString(code)
	}
	_, after, ok := strings.Cut(text.String(), "disabled_plugins")
	if !ok {
		return false
	}
	inside, _, ok := strings.Cut(after, "]")
	return ok && (strings.Contains(inside, `"cri"`) || strings.Contains(inside, `'cri'`) || strings.Contains(inside, "io.containerd.grpc.v1.cri"))
}
