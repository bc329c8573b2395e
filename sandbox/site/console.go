package site

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
	"github.com/edgeway-io/edgeway/sandbox/images"
)

// redeemer is the ServiceAccount that the chart makes for code redemption.
const redeemer = "system:serviceaccount:edgeway-join:edgeway-redeemer"

func consoleURL() string { return "https://" + net.JoinHostPort(consoleIP, consolePort) }

// startConsole serves the product's console on a host of its own, which both a
// browser on the machine and the edge hosts reach.
func (s Site) startConsole(ctx context.Context, c cluster.Cluster, set imageSet) error {
	dir := filepath.Join(s.Dir, "console")
	artifacts := filepath.Join(dir, "artifacts")
	if err := s.writeArtifacts(artifacts, set); err != nil {
		return err
	}
	people, join := filepath.Join(dir, "kubeconfig"), filepath.Join(dir, "join.kubeconfig")
	members, err := s.writeConsoleKubeconfig(c, people)
	if err != nil {
		return err
	}
	if err := c.WriteImpersonatingKubeconfig(join, redeemer); err != nil {
		return err
	}
	console := hosts.Service{Name: "console", Args: append([]string{
		filepath.Join(s.BinDir, "edgeway"), "console",
		"--kubeconfig", people, "--join-kubeconfig", join,
		"--listen", net.JoinHostPort(consoleIP, consolePort), "--external-url", consoleURL(),
		"--data-dir", filepath.Join(dir, "data"), "--artifacts", artifacts,
	}, members...)}
	if err := s.Console.StartService(ctx, s.self(), console); err != nil {
		return err
	}
	err = cluster.Until(ctx, 30*time.Second, func(ctx context.Context) error {
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(consoleIP, consolePort), time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return fmt.Errorf("console (its log: %s): %w", s.Console.LogFile("console"), err)
	}
	return nil
}

// writeConsoleKubeconfig tells the console where the cluster is. People bring their
// own tokens, so it has no standing right but the redeemer's, and with a second
// cluster that of finding it; the flags for that are returned.
func (s Site) writeConsoleKubeconfig(c cluster.Cluster, file string) ([]string, error) {
	if s.Branch == nil {
		return nil, c.WriteAnonymousKubeconfig(file)
	}
	return []string{"--member-secrets", consoleNamespace}, c.WriteImpersonatingKubeconfig(file, consoleUser)
}

// writeArtifacts puts what devices download, and what goes into offline bundles,
// into a directory.
func (s Site) writeArtifacts(dir string, set imageSet) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, program := range map[string]string{"edgectl": filepath.Join(s.BinDir, "edgectl"), "edgecore": filepath.Join(s.kubeEdgeBin(), "edgecore")} {
		if err := replaceLink(program, filepath.Join(dir, name+"-"+runtime.GOARCH)); err != nil {
			return err
		}
	}
	return images.Pack(filepath.Join(dir, "images-"+runtime.GOARCH+".tar"), set.pause, set.probe)
}

func replaceLink(target, link string) error {
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(target, link)
}

// furnishEdges puts on every edge host what a device of this sandbox has before
// it joins: the kubelet that the stand-in for EdgeCore runs, the settings that
// several kubelets on one kernel need, systemctl and sudo for keadm, and keadm itself
// where the real programs are at hand.
func (s Site) furnishEdges(ctx context.Context) error {
	for _, e := range s.Edges {
		config := filepath.Join(e.Host.Dir, "kubelet.yaml")
		if err := cluster.WriteYAML(config, cluster.KubeletOnSharedKernel(e.Host)); err != nil {
			return err
		}
		script := fmt.Sprintf("mkdir -p /etc/edgeway && cp '%s' /etc/edgeway/kubelet.yaml && ln -sf '%s' /usr/local/bin/kubelet && "+
			"ln -sf '%s' /usr/local/bin/systemctl && printf '#!/bin/sh\nexec \"$@\"\n' > /usr/local/bin/sudo && chmod +x /usr/local/bin/sudo",
			config, filepath.Join(s.BinDir, "kube", "kubelet"), s.self())
		if keadm := s.keadm(); keadm != "" {
			script += fmt.Sprintf(" && ln -sf '%s' /usr/local/bin/keadm", keadm)
		}
		if _, err := e.Host.Run(ctx, "sh", "-c", script); err != nil {
			return err
		}
	}
	return nil
}
