package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/nodework"
)

// leaveOptions are the flags of "edgeway nodes leave".
type leaveOptions struct {
	target
	output
	timeout  time.Duration
	force    bool
	planOnly bool
}

func newNodesLeave() *cobra.Command {
	o := &leaveOptions{}
	cmd := &cobra.Command{
		Use: "leave NODE", Short: "Retire an edge node: cordon, drain, delete",
		Long: `Evicts the node's pods, respecting PodDisruptionBudgets, and takes the node out of the
cluster with its address and routes. What runs on the device is removed there, with
"edgectl leave".

Pods that cannot be evicted keep the node until --timeout; the command then ends with
exit code 3 and says which pods and why. With --force it deletes the Node instead.

A node that is offline cannot end its pods, so nobody waits for them. Its enrollment
stays: a device that comes back is recognized and kept cordoned.`,
		Example: "  edgeway nodes leave jetson-xavier --plan\n  edgeway nodes leave jetson-xavier --timeout 30s --force",
		RunE:    o.run,
	}
	o.target.flags(cmd)
	o.output.flags(cmd)
	f := cmd.Flags()
	f.DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long pods may take to go")
	f.BoolVar(&o.force, "force", false, "go on when pods are still there after the timeout")
	f.BoolVar(&o.planOnly, "plan", false, "only show which pods go, what is lost, and which evictions would be refused")
	return cmd
}

func (o *leaveOptions) run(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) != 1:
		return usage(fmt.Errorf("arguments %q: give one node", args))
	case o.timeout < time.Second || o.timeout > time.Hour:
		return usage(fmt.Errorf("--timeout %s: give 1s to 1h", o.timeout))
	}
	if err := o.check(); err != nil {
		return err
	}
	clients, err := o.nodes(cmd)
	if err != nil {
		return err
	}
	plan, err := clients.PlanLeave(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if o.planOnly {
		return o.write(cmd.OutOrStdout(), plan, func(w io.Writer) { printLeavePlan(w, plan) })
	}
	printLeavePlan(cmd.ErrOrStderr(), plan)
	last := ""
	options := nodework.LeaveOptions{Timeout: o.timeout, Force: o.force}
	return clients.Leave(cmd.Context(), args[0], options, func(name, message string) {
		if line := fmt.Sprintf("%-8s %s", name, message); line != last {
			fmt.Fprintln(cmd.ErrOrStderr(), line)
			last = line
		}
	})
}

func printLeavePlan(w io.Writer, p *nodework.LeavePlan) {
	if !p.Online {
		fmt.Fprintln(w, "The node is offline: nobody waits for the end of its pods. What runs on the device goes on until edgectl leave.")
	}
	if p.Retiring != "" {
		fmt.Fprintf(w, "The node is leaving already: %s\n", p.Retiring)
	}
	for _, part := range []struct {
		what string
		pods []string
	}{
		{"Evicted", p.Evicted},
		{"Without a controller, gone for good", p.Unmanaged},
		{"With lost emptyDir data", p.LocalData},
		{"Of DaemonSets, gone with the node", p.DaemonSets},
		{"Static, ended only on the device", p.Mirror},
	} {
		if len(part.pods) > 0 {
			fmt.Fprintf(w, "%s: %s\n", part.what, strings.Join(part.pods, ", "))
		}
	}
	for _, refused := range p.Refused {
		fmt.Fprintf(w, "Cannot be evicted now: %s: %s\n", refused.Pod, refused.Reason)
	}
}
