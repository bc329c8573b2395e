package preflight

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// addCorpus gives the fuzzer the corpus' files of one name.
func addCorpus(f *testing.F, base string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(corpus, "*.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range a.Files {
			if filepath.Base(part.Name) == base {
				f.Add(string(part.Data))
			}
		}
	}
}

func FuzzMounts(f *testing.F) {
	addCorpus(f, "mountinfo")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseMounts(text) {
			if _, ok := mountOf([]mount{m}, m.At); !ok && m.At != "." {
				t.Errorf("%+v does not hold its own mount point", m)
			}
		}
	})
}

// FuzzDeviceFiles puts any text into every file that the probes read: none of them
// may stop, and each finding has a remedy.
func FuzzDeviceFiles(f *testing.F) {
	places := []string{"proc/self/mountinfo", "proc/cmdline", "proc/cgroups", "proc/net/tcp", "proc/net/route", "proc/net/ipv6_route", "proc/sys/kernel/hostname",
		"proc/sys/kernel/osrelease", "proc/sys/kernel/random/entropy_avail", "sys/class/net/lo/flags", "sys/class/net/eth0/mtu", "etc/machine-id", "etc/hosts",
		"etc/kubeedge/config/edgecore.yaml", "etc/kubeedge/config/cloudcore.yaml", "etc/containerd/config.toml", "var/lib/kubelet/cpu_manager_state",
		"sys/fs/cgroup/cgroup.controllers", "sys/class/dmi/id/product_uuid", "proc/1/comm"}
	for i := range places {
		f.Add(i, "x")
	}
	f.Add(13, "kind: EdgeCore\nmodules: {edged: {hostnameOverride: a}}\n")
	f.Fuzz(func(t *testing.T, i int, text string) {
		root := t.TempDir()
		place := filepath.Join(root, places[(i%len(places)+len(places))%len(places)])
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(place, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := snapshot{root: root, facts: recordedFacts{NoCRI: true, Resolve: "notfound"}}
		for _, r := range findings(Run(t.Context(), Device(s.device(t)))) {
			if r.Remedy == "" {
				t.Errorf("%s is %s without a remedy", r.ID, r.Status)
			}
		}
	})
}
