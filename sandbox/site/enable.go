package site

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
)

// standInVersion is the version of KubeEdge that the stand-ins behave like.
const standInVersion = "v1.23.1"

// enable installs the product's chart the way an admin does on a command line.
func (s Site) enable(ctx context.Context, c cluster.Cluster, set imageSet) error {
	type m = map[string]any
	values := m{
		"cloudHub": m{"advertiseAddress": []string{controlPlaneIP}},
		"images": m{
			"cloudcore":        set.cloudCore.Ref,
			"edgeWatcher":      set.edgeWatcher.Ref,
			"iptablesOperator": set.operator.Ref,
			"streamGate":       set.streamGate.Ref,
			"probe":            set.probe.Ref,
			"pullPolicy":       "IfNotPresent",
		},
	}
	// The tag of the sandbox's own image is no version.
	version, err := s.kubeEdgeVersion()
	if err != nil {
		return err
	}
	values["kubeEdgeVersion"] = cmp.Or(version, standInVersion)
	settings, err := yaml.Marshal(values)
	if err != nil {
		return err
	}
	file := filepath.Join(s.Dir, "settings.yaml")
	if err := os.WriteFile(file, settings, 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(s.BinDir, "edgeway"),
		"enable", "--cluster", clusterName, "--kubeconfig", c.Kubeconfig(), "-f", file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("edgeway enable: %w:\n%s", err, out)
	}
	return nil
}

// finish makes the sign-in tokens and the report.
func (s Site) finish(ctx context.Context, w io.Writer, c cluster.Cluster, set imageSet) error {
	r := Report{Kubeconfig: filepath.Join(s.Dir, "kubeconfig"), Kubectl: filepath.Join(c.BinDir, "kubectl"), KubeEdge: standIn, Hosts: s.Hosts()}
	if s.KubeEdgeDir != "" {
		r.KubeEdge = s.KubeEdgeDir
	}
	r.Console.URL, r.Burner = consoleURL(), set.burner.Ref
	if err := c.SharedKubeconfig(r.Kubeconfig); err != nil {
		return err
	}
	var err error
	if r.Tokens.Admin, err = token(ctx, c.Kubectl(), "admin"); err != nil {
		return err
	}
	if r.Tokens.Viewer, err = token(ctx, c.Kubectl(), "viewer"); err != nil {
		return err
	}
	if s.Branch != nil {
		people, err := s.people()
		if err != nil {
			return err
		}
		r.Branch, r.Tokens.FleetAdmin, r.Tokens.BranchAdmin = s.branchCluster("").Kubeconfig(), people[fleetAdmin], people[branchAdmin]
	}
	if err := s.writeReport(r); err != nil {
		return err
	}
	printNext(w, r)
	return nil
}

func token(ctx context.Context, k cluster.Kubectl, person string) (string, error) {
	return k.Run(ctx, "create", "token", person, "--namespace=sandbox-people", "--duration=24h")
}
