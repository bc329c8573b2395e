package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// errLogEnded: a log was not read to its end.
var errLogEnded = errcat.New("LogIncomplete", "the log could not be read")

// logsOptions are the flags of "edgeway logs".
type logsOptions struct {
	target
	namespace, container, selector    string
	follow, previous, timestamps, all bool
	noPrefix                          bool
	tail                              int64
	since                             time.Duration
	sinceTime                         string
}

func newLogs() *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use: "logs [POD | KIND/NAME | -l SELECTOR]", Short: "Print the logs of containers, on edge nodes too",
		Long: `Prints the log of a container, byte for byte as kubectl logs does. The logs of
several containers or pods come merged by time, each line with [pod/container]
before it.

With --follow, the log goes on by itself when an edge node's tunnel was down:
nothing is lost and nothing comes twice. What happens to the tunnel is said on
standard error.`,
		Example: `  edgeway logs hello-0 -f --tail 20
  edgeway logs Deployment/hello -n web --since 10m
  edgeway logs -l app=hello --all-containers --timestamps`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	namespaceFlag(f, &o.namespace)
	f.StringVarP(&o.container, "container", "c", "", "container (default: the pod's only one)")
	f.StringVarP(&o.selector, "selector", "l", "", "label selector of pods")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with what is written from now on")
	f.BoolVar(&o.previous, "previous", false, "the container's last life")
	f.BoolVar(&o.timestamps, "timestamps", false, "put its time before each line")
	f.BoolVar(&o.all, "all-containers", false, "all containers of the pods, init and ephemeral ones too")
	f.BoolVar(&o.noPrefix, "no-prefix", false, "put no [pod/container] before the lines of several logs")
	f.Int64Var(&o.tail, "tail", -1, "so many lines from the end of each log; -1 for all")
	f.DurationVar(&o.since, "since", 0, "only lines of the last while, such as 5m")
	f.StringVar(&o.sinceTime, "since-time", "", "only lines from a time on, such as 2026-01-02T15:04:05Z")
	return cmd
}

// options checks the flags.
func (o *logsOptions) options(now time.Time) (observe.LogOptions, error) {
	out := observe.LogOptions{Follow: o.follow, Previous: o.previous, Timestamps: o.timestamps}
	switch {
	case o.tail < -1:
		return out, usage(fmt.Errorf("--tail %d: give a number of lines, or -1 for all", o.tail))
	case o.since < 0:
		return out, usage(fmt.Errorf("--since %s: give a time back from now, such as 5m", o.since))
	case o.since > 0 && o.sinceTime != "":
		return out, usage(errors.New("--since and --since-time: give one of them"))
	case o.follow && o.previous:
		return out, usage(errors.New("--follow and --previous: a previous container has ended, so there is nothing to follow; leave one out"))
	case o.container != "" && o.all:
		return out, usage(fmt.Errorf("--container %s and --all-containers: give one of them", o.container))
	}
	if o.tail >= 0 {
		out.Tail = &o.tail
	}
	if o.since > 0 {
		t := now.Add(-o.since)
		out.Since = &t
	}
	if o.sinceTime != "" {
		t, err := time.Parse(time.RFC3339, o.sinceTime)
		if err != nil {
			return out, usage(fmt.Errorf("--since-time %q: give a time such as 2026-01-02T15:04:05Z", o.sinceTime))
		}
		out.Since = &t
	}
	return out, nil
}

// pick says which pods are meant.
func (o *logsOptions) pick(args []string) (observe.LogPick, error) {
	p := observe.LogPick{Selector: o.selector}
	if o.container != "" {
		p.Containers = []string{o.container}
	}
	if (len(args) == 1) == (o.selector != "") || len(args) > 1 {
		return p, usage(fmt.Errorf("arguments %q: give one pod, or KIND/NAME, or --selector", args))
	}
	if _, err := labels.Parse(o.selector); err != nil {
		return p, usage(fmt.Errorf("--selector %q: %w; write it like app=web,tier!=db", o.selector, err))
	}
	if len(args) == 1 {
		p.Pod, p.Workload = podOrWorkload(args[0])
	}
	return p, nil
}

func (o *logsOptions) run(cmd *cobra.Command, args []string) error {
	opts, err := o.options(time.Now())
	if err != nil {
		return err
	}
	pick, err := o.pick(args)
	if err != nil {
		return err
	}
	config, namespace, err := o.open(cmd)
	if err != nil {
		return err
	}
	opts.Namespace = cmp.Or(o.namespace, namespace)
	pick.Namespace = opts.Namespace
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("client of the cluster: %w", err)
	}
	return o.print(cmd.Context(), client, pick, opts, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// print reads the logs. One that is not followed is copied as it is.
func (o *logsOptions) print(ctx context.Context, client kubernetes.Interface, pick observe.LogPick, opts observe.LogOptions, out, errs io.Writer) error {
	src := observe.NewKubeLogs(client)
	find := observe.Finder(client, pick)
	if pick.Pod == "" || o.all {
		say := &logTeller{out: observe.NewLogPrinter(out, !o.noPrefix, opts.Timestamps), errs: errs, names: map[int]string{}}
		return say.outcome(observe.NewMerger(src, opts, find, nil, say.take).Run(ctx))
	}
	opts.Pod, opts.Container = pick.Pod, o.container
	if opts.Container == "" {
		name, err := onlyContainer(ctx, client, pick)
		if err != nil {
			return err
		}
		opts.Container = name
	}
	if o.follow {
		say := &logTeller{out: observe.NewLogPrinter(out, false, opts.Timestamps), errs: errs, names: map[int]string{}}
		return say.outcome(observe.NewFollower(src, opts, say.take).Run(ctx))
	}
	body, err := src.Open(ctx, opts)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(out, body); err != nil {
		return fmt.Errorf("read the log of %s/%s: %w", opts.Namespace, opts.Pod, err)
	}
	// A tunnel that breaks ends the log like its last line does.
	if !observe.Reachable(ctx, src, opts) {
		return fmt.Errorf("the end of the log of %s/%s is missing: %w", opts.Namespace, opts.Pod, observe.ErrNoAnswer)
	}
	return nil
}

// logTeller prints lines, and on standard error what happens to logs.
type logTeller struct {
	out   *observe.LogPrinter
	errs  io.Writer
	names map[int]string
	ended error
}

func (l *logTeller) take(e observe.LogEvent) error {
	text := ""
	switch e.Kind {
	case observe.LogSourceAdded:
		l.names[e.Source] = e.From.Name() + ": "
	case observe.LogInterrupted:
		text = map[string]string{
			observe.CauseTunnelDown: "the edge tunnel is down",
			observe.CauseNodeDown:   "the node cannot be reached",
		}[e.Cause] + "; the log goes on by itself when it is back"
	case observe.LogResumed:
		text = "connected again"
	case observe.LogWaiting:
		text = "the container does not run: " + e.Message
	case observe.LogRestarted:
		text = "the container was started again"
	case observe.LogLimit:
		text = fmt.Sprintf("%d more logs match and are not read", e.Count)
	case observe.LogEnd, observe.LogSourceEnd:
		if e.Cause == observe.CauseRefused || e.Cause == observe.CausePodGone {
			text = e.Message
			l.ended = fmt.Errorf("%w: %s", errLogEnded, e.Message)
		}
	}
	if text != "" {
		fmt.Fprintf(l.errs, "edgeway: %s%s\n", l.names[e.Source], text)
	}
	return l.out.Print(e)
}

// outcome is the error of a log that came to no good end. Whoever stops a followed
// log has what they wanted.
func (l *logTeller) outcome(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	return l.ended
}
