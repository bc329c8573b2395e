//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// TestUninstallLeavesNothing disables KubeEdge, enables it again and removes it in
// both ways that there are: each leaves every cloud node's rules as they were
// before enabling.
func TestUninstallLeavesNothing(t *testing.T) {
	settings := filepath.Join(root, ".sandbox", "settings.yaml")
	enable := func() {
		site.Edgeway(t, "enable", "-f", settings)
		for node := range edgeNodes {
			eventually(t, time.Minute, func() error { return logs(t, node) })
		}
	}
	installed := true
	t.Cleanup(func() {
		if !installed {
			enable()
		}
	})
	disable := func() { site.Edgeway(t, "disable", "--keep-ca") }
	// What edgeway has not removed yet, such as route objects, it removes now: the
	// kernels must be clean before that.
	helm := func() {
		site.HelmUninstall(t)
		left := mustKubectl(t, "get", "jobs,serviceaccounts,roles,rolebindings", "-n", "kubeedge", "-o", "name") +
			mustKubectl(t, "get", "clusterroles,clusterrolebindings", "-o", "name")
		if strings.Contains(left, "edgeway-uninstall") {
			t.Errorf("the hook left objects:\n%s", left)
		}
	}

	services := strings.Fields(mustKubectl(t, "get", "services", "-n", "kubeedge", "-o", "jsonpath={.items[*].spec.clusterIP}"))
	installed = false
	disable()
	var before map[string]onsite.Ruleset
	// kube-proxy takes the Services' rules away when it likes, and what is compared with
	// must not hold them.
	onsite.Eventually(t, 30*time.Second, 500*time.Millisecond, func() error {
		before = allRemains(t)
		for _, ip := range services {
			for host, rules := range before {
				if i := slices.IndexFunc(rules, func(rule string) bool { return strings.Contains(rule, strconv.Quote(ip)) }); i >= 0 {
					return fmt.Errorf("%s: kube-proxy still has %s", host, rules[i])
				}
			}
		}
		return nil
	})
	for host, rules := range before {
		for _, rule := range rules {
			if strings.Contains(strings.ToLower(rule), "edgeway") || strings.Contains(rule, "192.168.100.") {
				t.Errorf("%s: disabling left %s", host, rule)
			}
		}
	}
	for _, removal := range []struct {
		name string
		run  func()
	}{{"helm uninstall", helm}, {"edgeway disable", disable}} {
		enable()
		if cmp.Equal(before, allRemains(t)) {
			t.Fatalf("before %s: enabling made no difference to any kernel", removal.name)
		}
		start := time.Now()
		removal.run()
		t.Logf("%s took %s", removal.name, time.Since(start).Round(time.Second))
		onsite.Eventually(t, 30*time.Second, 500*time.Millisecond, func() error {
			if diff := cmp.Diff(before, allRemains(t)); diff != "" {
				return fmt.Errorf("after %s the rules differ from those before enabling (-before +after):\n%s", removal.name, diff)
			}
			return nil
		})
	}
	enable()
	installed = true
	onsite.NewKernels(t, site).WaitEqual(t, within)
}

// allRemains is everything that an uninstall could leave in the cloud nodes'
// kernels.
func allRemains(t *testing.T) map[string]onsite.Ruleset {
	t.Helper()
	out := map[string]onsite.Ruleset{}
	for _, host := range cloudNodes {
		ns := site.Namespace(t, host)
		rules, err := onsite.Remains(ns)
		saved, serr := onsite.Saved(ns)
		if err := errors.Join(err, serr); err != nil {
			t.Fatal(err)
		}
		out[host] = append(rules, saved...)
	}
	return out
}
