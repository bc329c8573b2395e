package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/uninstall"
)

// uninstallPoll is the time between two looks at the operators' reports.
const uninstallPoll = 500 * time.Millisecond

// uninstallCommand is what the chart's pre-delete hook runs, on one node for all.
func uninstallCommand() *cobra.Command {
	var kubeconfig string
	timeout := time.Minute
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Ask the operators of all nodes to remove their rules, and wait for it",
		Long: `uninstall marks EdgeRouteTargets, so that the iptables-operator of every node
removes its own rules, and waits until all that run have said so. When the time is over
it names the nodes that have not and succeeds all the same: a broken node must not keep
a release on a cluster, and its kernel forgets at a reboot.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askAll(cmd.Context(), kubeconfig, timeout, logger(false))
		},
	}
	cmd.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig `file`; in-cluster configuration when empty")
	cmd.Flags().DurationVar(&timeout, "timeout", timeout, "how long to wait for the operators")
	return cmd
}

func askAll(ctx context.Context, kubeconfig string, timeout time.Duration, log *slog.Logger) error {
	cfg, err := restConfig(kubeconfig)
	if err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	asker := uninstall.Asker{Kube: kube, Dynamic: dyn}
	uid, err := daemonSetUID(ctx, kube)
	if err != nil {
		return err
	}
	marked, err := asker.Ask(ctx, uid)
	if err != nil || !marked {
		return err
	}
	return waitRemoved(ctx, asker, log)
}

// noDaemonSet is nobody's UID.
const noDaemonSet types.UID = "none"

// daemonSetUID is noDaemonSet when the DaemonSet is gone already: the mark is then for
// operators that somebody started by hand, and not for a later release.
func daemonSetUID(ctx context.Context, kube kubernetes.Interface) (types.UID, error) {
	ds, err := kube.AppsV1().DaemonSets(v1alpha1.KubeEdgeNamespace).Get(ctx, v1alpha1.OperatorDaemonSet, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return noDaemonSet, nil
	}
	if err != nil {
		return "", fmt.Errorf("get DaemonSet %s: %w", v1alpha1.OperatorDaemonSet, err)
	}
	return ds.UID, nil
}

func waitRemoved(ctx context.Context, asker uninstall.Asker, log *slog.Logger) error {
	told := ""
	for {
		left, err := asker.Left(ctx)
		if err != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return err
		}
		if err == nil && len(left) == 0 {
			log.Info("every operator has removed its rules")
			return nil
		}
		if now := strings.Join(left, ", "); err == nil && now != told {
			told = now
			log.Info("rules are still in the kernel", "nodes", told)
		}
		if !sleep(ctx, uninstallPoll) {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return ctx.Err()
			}
			log.Warn("rules may remain until a reboot", "nodes", told)
			return nil
		}
	}
}
