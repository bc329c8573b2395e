package enroll

import (
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// keadmFlags are all flags of `keadm join` on Linux, as KubeEdge's repository has them
// in keadm/cmd/keadm/app/cmd/edge/join_others.go (AddJoinOtherFlags) and
// keadm/cmd/keadm/app/cmd/common/constant.go, releases 1.19 to 1.22. Sets are string
// arrays, so that a value may hold commas; labels are a list that commas separate.
var keadmFlags = []struct{ name, short, kind string }{
	{"kubeedge-version", "", "string"},
	{"cgroupdriver", "", "string"},
	{"certPath", "", "string"},
	{"cloudcore-ipport", "e", "string"}, // required
	{"edgenode-name", "i", "string"},
	{"remote-runtime-endpoint", "p", "string"},
	{"token", "t", "string"},
	{"certport", "s", "string"},
	{"tarballpath", "", "string"},
	{"labels", "l", "list"},
	{"with-mqtt", "", "bool"}, // deprecated
	{"image-repository", "", "string"},
	{"hub-protocol", "", "string"},
	{"set", "", "array"},
	{"pre-run", "", "string"},
	{"post-run", "", "string"},
}

// keadm parses a command line as keadm does, after a shell has split it.
func keadm(t *testing.T, line string) *pflag.FlagSet {
	t.Helper()
	out, err := exec.Command("sh", "-c", `keadm() { printf '%s\0' "$@"; }; `+line).Output()
	if err != nil {
		t.Fatalf("a shell does not take %s: %v", line, err)
	}
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	var parsed *pflag.FlagSet
	join := &cobra.Command{Use: "join", Args: cobra.NoArgs, Run: func(cmd *cobra.Command, _ []string) { parsed = cmd.Flags() }}
	for _, f := range keadmFlags {
		switch f.kind {
		case "string":
			join.Flags().StringP(f.name, f.short, "", "")
		case "bool":
			join.Flags().BoolP(f.name, f.short, true, "")
		case "list":
			join.Flags().StringSliceP(f.name, f.short, nil, "")
		case "array":
			join.Flags().StringArrayP(f.name, f.short, nil, "")
		}
	}
	if err := join.MarkFlagRequired("cloudcore-ipport"); err != nil {
		t.Fatal(err)
	}
	root := &cobra.Command{Use: "keadm", SilenceUsage: true, SilenceErrors: true}
	root.AddCommand(join)
	root.SetArgs(words)
	if err := root.Execute(); err != nil {
		t.Fatalf("keadm refuses %q: %v", words, err)
	}
	return parsed
}

// given are the flags that a line sets, as text.
func given(f *pflag.FlagSet) map[string]string {
	out := map[string]string{}
	f.Visit(func(f *pflag.Flag) { out[f.Name] = f.Value.String() })
	return out
}

// TestKeadmTakesTheCommandFlagByFlag compares everything that the printed line says
// with the enrollment.
func TestKeadmTakesTheCommandFlagByFlag(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.EdgeEnrollmentSpec)
		want   map[string]string
	}{
		"the wizard's defaults": {func(s *v1alpha1.EdgeEnrollmentSpec) {}, map[string]string{
			"set": `["Modules.Edged.NodeIP=192.168.100.1,modules.edgeStream.enable=true,modules.edgeStream.server=198.18.0.2:31004,modules.eventBus.enable=true,modules.eventBus.mqttMode=0"]`}},
		"everything": {func(s *v1alpha1.EdgeEnrollmentSpec) {
			s.CgroupDriver, s.RuntimeEndpoint = "systemd", "unix:///run/crio/crio.sock"
			s.Labels["example.com/site"], s.Labels["row"] = "a", ""
		}, map[string]string{"cgroupdriver": "systemd", "remote-runtime-endpoint": "unix:///run/crio/crio.sock", "labels": "[example.com/site=a,row=]",
			"set": `["Modules.Edged.NodeIP=192.168.100.1,modules.edgeStream.enable=true,modules.edgeStream.server=198.18.0.2:31004,modules.eventBus.enable=true,modules.eventBus.mqttMode=0"]`}},
		"nothing optional, IPv6": {func(s *v1alpha1.EdgeEnrollmentSpec) {
			s.Components = v1alpha1.EdgeComponents{}
			s.CloudCore.Host, s.NodeIP = "2001:db8::2", "2001:db8::9"
		}, map[string]string{"cloudcore-ipport": "[2001:db8::2]:31000", "set": "[Modules.Edged.NodeIP=2001:db8::9]"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := goodRequest().spec("")
			spec.Labels = map[string]string{v1alpha1.LabelEdge: "edge"}
			spec.Components = DefaultComponents()
			test.change(&spec)
			want := map[string]string{"cloudcore-ipport": "198.18.0.2:31000", "certport": "31002", "edgenode-name": "jetson-xavier",
				"token": "aaa.bbb.ccc", "kubeedge-version": "v1.22.0", "remote-runtime-endpoint": DefaultRuntimeEndpoint}
			maps.Copy(want, test.want)
			flags := keadm(t, KeadmCommand(&spec, "aaa.bbb.ccc", "v1.22.0"))
			if diff := cmp.Diff(want, given(flags)); diff != "" {
				t.Error(diff)
			}
			sets, err := flags.GetStringArray("set")
			if err != nil {
				t.Fatal(err)
			}
			knownSettings(t, &spec, sets)
		})
	}
}

// knownSettings looks for every path of --set in the configuration that EdgeCore is
// started with otherwise, and for the same value there.
func knownSettings(t *testing.T, spec *v1alpha1.EdgeEnrollmentSpec, sets []string) {
	t.Helper()
	raw, err := EdgeCoreConfig(spec)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range strings.SplitSeq(strings.Join(sets, ","), ",") {
		path, value, _ := strings.Cut(pair, "=")
		// keadm 1.22 and 1.23 do not find the lower-case name of an embedded field, and take
		// names in Go as they are (seen with the real keadm, which TestKeadm runs).
		if strings.HasPrefix(path, "modules.edged.nodeIP") {
			t.Errorf("--set %s: keadm says that there is no such field", pair)
		}
		path = strings.Replace(path, "Modules.Edged.NodeIP", "modules.edged.nodeIP", 1)
		var config any
		if err := yaml.Unmarshal(raw, &config); err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(path, ".") {
			config, _ = config.(map[string]any)[part]
		}
		if got, err := yaml.Marshal(config); err != nil || strings.Trim(strings.TrimSpace(string(got)), `"'`) != value {
			t.Errorf("--set %s: EdgeCore's configuration has %s", pair, got)
		}
	}
}

// TestKeadmRefusesKubeSpheresOwnFlags: older guides print flags that the stock keadm
// does not have, and the table must not let them through.
func TestKeadmRefusesKubeSpheresOwnFlags(t *testing.T) {
	for _, flag := range []string{"quicport", "tunnelport", "edgenode-ip", "with-edge-taint", "region"} {
		known := slices.ContainsFunc(keadmFlags, func(f struct{ name, short, kind string }) bool { return f.name == flag })
		spec := goodRequest().spec("")
		if known || strings.Contains(KeadmCommand(&spec, "t", "v"), "--"+flag) {
			t.Errorf("--%s is used", flag)
		}
	}
}
