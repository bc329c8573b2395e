package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/edge/console"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/runtime"
)

// errNotJoined: the device did not become a node in time.
var errNotJoined = errcat.New("DeviceNotJoined", "the device has not joined")

// joinOptions are the flags of "edgeway nodes join".
type joinOptions struct {
	target
	output
	request        enroll.Request
	labels, taints []string
	lifetime       time.Duration
	noLogs, mesh   bool
	noEventBus     bool
	console, pin   string
	keadm          bool
	wait           time.Duration
}

func newNodesJoin() *cobra.Command {
	o := &joinOptions{}
	cmd := &cobra.Command{
		Use: "join NAME", Short: "Begin to join an edge node and print the command for it",
		Long: `Makes an enrollment and prints what to run on the device. With --console that is one line
to paste, as the console's own wizard gives it; --keadm prints the command of the stock
keadm, whose token is reusable and bound to no node until it expires. With neither, the
code alone is printed, for "edgectl join".`,
		Example: `  edgeway nodes join jetson-xavier --console https://edgeway.example.com:9443 --wait 5m
  edgeway nodes join jetson-xavier --ip 192.168.100.7 --arch arm64 --label site=berlin --keadm`,
		RunE: o.run,
	}
	o.target.flags(cmd)
	o.output.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.request.NodeIP, "ip", "", "address of the node, unique among edge nodes (default: a free one)")
	f.StringVar(&o.request.Arch, "arch", "amd64", "amd64, arm64 or arm")
	f.StringArrayVar(&o.labels, "label", nil, "label KEY=VALUE beside the edge label; may be repeated")
	f.StringArrayVar(&o.taints, "taint", nil, "taint KEY[=VALUE]:EFFECT in place of the edge taint; may be repeated")
	f.DurationVar(&o.lifetime, "lifetime", enroll.DefaultLifetime, "how long the code can be used")
	f.BoolVar(&o.noLogs, "no-edge-stream", false, "no logs, terminals and metrics of this node")
	f.BoolVar(&o.mesh, "edge-mesh", false, "MetaServer and cluster DNS on the node")
	f.BoolVar(&o.noEventBus, "no-event-bus", false, "no MQTT event bus on the node")
	f.StringVar(&o.request.RuntimeEndpoint, "runtime-endpoint", "", "the device's container runtime (default: containerd's)")
	f.StringVar(&o.request.CgroupDriver, "cgroup-driver", "", "cgroupfs or systemd (default: the runtime's)")
	f.StringVar(&o.console, "console", "", "address of the console as the device reaches it, https://HOST[:PORT]")
	f.StringVar(&o.pin, "pin", "", "the console's key, sha256//BASE64 (default: trust certificate authorities)")
	f.BoolVar(&o.keadm, "keadm", false, "print the command of the stock keadm")
	f.DurationVar(&o.wait, "wait", 0, "follow the device until it has joined, for so long at most")
	return cmd
}

// joined is the result as JSON and YAML.
type joined struct {
	Enrollment string    `json:"enrollment"`
	NodeName   string    `json:"nodeName"`
	NodeIP     string    `json:"nodeIP"`
	Code       string    `json:"code"`
	Expires    time.Time `json:"expires"`
	// Command to run on the device.
	Command string `json:"command"`
	// TokenExpires is the life of KubeEdge's own token in Command.
	TokenExpires *time.Time `json:"tokenExpires,omitempty"`
}

func (o *joinOptions) run(cmd *cobra.Command, args []string) error {
	if err := o.complete(args); err != nil {
		return err
	}
	config, err := o.config(cmd)
	if err != nil {
		return err
	}
	clients, err := nodeClients(config)
	if err != nil {
		return err
	}
	r, err := runtime.New(config, o.log(cmd))
	if err != nil {
		return err
	}
	// What the console says of edgectl is asked before there is a code.
	params, err := o.params(cmd.Context())
	if err != nil {
		return err
	}
	version, err := o.fromCluster(cmd.Context(), clients, r)
	if err != nil {
		return err
	}
	e, code, err := enroll.New(cmd.Context(), clients.Objects, o.request)
	if err != nil {
		return err
	}
	out := joined{Enrollment: e.Name, NodeName: e.Spec.NodeName, NodeIP: e.Spec.NodeIP, Code: code, Expires: enroll.ExpiresAt(e)}
	if err := o.command(cmd.Context(), clients, e, params, version, &out); err != nil {
		return fmt.Errorf("enrollment %s is made, but there is no command for it: %w", e.Name, err)
	}
	if err := o.write(cmd.OutOrStdout(), out, func(w io.Writer) { fmt.Fprintln(w, out.Command) }); err != nil {
		return err
	}
	if o.wait == 0 {
		return nil
	}
	return o.follow(cmd.Context(), cmd.ErrOrStderr(), clients.Objects, client.ObjectKeyFromObject(e))
}

