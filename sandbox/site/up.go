package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/edgeway-io/edgeway/sandbox/cluster"
	"github.com/edgeway-io/edgeway/sandbox/images"
	"github.com/edgeway-io/edgeway/sandbox/manifests"
)

// Up brings the site up, or the rest of it when a part is up already, and says
// what it does. When it fails it takes down what it made, unless keep is set.
func (s Site) Up(ctx context.Context, w io.Writer, keep bool) error {
	if err := s.Preflight(ctx); err != nil {
		return err
	}
	fresh := !s.running()
	err := s.up(ctx, w)
	if err != nil && fresh && !keep {
		fmt.Fprintln(w, "cleaning up (KEEP=1 leaves everything in place to look at)")
		err = errors.Join(err, s.Down(context.WithoutCancel(ctx), w))
	}
	return err
}

func (s Site) running() bool {
	_, err := s.Internet.Pid()
	return err == nil
}

func (s Site) up(ctx context.Context, w io.Writer) error {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	if err := s.saveExtent(); err != nil {
		return err
	}
	// Until the end, the site is not up.
	_ = os.Remove(s.reportFile())
	var set imageSet
	var c cluster.Cluster
	steps := []step{
		{"building images", func(context.Context) (err error) {
			set, err = s.buildImages()
			c = s.cluster(set.pause.Ref)
			return err
		}},
		{"making hosts and networks", s.startHosts},
		{"furnishing edge hosts", s.furnishEdges},
		{"starting the control plane", func(ctx context.Context) error { return s.startControlPlane(ctx, c) }},
		{"starting cloud nodes", func(ctx context.Context) error { return s.startCloudNodes(ctx, c, set) }},
		{"starting the edge hosts' runtimes", func(ctx context.Context) error { return s.startEdgeRuntimes(ctx, set) }},
		{"installing metrics-server", func(ctx context.Context) error { return s.installAddons(ctx, c.Kubectl(), set) }},
		{"enabling KubeEdge (charts/kubeedge)", func(ctx context.Context) error { return s.enable(ctx, c, set) }},
		{"joining edge nodes", func(ctx context.Context) error { return s.joinEdges(ctx, c.Kubectl()) }},
		{"waiting for edge nodes and their workload", func(ctx context.Context) error { return s.runWorkloads(ctx, c.Kubectl(), set) }},
		{secondCluster, func(ctx context.Context) error { return s.startBranch(ctx, c.Kubectl(), set) }},
		{"starting the console", func(ctx context.Context) error { return s.startConsole(ctx, c, set) }},
		{"waiting for logs and metrics through the tunnel", func(ctx context.Context) error { return s.waitObservable(ctx, c.Kubectl()) }},
	}
	if s.Branch == nil {
		steps = slices.DeleteFunc(steps, func(s step) bool { return s.title == secondCluster })
	}
	if err := runSteps(ctx, w, time.Now(), steps); err != nil {
		return err
	}
	return s.finish(ctx, w, c, set)
}

func (s Site) startCloudNodes(ctx context.Context, c cluster.Cluster, set imageSet) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, n := range s.nodes() {
		group.Go(func() error {
			if err := c.StartNode(groupCtx, n); err != nil {
				return err
			}
			if n.Host.Name == s.Worker.Name {
				return images.Load(groupCtx, n.Host, set.worker()...)
			}
			return images.Load(groupCtx, n.Host, set.cloud()...)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := s.settle(ctx, c, s.nodes()...); err != nil {
		return err
	}
	return s.startBalancer(ctx, c, s.Worker, balancerPool)
}

// settle gives nodes their pod ranges, waits until they are ready and labels the
// control plane's.
func (s Site) settle(ctx context.Context, c cluster.Cluster, nodes ...cluster.Node) error {
	k := c.Kubectl()
	for _, n := range nodes {
		err := cluster.Until(ctx, time.Minute, func(ctx context.Context) error {
			if err := c.SetPodCIDR(ctx, n.Host.Name, n.PodCIDR); err != nil {
				return err
			}
			return nodeReady(ctx, k, n.Host.Name)
		})
		if err != nil {
			return fmt.Errorf("node %s (its kubelet's log: %s): %w", n.Host.Name, n.Host.LogFile("kubelet"), err)
		}
	}
	_, err := k.Run(ctx, "label", "node", c.ControlPlane.Host.Name, "node-role.kubernetes.io/control-plane=", "--overwrite")
	return err
}

func (s Site) installAddons(ctx context.Context, k cluster.Kubectl, set imageSet) error {
	values := map[string]string{"Image": set.metricsServer.Ref}
	for _, name := range []string{"metrics-server.yaml", "signin.yaml", "standin-rbac.yaml"} {
		if name == "standin-rbac.yaml" && s.KubeEdgeDir != "" {
			continue // the real CloudCore needs no right beyond the chart's
		}
		text, err := manifests.Render(name, values)
		if err != nil {
			return err
		}
		if err := k.Apply(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

func (s Site) runWorkloads(ctx context.Context, k cluster.Kubectl, set imageSet) error {
	for _, e := range s.Edges {
		if !e.Joined {
			continue
		}
		err := cluster.Until(ctx, 2*time.Minute, func(ctx context.Context) error { return nodeReady(ctx, k, e.Host.Name) })
		if err != nil {
			return fmt.Errorf("edge node %s (EdgeCore's log: %s): %w", e.Host.Name, e.Host.LogFile("edgecore"), err)
		}
		text, err := manifests.Render("workload.yaml", map[string]string{"Node": e.Host.Name, "Image": set.busybox.Ref})
		if err != nil {
			return err
		}
		if err := k.Apply(ctx, text); err != nil {
			return err
		}
	}
	for _, e := range s.Edges {
		if !e.Joined {
			continue
		}
		if _, err := k.Run(ctx, "rollout", "status", "deployment/hello-"+e.Host.Name, "--timeout=90s"); err != nil {
			return err
		}
	}
	return nil
}

// waitObservable is done when a log line and a figure of every edge node arrive.
func (s Site) waitObservable(ctx context.Context, k cluster.Kubectl) error {
	for _, e := range s.Edges {
		if !e.Joined {
			continue
		}
		err := cluster.Until(ctx, time.Minute, func(ctx context.Context) error {
			_, err := k.Run(ctx, "logs", "deployment/hello-"+e.Host.Name, "--tail=1", "--request-timeout=5s")
			return err
		})
		if err != nil {
			return err
		}
		err = cluster.Until(ctx, 90*time.Second, func(ctx context.Context) error {
			_, err := k.Run(ctx, "top", "node", e.Host.Name)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func nodeReady(ctx context.Context, k cluster.Kubectl, name string) error {
	out, err := k.Run(ctx, "get", "node", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
	if err == nil && out != "True" {
		err = fmt.Errorf("node %s: Ready is %q", name, out)
	}
	return err
}
