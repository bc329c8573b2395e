package site

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/images"
	"github.com/edgeway-io/edgeway/sandbox/manifests"
)

const secondCluster = "starting the second cluster"

// People of both clusters. Unlike those of signin.yaml they are no ServiceAccounts,
// whose names are nobody's on another cluster. They are in group "fleet".
const (
	fleetAdmin  = "fleet-admin"
	branchAdmin = "branch-admin"
	fleet       = "fleet"
)

// consoleUser is the console's own name on both clusters, and consoleNamespace
// where it looks for member clusters.
const (
	consoleUser      = "edgeway-console"
	consoleNamespace = "edgeway-system"
)

func (s Site) branchNode() cluster.Node {
	return cluster.Node{Host: *s.Branch, IP: branchIP, PodCIDR: controlPodCIDR}
}

func (s Site) branchCluster(pause string) cluster.Cluster {
	return s.clusterOf(branchName, "branch", s.branchNode(), pause)
}

// startBranch makes a second cluster of one node and tells the first about it, as an
// admin does by docs/administration.md: a Secret with a kubeconfig whose user may
// impersonate.
func (s Site) startBranch(ctx context.Context, host cluster.Kubectl, set imageSet) error {
	c := s.branchCluster(set.pause.Ref)
	if err := c.StartControlPlane(ctx); err != nil {
		return err
	}
	if err := c.StartNode(ctx, s.branchNode()); err != nil {
		return err
	}
	if err := images.Load(ctx, *s.Branch, set.worker()...); err != nil {
		return err
	}
	if err := s.settle(ctx, c, s.branchNode()); err != nil {
		return err
	}
	if err := s.startBalancer(ctx, c, *s.Branch, branchBalancerPool); err != nil {
		return err
	}
	if err := s.installAddons(ctx, c.Kubectl(), set); err != nil {
		return err
	}
	return s.connectBranch(ctx, host, c)
}

func (s Site) connectBranch(ctx context.Context, host cluster.Kubectl, c cluster.Cluster) error {
	kubeconfig, err := c.KubeconfigOf(consoleUser)
	if err != nil {
		return err
	}
	values := map[string]string{
		"Kubeconfig": base64.StdEncoding.EncodeToString(kubeconfig), "Branch": branchName, "Namespace": consoleNamespace,
		"Console": consoleUser, "FleetAdmin": fleetAdmin, "BranchAdmin": branchAdmin, "Fleet": fleet,
	}
	for _, to := range []struct {
		file    string
		kubectl cluster.Kubectl
	}{{"branch.yaml", c.Kubectl()}, {"branch-host.yaml", host}} {
		text, err := manifests.Render(to.file, values)
		if err != nil {
			return err
		}
		if err := to.kubectl.Apply(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (s Site) tokenFile() string { return filepath.Join(s.Dir, "people.csv") }

// startControlPlane of the first cluster, which knows the people of both.
func (s Site) startControlPlane(ctx context.Context, c cluster.Cluster) error {
	if _, err := os.Stat(s.tokenFile()); errors.Is(err, fs.ErrNotExist) {
		text := ""
		for _, name := range []string{fleetAdmin, branchAdmin} {
			text += fmt.Sprintf("%s,%s,%s,%s\n", rand.Text(), name, name, fleet)
		}
		if err := os.WriteFile(s.tokenFile(), []byte(text), 0o600); err != nil {
			return err
		}
	}
	c.TokenFile = s.tokenFile()
	return c.StartControlPlane(ctx)
}

// people are the tokens of the people of both clusters by name.
func (s Site) people() (map[string]string, error) {
	f, err := os.Open(s.tokenFile())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.tokenFile(), err)
	}
	tokens := map[string]string{}
	for _, row := range rows {
		tokens[row[1]] = row[0]
	}
	return tokens, nil
}
