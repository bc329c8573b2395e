package device

import (
	"fmt"
	"maps"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

// tailor puts into edgecore.yaml what only the device knows: its cgroup driver,
// when the enrollment left it open, and kubelet settings of special hosts, which
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
	extra, err := kubeletSettings(kubeletExtra)
	if err != nil {
		return nil, "", err
	}
	maps.Copy(kubelet, extra)
	cgroupRoot, _ = kubelet["cgroupRoot"].(string)
	config, err = yaml.Marshal(c)
	if err != nil {
		return nil, "", fmt.Errorf("writing edgecore.yaml: %w", err)
	}
	return config, cgroupRoot, nil
}

// kubeletSettings reads the device's own kubelet settings: one document with fields of
// KubeletConfiguration. EdgeCore itself passes over what it does not know.
func kubeletSettings(raw []byte) (map[string]any, error) {
	document, err := strictyaml.Parse(raw)
	if err != nil {
		return nil, errcat.Errorf("KubeletSettings", "the kubelet settings of this device: %w", err)
	}
	fields, err := document.Tree(kubeletFields)
	if err != nil {
		return nil, errcat.Errorf("KubeletSettings", "the kubelet settings of this device: %w", err)
	}
	// EdgeCore's part of edgecore.yaml has no kind of its own.
	if kind, _ := fields["kind"].(string); kind != "" && kind != "KubeletConfiguration" {
		return nil, errcat.Errorf("KubeletSettings", "the kubelet settings of this device: kind %q: give KubeletConfiguration, or leave kind out", kind)
	}
	delete(fields, "kind")
	delete(fields, "apiVersion")
	return fields, nil
}

// CheckKubeletSettings is for a look before anything is done.
func CheckKubeletSettings(raw []byte) error {
	_, err := kubeletSettings(raw)
	return err
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
