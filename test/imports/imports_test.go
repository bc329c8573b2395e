// Package imports holds the repository to its import rules, over all that a
// package depends on and not only what its files name.
package imports

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/edgeway-io/edgeway/"

// rules say which packages (by prefix) may not depend on which others.
var rules = []struct {
	packages string // of this module; a trailing /... means all below
	allow    []string
	deny     []string
	// direct looks at what the package's own files import, not at all it depends on.
	direct bool
	why    string
}{
	{packages: "cmd/edgectl", deny: []string{"k8s.io/client-go", "helm.sh/helm", "sigs.k8s.io/controller-runtime"}, why: "edgectl is a small static program for devices"},
	{packages: "cmd/iptables-operator", deny: []string{"helm.sh/helm"}, why: "the operator installs nothing"},
	{packages: "cmd/edge-watcher", deny: []string{"helm.sh/helm"}, why: "edge-watcher installs nothing"},
	{packages: "cmd/stream-gate", deny: []string{"helm.sh/helm", "sigs.k8s.io/controller-runtime"}, why: "the gate holds tunnels and no objects"},
	{packages: "internal/routes", deny: []string{"k8s.io/client-go"}, why: "routes are decided without I/O"},
	{packages: "internal/routes", direct: true, deny: []string{"net", "net/http", "os", "os/exec"}, why: "routes are decided without I/O"},
	{packages: "internal/settings", deny: []string{"k8s.io/client-go"}, why: "settings are data"},
	{packages: "internal/settings", allow: []string{"internal/settings/gen"}, direct: true, deny: []string{"net/http", "os", "os/exec"}, why: "settings are data"},
	{packages: "./...", allow: []string{"internal/runtime", "internal/cli", "cmd/edgeway", "internal/server", "charts", "test"}, deny: []string{"helm.sh/helm"}, why: "only internal/runtime speaks Helm"},
	{packages: "./...", allow: []string{"internal/netrules", "internal/operator", "cmd/iptables-operator", "test"}, deny: []string{"github.com/google/nftables", "github.com/ti-mo/conntrack"}, why: "only internal/netrules touches the kernel"},
	{packages: "./...", allow: []string{"internal/server", "internal/cli", "cmd/edgeway"}, deny: []string{module + "internal/server"}, why: "nothing but the program imports the server"},
}

func TestImportRules(t *testing.T) {
	all, direct := list(t, "Deps"), list(t, "Imports")
	for _, rule := range rules {
		matched := 0
		packages := all
		if rule.direct {
			packages = direct
		}
		for pkg, imports := range packages {
			rel := strings.TrimPrefix(pkg, module)
			if !under(rel, rule.packages) || allowed(rel, rule.allow) {
				continue
			}
			matched++
			for _, dep := range imports {
				for _, deny := range rule.deny {
					if dep == deny || !rule.direct && strings.HasPrefix(dep, deny+"/") {
						t.Errorf("%s depends on %s: %s", rel, dep, rule.why)
					}
				}
			}
		}
		if matched == 0 {
			t.Errorf("the rule for %s matches no package", rule.packages)
		}
	}
}

func under(pkg, pattern string) bool {
	return pattern == "./..." || pkg == pattern || strings.HasPrefix(pkg, pattern+"/")
}

func allowed(pkg string, allow []string) bool {
	for _, a := range allow {
		if under(pkg, a) {
			return true
		}
	}
	return false
}

// list maps every package of the module to a list that go list knows of it.
func list(t *testing.T, field string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{join ."+field+" \" \"}}", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(fmt.Errorf("go list: %w", err))
	}
	packages := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, list, _ := strings.Cut(line, "\t")
		packages[pkg] = strings.Fields(list)
	}
	return packages
}
