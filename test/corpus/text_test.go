package corpus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/bearer"
	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/batch"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/test/corpus"
)

func init() {
	kinds["settings"] = settingsOutcome
	kinds["values"] = valuesOutcome
	kinds["batch"] = batchOutcome
	kinds["kubeconfig"] = kubeconfigOutcome
	kinds["member"] = memberOutcome
	kinds["token"] = func(_ *testing.T, c corpus.Case) string { return bearer.Clean(string(c.Input)) + "\n" }
	kinds["nodename"] = nodeNameOutcome
	kinds["labels"] = labelsOutcome
	kinds["taints"] = taintsOutcome
}

// settingsOutcome is what differs from the defaults, and problems as "field code".
func settingsOutcome(t *testing.T, c corpus.Case) string {
	s, err := settings.Parse(c.Input)
	return settingsReport(t, s, err)
}

// valuesOutcome reads the values that somebody gave to helm, as a release holds them.
func valuesOutcome(t *testing.T, c corpus.Case) string {
	var values map[string]any
	if err := yaml.Unmarshal(c.Input, &values); err != nil {
		t.Fatal(err)
	}
	s, err := settings.FromHelmValues(values)
	return settingsReport(t, s, err)
}

func settingsReport(t *testing.T, s settings.Settings, err error) string {
	var problems []settings.Problem
	var bad *settings.InvalidError
	if errors.As(err, &bad) {
		problems = bad.Problems
	} else {
		problems = s.Validate(settings.ClusterFacts{NodePortMin: 30000, NodePortMax: 32767})
	}
	var b strings.Builder
	for _, p := range problems {
		kind := "error"
		if p.Warning {
			kind = "warning"
		}
		line := ""
		if strings.HasPrefix(p.Message, "line ") {
			line, _, _ = strings.Cut(p.Message, ":")
			line += " "
		}
		fmt.Fprintf(&b, "%s: %s%s %s\n", kind, line, p.Field, p.Code)
	}
	if bad != nil {
		return b.String()
	}
	was, is := map[string]string{}, map[string]string{}
	flatten(t, settings.Default(settings.NodePort), was)
	flatten(t, s, is)
	for _, field := range slices.Sorted(maps.Keys(is)) {
		if was[field] != is[field] {
			fmt.Fprintf(&b, "%s = %s\n", field, is[field])
		}
	}
	return b.String()
}

// flatten maps the paths of fields to their values in JSON.
func flatten(t *testing.T, s settings.Settings, out map[string]string) {
	t.Helper()
	values, err := s.HelmValues()
	if err != nil {
		t.Fatal(err)
	}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		if tree, ok := v.(map[string]any); ok && len(tree) > 0 {
			for key, value := range tree {
				walk(prefix+"."+key, value)
			}
			return
		}
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(prefix, ".")] = string(raw)
	}
	walk("", values)
}

