package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// change holds the flags of enable and configure.
type change struct {
	target
	input
	output
	revision int
	timeout  time.Duration
}

func (c *change) flags(cmd *cobra.Command) {
	c.target.flags(cmd)
	c.input.flags(cmd)
	c.output.flags(cmd)
	cmd.Flags().DurationVar(&c.timeout, "timeout", runtime.DefaultTimeouts().Ready, "how long pods may take to become ready")
	cmd.Flags().IntVar(&c.revision, "if-revision", -1, "fail with a conflict unless the settings are at this revision (0: not installed)")
}

func (c *change) options() runtime.Options {
	if c.revision < 0 {
		return runtime.Options{}
	}
	return runtime.Options{ExpectRevision: &c.revision}
}

// verb is Enable or Configure of a Runtime.
type verb func(*runtime.Runtime, context.Context, settings.Settings, runtime.Options, runtime.Progress) (runtime.Plan, error)

func newEnable() *cobra.Command {
	return newChange("enable", "Install KubeEdge on a cluster, or change it", (*runtime.Runtime).Enable)
}

func newConfigure() *cobra.Command {
	return newChange("configure", "Change the settings of an enabled KubeEdge", (*runtime.Runtime).Configure)
}

func newChange(name, short string, do verb) *cobra.Command {
	c := &change{}
	cmd := &cobra.Command{
		Use: name, Short: short, Args: noArgs,
		Example: "  edgeway " + name + " --cluster prod -f settings.yaml\n  edgeway " + name + " --cluster prod --set cloudHub.nodeLimit=200",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd, do) },
	}
	c.flags(cmd)
	return cmd
}

func (c *change) run(cmd *cobra.Command, do verb) error {
	if err := c.check(); err != nil {
		return err
	}
	r, err := c.runtime(cmd)
	if err != nil {
		return err
	}
	s, err := c.settings(cmd.Context(), cmd, r)
	if err != nil {
		return err
	}
	timeouts := runtime.DefaultTimeouts()
	timeouts.Ready = c.timeout
	plan, err := do(r.WithTimeouts(timeouts), cmd.Context(), s, c.options(), progress(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	printProblems(cmd.ErrOrStderr(), plan.Problems)
	status, err := r.Status(cmd.Context())
	if err != nil {
		return err
	}
	return c.write(cmd.OutOrStdout(), status, func(w io.Writer) { printFirewall(w, status) })
}

func newPlan() *cobra.Command {
	c := &change{}
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what enable or configure would do", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.plan(cmd) },
	}
	c.flags(cmd)
	return cmd
}

// plan prints the plan also when it refuses, and then fails with the reason.
func (c *change) plan(cmd *cobra.Command) error {
	if err := c.check(); err != nil {
		return err
	}
	r, err := c.runtime(cmd)
	if err != nil {
		return err
	}
	s, err := c.settings(cmd.Context(), cmd, r)
	if err != nil {
		return err
	}
	plan, err := r.Plan(cmd.Context(), s)
	if err != nil {
		return err
	}
	if err := c.write(cmd.OutOrStdout(), plan, func(w io.Writer) { printPlan(w, plan) }); err != nil {
		return err
	}
	if plan.State == runtime.StateForeign {
		return fmt.Errorf("%w: %s", runtime.ErrForeign, plan.Message)
	}
	return settings.AsError(plan.Problems)
}
