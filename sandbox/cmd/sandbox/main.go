// Command sandbox runs a whole edge site on one machine: a Kubernetes cluster,
// edge hosts behind NAT, and the product between them.
package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/sandbox/badlink"
	"github.com/edgeway-io/edgeway/sandbox/dns"
	"github.com/edgeway-io/edgeway/sandbox/hosts"
	"github.com/edgeway-io/edgeway/sandbox/site"
	"github.com/edgeway-io/edgeway/sandbox/units"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Edge hosts find this program under the name systemctl.
	if filepath.Base(os.Args[0]) == "systemctl" {
		os.Exit(units.Host.Run(os.Args[1:], os.Stdout, os.Stderr))
	}
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{Use: "sandbox", Short: "A whole edge site on one machine", SilenceUsage: true, SilenceErrors: true}
	var dir string
	root.PersistentFlags().StringVar(&dir, "root", defaultRoot(), "work tree that the sandbox belongs to")
	root.AddCommand(up(&dir), down(&dir), execCommand(&dir), link(&dir), limit(&dir), anchor(), supervise(), nameServer(), relay())
	return root
}

// defaultRoot is the work tree whose bin directory holds this program.
func defaultRoot() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(filepath.Dir(self))
}

func up(dir *string) *cobra.Command {
	var kubeEdge string
	var keep bool
	var extent site.Extent
	c := &cobra.Command{Use: "up", Short: "Bring the site up", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		if err := extent.Validate(); err != nil {
			return err
		}
		s, err := site.New(*dir).WithKubeEdge(kubeEdge)
		if err != nil {
			return err
		}
		return s.With(extent).Up(c.Context(), c.OutOrStdout(), keep)
	}}
	c.Flags().StringVar(&kubeEdge, "kubeedge", "", "directory with real cloudcore and edgecore programs (default: what the running site has, else the stand-ins)")
	c.Flags().IntVar(&extent.Spares, "spares", 0, "further edge hosts that wait to be joined")
	c.Flags().IntVar(&extent.Clusters, "clusters", 1, "2 for a second cluster, in which KubeEdge is not enabled yet")
	c.Flags().BoolVar(&keep, "keep", false, "leave a failed site in place")
	return c
}

func down(dir *string) *cobra.Command {
	return &cobra.Command{Use: "down", Short: "Remove the site", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return site.New(*dir).Down(c.Context(), c.OutOrStdout())
	}}
}

func execCommand(dir *string) *cobra.Command {
	return &cobra.Command{Use: "exec HOST -- PROGRAM [ARGUMENT...]", Short: "Run a program on a host", Args: cobra.MinimumNArgs(2), RunE: func(_ *cobra.Command, args []string) error {
		return site.New(*dir).Exec(args[0], args[1:])
	}}
}

func link(dir *string) *cobra.Command {
	var q badlink.Quality
	c := &cobra.Command{
		Use: "link HOST up|down|bad|good", Short: "Cut, restore or degrade an edge host's cable", Args: cobra.ExactArgs(2),
		Example: "  sandbox link jetson-xavier bad --delay 150ms --loss 0.02 --rate 256000",
		RunE: func(c *cobra.Command, args []string) error {
			s, name := site.New(*dir), args[0]
			switch args[1] {
			case "up", "down":
				return s.SetLink(c.Context(), name, args[1] == "up")
			case "bad":
				return s.Degrade(c.Context(), name, q)
			case "good":
				return s.Mend(c.Context(), name)
			}
			return fmt.Errorf("link: %q is none of up, down, bad and good", args[1])
		},
	}
	qualityFlags(c, &q)
	return c
}

func limit(dir *string) *cobra.Command {
	var change site.LimitChange
	c := &cobra.Command{
		Use: "limit HOST [off]", Short: "Limit a host's memory and CPU time", Args: cobra.RangeArgs(1, 2),
		Long: `Limit what all processes of a host use together: its services, programs that are run on it, and the
pods of its kubelet, those that run now and those that start later. Without a flag the limits in force are
printed. A flag that is not given keeps its limit; "off" and make down remove both.

A host that uses up its memory loses a process or a container, as a device does. What the host is told
does not change, because it comes from the machine: /proc/meminfo, /proc/cpuinfo, and the Node's
capacity. Pods of a device that joined by keadm are not limited: EdgeCore then puts them below the
machine's own cgroups. With cgroup v1 a pod with a higher CPU limit than its host does not start.`,
		Example: "  sandbox limit jetson-xavier --memory 512Mi --cpu 0.5\n  sandbox limit jetson-xavier off",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 2 && args[1] != "off" {
				return fmt.Errorf("limit: %q is not off; limits are given by --memory and --cpu", args[1])
			}
			change.Off = len(args) == 2
			l, err := site.New(*dir).Limit(args[0], change)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", args[0], l)
			}
			return err
		},
	}
	c.Flags().StringVar(&change.Memory, "memory", "", "most memory, page cache included, such as 512Mi")
	c.Flags().StringVar(&change.CPU, "cpu", "", "most CPU time, in CPUs, such as 0.5")
	return c
}

// qualityFlags describe a bad link.
func qualityFlags(c *cobra.Command, q *badlink.Quality) {
	c.Flags().DurationVar(&q.Delay, "delay", 0, "delay of a frame in one direction, such as 150ms")
	c.Flags().Float64Var(&q.Loss, "loss", 0, "share of frames that are lost, such as 0.02")
	c.Flags().IntVar(&q.Rate, "rate", 0, "bits a second, such as 256000; 0 for no limit")
}

func relay() *cobra.Command {
	var q badlink.Quality
	c := &cobra.Command{Use: "relay INTERFACE TAP", Hidden: true, Args: cobra.ExactArgs(2), RunE: func(c *cobra.Command, args []string) error {
		return badlink.Run(c.Context(), args[0], args[1], q)
	}}
	qualityFlags(c, &q)
	return c
}

func anchor() *cobra.Command {
	return &cobra.Command{Use: "anchor FILE", Hidden: true, Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		return hosts.RunAnchor(args[0])
	}}
}

func nameServer() *cobra.Command {
	var listen string
	hosts := map[string]string{}
	c := &cobra.Command{Use: "dns", Hidden: true, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		names := dns.Names{}
		for name, text := range hosts {
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return fmt.Errorf("--host %s=%s: %w", name, text, err)
			}
			names[name] = addr
		}
		return dns.Serve(c.Context(), listen, names)
	}}
	c.Flags().StringVar(&listen, "listen", "", "address to answer at")
	c.Flags().StringToStringVar(&hosts, "host", nil, "NAME=ADDRESS")
	return c
}

func supervise() *cobra.Command {
	return &cobra.Command{Use: "supervise FILE NAME -- PROGRAM [ARGUMENT...]", Hidden: true, Args: cobra.MinimumNArgs(3), RunE: func(_ *cobra.Command, args []string) error {
		return hosts.Supervise(args[0], args[1], args[2:])
	}}
}
