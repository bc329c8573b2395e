package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// checkVariable set to "false" skips the look at other processes.
const checkVariable = "CHECK_EDGECORE_ENVIRONMENT"

// errKubelet is a device that has another kubelet.
var errKubelet = errors.New("a process named kubelet runs on this device")

// checkProcesses refuses a device on which a kubelet runs, of all processes that can be
// seen. A process that ends meanwhile is none.
func checkProcesses() error {
	if os.Getenv(checkVariable) == "false" {
		return nil
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	for _, path := range names {
		name, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(name)) == "kubelet" {
			return fmt.Errorf("%w: %s; stop it, or set %s=false", errKubelet, filepath.Base(filepath.Dir(path)), checkVariable)
		}
	}
	return nil
}

// forgetToken takes the join token out of the configuration file; it has served.
func forgetToken(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	var conf map[string]any
	if err := yaml.Unmarshal(data, &conf); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	modules, _ := conf["modules"].(map[string]any)
	hub, _ := modules["edgeHub"].(map[string]any)
	if token, _ := hub["token"].(string); token == "" {
		return nil
	}
	hub["token"] = ""
	if data, err = yaml.Marshal(conf); err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write the configuration without the token: %w", err)
	}
	return nil
}