// batchOutcome is a line for each device, or each fault as "line field code".
func batchOutcome(_ *testing.T, c corpus.Case) string {
	format := c.Options["format"]
	list, err := batch.Parse(format, string(c.Input))
	if err != nil {
		return "unreadable: " + strings.TrimPrefix(err.Error(), batch.ErrList.Error()+": ") + "\n"
	}
	next := 0
	base := enroll.Request{Arch: "amd64", CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}}
	requests, problems := list.Requests(base, func() (string, error) {
		next++
		return fmt.Sprintf("192.0.2.%d", next), nil
	})
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "error: line %d %s %q %s\n", p.Line, p.Field, p.Value, p.Code)
	}
	if len(problems) > 0 {
		return b.String()
	}
	for i, r := range requests {
		r = r.WithDefaults()
		fmt.Fprintf(&b, "line %d: %s %s %s", list.Devices[i].Line, r.NodeName, r.NodeIP, r.Arch)
		for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
			if key != v1alpha1.LabelEdge {
				fmt.Fprintf(&b, " %s=%s", key, r.Labels[key])
			}
		}
		if r.RuntimeEndpoint != "" || r.CgroupDriver != "" {
			fmt.Fprintf(&b, " runtime=%s cgroups=%s", r.RuntimeEndpoint, r.CgroupDriver)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// kubeconfigOutcome is the current context and a line for each cluster.
func kubeconfigOutcome(t *testing.T, c corpus.Case) string {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, c.Input, 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := clusters.FromKubeconfig(file)
	if err != nil {
		return "unreadable\n"
	}
	var b strings.Builder
	current, err := all.Current()
	if err != nil {
		current = "none"
	}
	fmt.Fprintf(&b, "current: %s\n", current)
	for _, one := range all.List() {
		config, err := all.Config(one.Name)
		if (err != nil) != (one.Problem != "") {
			t.Errorf("%s: listed with problem %q, used with %v", one.Name, one.Problem, err)
		}
		if err != nil {
			_, reason, _ := strings.Cut(one.Problem, ": ")
			fmt.Fprintf(&b, "%s: broken: %s\n", one.Name, strings.ReplaceAll(reason, filepath.Dir(file), "DIR"))
			continue
		}
		fmt.Fprintf(&b, "%s: %s namespace %s\n", one.Name, config.Host, all.Namespace(one.Name))
	}
	return b.String()
}

// found is a place with the one member of a case.
type found []byte

func (found) Source() clusters.Source { return clusters.SourceSecret }
func (f found) Find(context.Context) ([]clusters.Member, error) {
	return []clusters.Member{{Name: "member", Kubeconfig: f}}, nil
}

// memberOutcome is how a kubeconfig of a Secret or of a KubeSphere cluster is taken.
func memberOutcome(t *testing.T, c corpus.Case) string {
	file := filepath.Join(t.TempDir(), "config")
	host := "{clusters: [{name: h, cluster: {server: 'https://host.example'}}], contexts: [{name: host, context: {cluster: h}}], current-context: host}"
	if err := os.WriteFile(file, []byte(host), 0o600); err != nil {
		t.Fatal(err)
	}
	local, err := clusters.FromKubeconfig(file)
	if err != nil {
		t.Fatal(err)
	}
	registry := clusters.NewRegistry(local, slog.New(slog.DiscardHandler), found(c.Input))
	registry.Refresh(t.Context())
	if _, err := registry.Config("host"); err != nil {
		t.Errorf("the host suffers: %v", err)
	}
	member, err := registry.Get("member")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(member.Problem, "t0ken") {
		t.Error("the problem carries credentials")
	}
	if member.Problem != "" {
		return member.Problem + "\n"
	}
	return fmt.Sprintf("%s namespace %s\n", member.Server, registry.Namespace("member"))
}

func requestOutcome(change func(*enroll.Request)) string {
	r := enroll.Request{NodeName: "edge-1", NodeIP: "192.168.100.1",
		CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}}
	change(&r)
	problems := r.WithDefaults().Validate()
	if len(problems) == 0 {
		return "ok\n"
	}
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "error: %s %s\n", p.Field, p.Code)
	}
	return b.String()
}

func nodeNameOutcome(_ *testing.T, c corpus.Case) string {
	return requestOutcome(func(r *enroll.Request) { r.NodeName = strings.TrimSuffix(string(c.Input), "\n") })
}

// labelsOutcome reads the arguments of "edgeway nodes join --label", one a line.
func labelsOutcome(_ *testing.T, c corpus.Case) string {
	parsed, err := nodework.ParseLabels(strings.Split(strings.TrimSuffix(string(c.Input), "\n"), "\n"))
	if err != nil {
		return "error: syntax\n"
	}
	return requestOutcome(func(r *enroll.Request) {
		r.Labels = map[string]string{}
		for key, value := range parsed {
			if value != nil {
				r.Labels[key] = *value
			}
		}
	})
}

// taintsOutcome reads the arguments of "edgeway nodes join --taint", one a line.
func taintsOutcome(_ *testing.T, c corpus.Case) string {
	parsed, err := nodework.ParseTaints(strings.Split(strings.TrimSuffix(string(c.Input), "\n"), "\n"))
	if err != nil {
		return "error: syntax\n"
	}
	return requestOutcome(func(r *enroll.Request) { r.Taints = parsed.Set })
}
