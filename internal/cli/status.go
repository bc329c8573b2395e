package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

func newStatus() *cobra.Command {
	var t target
	var o output
	cmd := &cobra.Command{
		Use: "status", Short: "Show KubeEdge's state on a cluster", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			r, err := t.runtime(cmd)
			if err != nil {
				return err
			}
			status, err := r.Status(cmd.Context())
			if err != nil {
				return err
			}
			return o.write(cmd.OutOrStdout(), status, func(w io.Writer) { printStatus(w, status) })
		},
	}
	t.flags(cmd)
	o.flags(cmd)
	return cmd
}

func newSettings() *cobra.Command {
	o := output{}
	var kind string
	cmd := &cobra.Command{
		Use: "settings", Short: "Print the default settings, to start a file from", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			s, err := settings.Set(settings.Default(settings.NodePort), "serviceType="+kind)
			if err != nil {
				return err
			}
			if err := settings.AsError(s.Validate(settings.ClusterFacts{})); err != nil {
				return err
			}
			if o.format == "text" {
				o.format = "yaml"
			}
			return o.write(cmd.OutOrStdout(), s, nil)
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&kind, "service-type", string(settings.NodePort), "NodePort or LoadBalancer")
	return cmd
}

func printStatus(w io.Writer, s runtime.Status) {
	fmt.Fprintf(w, "State:       %s (%s)\n", s.State, s.Reason)
	if s.Message != "" {
		fmt.Fprintf(w, "Message:     %s\n", s.Message)
	}
	if s.Unreadable != "" && s.Unreadable != s.Message {
		fmt.Fprintf(w, "Settings:    %s\n", s.Unreadable)
	}
	if s.Revision > 0 {
		fmt.Fprintf(w, "Revision:    %d\n", s.Revision)
	}
	if s.EdgeNodes != nil {
		fmt.Fprintf(w, "Edge nodes:  %d, %d ready, %d connected, %d joining\n", s.EdgeNodes.Total, s.EdgeNodes.Ready, s.EdgeNodes.Connected, s.EdgeNodes.Joining)
	}
	for _, c := range s.Components {
		fmt.Fprintf(w, "  %-17s %d of %d ready  %s\n", c.Name, c.Ready, c.Desired, c.Image)
		if c.Message != "" {
			fmt.Fprintf(w, "  %-17s %s\n", "", c.Message)
		}
	}
	for _, c := range s.Certificates {
		until := c.Message
		if c.NotAfter != nil {
			until = "valid until " + c.NotAfter.Format("2006-01-02")
		}
		fmt.Fprintf(w, "  %-17s %s\n", "certificate "+c.Name, until)
	}
	for _, n := range s.Notes {
		where := n.Reason
		if n.Node != "" {
			where += " on " + n.Node
		}
		fmt.Fprintf(w, "Problem:     %s: %s\n", where, n.Message)
	}
	printFirewall(w, s)
}

// printFirewall is the prompt to open ports, and the one that stays closed.
func printFirewall(w io.Writer, s runtime.Status) {
	if s.Settings == nil {
		return
	}
	fmt.Fprintf(w, "\nEdge nodes connect to %s. Open for them, in firewalls and port mappings:\n", strings.Join(s.Addresses, ", "))
	for _, p := range s.Ports {
		if !p.Enabled || !p.FromEdge {
			continue
		}
		mapped := ""
		if p.External != p.Port {
			mapped = fmt.Sprintf("  (mapped to %d of the cluster)", p.Port)
		}
		fmt.Fprintf(w, "  %d/%s  %s%s\n", p.External, p.Protocol, p.Name, mapped)
	}
	if stream := s.Settings.PortNamed("stream"); stream.Enabled {
		fmt.Fprintf(w, "Keep %d/TCP closed to the outside: whoever reaches it runs commands in edge pods.\n", stream.Port)
	}
}

func printPlan(w io.Writer, p runtime.Plan) {
	fmt.Fprintf(w, "Action:  %s (state %s)\n", p.Action, p.State)
	if p.Message != "" {
		fmt.Fprintf(w, "Because: %s\n", p.Message)
	}
	for _, c := range p.Changes {
		fmt.Fprintf(w, "  %s: %v -> %v\n", c.Field, c.From, c.To)
	}
	for _, e := range p.Effects {
		fmt.Fprintf(w, "  * %s\n", e.Message)
	}
	printProblems(w, p.Problems)
}

func printProblems(w io.Writer, problems []settings.Problem) {
	for _, p := range problems {
		fmt.Fprintln(w, p.String())
	}
}