// complete checks the flags and makes the request of them.
func (o *joinOptions) complete(args []string) error {
	switch {
	case len(args) != 1:
		return usage(fmt.Errorf("arguments %q: give one name for the node", args))
	case o.console != "" && o.keadm:
		return usage(errors.New("--console and --keadm: give one of them"))
	case o.pin != "" && o.console == "":
		return usage(fmt.Errorf("--pin %s: give --console with it", o.pin))
	case o.wait < 0:
		return usage(fmt.Errorf("--wait %s: give a time such as 5m", o.wait))
	case o.lifetime < time.Minute:
		return usage(fmt.Errorf("--lifetime %s: give 1m or more", o.lifetime))
	}
	if err := o.check(); err != nil {
		return err
	}
	labels, err := nodework.ParseLabels(o.labels)
	if err != nil {
		return usage(fmt.Errorf("--label: %w", err))
	}
	o.request.Labels = enroll.DefaultLabels()
	for key, value := range labels {
		if value == nil {
			return usage(fmt.Errorf("--label %s-: write KEY=VALUE", key))
		}
		o.request.Labels[key] = *value
	}
	taints, err := nodework.ParseTaints(o.taints)
	if err != nil {
		return usage(fmt.Errorf("--taint: %w", err))
	}
	if len(taints.Remove) > 0 {
		return usage(fmt.Errorf("--taint %s-: write KEY[=VALUE]:EFFECT", taints.Remove[0].ToString()))
	}
	if len(taints.Set) > 0 {
		o.request.Taints = taints.Set
	}
	o.request.NodeName = args[0]
	o.request.Lifetime = metav1.Duration{Duration: o.lifetime}
	o.request.Components = &v1alpha1.EdgeComponents{EdgeStream: !o.noLogs, EdgeMesh: o.mesh, EventBus: !o.noEventBus}
	return nil
}

// params asks the console for what the device checks its download by.
func (o *joinOptions) params(ctx context.Context) (enroll.CommandParams, error) {
	p := enroll.CommandParams{ConsoleURL: o.console, Pin: o.pin}
	if o.console == "" {
		return p, nil
	}
	c, err := console.New(o.console, o.pin)
	if err != nil {
		return p, usage(err)
	}
	p.EdgectlSHA256, err = c.SHA256(ctx, wire.PathEdgectl+o.request.Arch)
	return p, err
}

// fromCluster fills in what the cluster's settings say, and gives the version of
// KubeEdge that keadm installs.
func (o *joinOptions) fromCluster(ctx context.Context, c nodework.Clients, r *runtime.Runtime) (version string, err error) {
	status, err := r.Status(ctx)
	if err == nil {
		_, err = status.InForce()
	}
	switch {
	case err != nil:
		return "", err
	case !status.Settings.CloudHub.HTTPS.Enable:
		return "", errcat.New("NoHTTPS", "HTTPS of CloudHub is off, so no device can get a certificate")
	}
	o.request.CloudCore = enroll.CloudCoreOf(*status.Settings)
	if !status.Settings.CloudStream.Enable {
		o.request.Components.EdgeStream = false
	}
	if o.request.NodeIP == "" {
		taken := enroll.TakenAddresses(ctx, c.Objects)
		a, err := enroll.SuggestAddress(enroll.AddressPool, func(a netip.Addr) bool { return taken[a] })
		if err != nil {
			return "", fmt.Errorf("--ip is empty: %w", err)
		}
		o.request.NodeIP = a.String()
	}
	if !o.keadm {
		return "", nil
	}
	return status.Settings.DeviceVersion()
}

// command writes what to run on the device.
func (o *joinOptions) command(ctx context.Context, c nodework.Clients, e *v1alpha1.EdgeEnrollment, p enroll.CommandParams, version string, out *joined) (err error) {
	switch {
	case o.keadm:
		token, err := enroll.RequestToken(ctx, c.Objects, e, true)
		if err != nil {
			return err
		}
		out.TokenExpires = &token.Expires
		out.Command = enroll.KeadmCommand(&e.Spec, token.Token, version)
	case o.console != "":
		out.Command, err = enroll.JoinCommand(p, out.Code)
	default:
		out.Command = out.Code
	}
	return err
}

// follow tells each phase until the device has joined, or cannot any more.
func (o *joinOptions) follow(ctx context.Context, w io.Writer, objects client.Client, key client.ObjectKey) error {
	ctx, cancel := context.WithTimeout(ctx, o.wait)
	defer cancel()
	var last v1alpha1.EnrollmentPhase
	for {
		var e v1alpha1.EdgeEnrollment
		err := objects.Get(ctx, key, &e)
		if ctx.Err() != nil {
			return fmt.Errorf("%w after %s; it is at %s", errNotJoined, o.wait, last)
		}
		if err != nil {
			return err
		}
		if phase := cmp.Or(e.Status.Phase, v1alpha1.PhasePending); phase != last {
			last = phase
			fmt.Fprintln(w, last)
		}
		end := v1alpha1.PhaseVerified
		if !e.Spec.Components.EdgeStream {
			end = v1alpha1.PhaseReady
		}
		switch last {
		case end:
			return nil
		case v1alpha1.PhaseExpired, v1alpha1.PhaseRefused, v1alpha1.PhaseRetired:
			return fmt.Errorf("%w: its enrollment is %s%s", errNotJoined, last, why(&e))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// why joins the messages of conditions that do not hold.
func why(e *v1alpha1.EdgeEnrollment) (out string) {
	for _, c := range e.Status.Conditions {
		if c.Status == metav1.ConditionFalse && c.Message != "" {
			out += "; " + c.Message
		}
	}
	return out
}
