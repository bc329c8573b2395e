package cri

import "testing"

func FuzzConfig(f *testing.F) {
	for _, text := range []string{``, `{}`, `null`, `[]`, `{"containerd":{"defaultRuntimeName":"runc","runtimes":{"runc":{"runtimeType":"io.containerd.runc.v2","options":{"SystemdCgroup":true}}}}}`,
		`{"cgroup_driver":"systemd","storage_root":"/x"}`, `{"containerd":{"runtimes":{"runc":null}}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, aerr := parseConfig(text)
		b, berr := parseCRIO([]byte(text))
		for _, c := range []struct {
			Config
			error
		}{{a, aerr}, {b, berr}} {
			if c.error != nil && c.Config != (Config{}) {
				t.Errorf("%+v beside %v", c.Config, c.error)
			}
			if d := c.CgroupDriver; d != "" && d != Cgroupfs && d != Systemd {
				t.Errorf("a cgroup driver %q", d)
			}
		}
	})
}
