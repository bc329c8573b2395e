package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/edge/console"
	"github.com/edgeway-io/edgeway/internal/edge/device"
	"github.com/edgeway-io/edgeway/internal/edge/journal"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/edge/preflight"
	"github.com/edgeway-io/edgeway/internal/edge/service"
)

func outputFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("output", "o", "text", "text or json")
}

func checkOutput(output string) error {
	if output != "text" && output != "json" {
		return fmt.Errorf("%w: --output %q: choose text or json", errUsage, output)
	}
	return nil
}

func (c *common) preflight() *cobra.Command {
	var f consoleFlags
	var facts preflight.Facts
	cmd := &cobra.Command{
		Use:   "preflight [--server URL …]",
		Short: "Look whether this device can join; with --server and a code also whether it reaches CloudCore",
		Args:  cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&facts.RuntimeEndpoint, "runtime-endpoint", "", "container runtime's socket, unix:///path (default containerd's)")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		facts.Layout = paths.Layout{Root: c.root}.Writable()
		tell := func(error) {}
		if f.server != "" {
			var err error
			if tell, err = askConsole(cmd, &f, &facts); err != nil {
				return err
			}
		}
		report := preflight.Run(cmd.Context(), preflight.Device(facts))
		write := report.Text
		if *output == "json" {
			write = report.JSON
		}
		if err := write(cmd.OutOrStdout()); err != nil {
			return err
		}
		if report.Status == preflight.Fail {
			err := &device.PreflightError{Report: report}
			tell(err)
			return err
		}
		return nil
	}
	return cmd
}

// askConsole completes the facts, and returns how to tell the console what was found.
func askConsole(cmd *cobra.Command, f *consoleFlags, facts *preflight.Facts) (tell func(error), err error) {
	code, err := f.code(cmd.InOrStdin())
	if err != nil {
		return nil, err
	}
	client, err := console.New(f.server, f.pin)
	if err != nil {
		return nil, err
	}
	l, err := client.Lookup(cmd.Context(), code)
	if err != nil {
		return nil, err
	}
	facts.Know(l)
	return func(why error) {
		report := device.ReportOf(why)
		report.Code = code
		_ = client.Report(cmd.Context(), report) // what was found is on the screen
	}, nil
}

func (c *common) status() *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Show this device's node", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOutput(*output); err != nil {
			return err
		}
		d, err := c.device()
		if err != nil {
			return err
		}
		s, err := d.Status(cmd.Context())
		if err != nil {
			return err
		}
		if *output == "json" {
			enc := json.NewEncoder(cmd.OutOrStdout())
			enc.SetIndent("", "  ")
			return enc.Encode(s)
		}
		return printStatus(cmd, s)
	}
	return cmd
}

func printStatus(cmd *cobra.Command, s *device.Status) error {
	running := "stopped"
	if s.Running {
		running = "running"
	}
	phase := s.Phase
	if s.Unreachable != "" {
		phase = "unknown: " + s.Unreachable
	}
	joined := "yes"
	if !s.Complete {
		joined = "interrupted: run edgectl join again, or edgectl leave"
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "node         %s\njoined       %s\nconsole      %s\nEdgeCore     %s (%s)\ncertificate  until %s\nphase        %s\n",
		s.NodeName, joined, s.Server, running, s.Service, s.CertificateExpires.UTC().Format(time.RFC3339), phase)
	for _, x := range s.Conditions {
		_, cerr := fmt.Fprintf(cmd.OutOrStdout(), "  %-18s %-5s %s\n", x.Type, x.Status, x.Message)
		err = errors.Join(err, cerr)
	}
	return err
}

func (c *common) logs() *cobra.Command {
	var lines int
	cmd := &cobra.Command{Use: "logs", Short: "Print EdgeCore's last output", Args: cobra.NoArgs}
	cmd.Flags().IntVarP(&lines, "lines", "n", 100, "how many lines")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if lines < 1 {
			return fmt.Errorf("%w: --lines %d: give at least 1", errUsage, lines)
		}
		d, err := c.device()
		if err != nil {
			return err
		}
		return d.Logs(cmd.Context(), cmd.OutOrStdout(), lines)
	}
	return cmd
}

func (c *common) leave() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Stop EdgeCore and its pods, and remove what the join brought",
		Long: `Stops EdgeCore, removes its keys and certificates, ends its pods and removes what the
join brought. A step that fails keeps no other: what is left is listed with a way to
remove it, the exit code is 1, and leave may be run again. With --force leave tries
each step once, tells what is left, and forgets it.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&force, "force", false, "give up what cannot be removed, and end with 0")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := c.device()
		if err != nil {
			return err
		}
		err = d.Leave(cmd.Context(), force)
		if errors.Is(err, journal.ErrNotJoined) {
			// Leaving twice is as good as once.
			_, err = fmt.Fprintln(cmd.ErrOrStderr(), "edgectl:", err)
		}
		return err
	}
	return cmd
}

func (c *common) start() *cobra.Command {
	return &cobra.Command{
		Use:   "start",
		Short: "Start EdgeCore of a device that has joined; for boot scripts where neither systemd nor OpenRC runs",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := c.device()
			if err != nil {
				return err
			}
			return d.Start(cmd.Context())
		},
	}
}

func (c *common) supervise() *cobra.Command {
	at := paths.Layout{}
	cmd := &cobra.Command{
		Use:    "supervise",
		Short:  "Run EdgeCore and start it again whenever it ends",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			at.Root = c.root
			return service.Supervise(cmd.Context(), at)
		},
	}
	cmd.Flags().StringVar(&at.Programs, "programs", "", "directory of edgecore and edgectl")
	return cmd
}
