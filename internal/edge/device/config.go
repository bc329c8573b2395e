package device

import (
	"fmt"
	"maps"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// tailor puts into edgecore.yaml what only the device knows: its cgroup driver,
// when the enrolment left it open, and kubelet settings of special hosts, which
// win. It returns the cgroup root too, so that leaving can clear it.
func tailor(edgecore, kubeletExtra []byte, nodeName, cgroupDriver string) (config []byte, cgroupRoot string, err error) {
	var c map[string]any
	if err := yaml.Unmarshal(edgecore, &c); err != nil {
		return nil, "", errcat.Errorf("EdgeCoreConfig", "the console's edgecore.yaml cannot be read: %w", err)
	}
	edged, err := child(c, "modules", "edged")
	if err != nil {
		return nil, "", err
	}
	if edged["hostnameOverride"] != nodeName {
		return nil, "", errcat.Errorf("EdgeCoreConfig", "the console's edgecore.yaml is for node %v, the certificate for %q", edged["hostnameOverride"], nodeName)
	}
	kubelet, err := child(c, "modules", "edged", "tailoredKubeletConfig")
	if err != nil {
		return nil, "", err
	}
	if driver, _ := kubelet["cgroupDriver"].(string); driver == "" {
		kubelet["cgroupDriver"] = cgroupDriver
	}
	var extra map[string]any
	if err := yaml.Unmarshal(kubeletExtra, &extra); err != nil {
		return nil, "", errcat.Errorf("KubeletSettings", "--kubelet-config cannot be read: %w", err)
	}
	maps.Copy(kubelet, extra)
	cgroupRoot, _ = kubelet["cgroupRoot"].(string)
	config, err = yaml.Marshal(c)
	if err != nil {
		return nil, "", fmt.Errorf("writing edgecore.yaml: %w", err)
	}
	return config, cgroupRoot, nil
}

func child(m map[string]any, path ...string) (map[string]any, error) {
	for i, key := range path {
		next, ok := m[key].(map[string]any)
		if !ok {
			return nil, errcat.Errorf("EdgeCoreConfig", "the console's edgecore.yaml has no %v", path[:i+1])
		}
		m = next
	}
	return m, nil
}
