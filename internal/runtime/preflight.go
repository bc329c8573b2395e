package runtime

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilversion "k8s.io/apimachinery/pkg/util/version"

	"github.com/edgeway-io/edgeway/internal/settings"
)

// oldest Kubernetes that is served.
const oldest = "1.30.0"

// preflight looks at what is not in the settings: the cluster's version and the
// flags of those that will read logs and metrics. Fields begin with "cluster.".
func (r *Runtime) preflight(ctx context.Context) ([]settings.Problem, error) {
	info, err := r.kube.Discovery().ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("read version of the cluster: %w", err)
	}
	var out []settings.Problem
	if version, err := utilversion.ParseGeneric(info.GitVersion); err == nil && version.LessThan(utilversion.MustParseGeneric(oldest)) {
		out = append(out, settings.Problem{
			Field: "cluster.version", Value: info.GitVersion, Code: "ClusterTooOld",
			Message: "Kubernetes is older than " + oldest, Remedy: "upgrade the cluster",
		})
	}
	pods, err := r.kube.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list pods of kube-system: %w", err)
	}
	return append(out, checkReaders(pods.Items)...), nil
}

// checkReaders is pure: it warns of flags under which requests to edge nodes fail.
func checkReaders(pods []corev1.Pod) []settings.Problem {
	var out []settings.Problem
	for _, pod := range pods {
		for _, c := range pod.Spec.Containers {
			flags := append(slices.Clone(c.Command), c.Args...)
			switch {
			case c.Name == "kube-apiserver" && hasFlag(flags, "--kubelet-certificate-authority"):
				out = append(out, settings.Problem{
					Field: "cluster.apiserver", Code: "KubeletCertificateVerified", Warning: true,
					Message: "kube-apiserver verifies kubelets' certificates, and CloudStream's does not carry the edge nodes' addresses",
					Remedy:  "start kube-apiserver without --kubelet-certificate-authority, or logs and exec of edge nodes will fail",
				})
			case c.Name == "metrics-server" && !hasFlag(flags, "--kubelet-insecure-tls"):
				out = append(out, settings.Problem{
					Field: "cluster.metricsServer", Code: "MetricsServerVerifies", Warning: true,
					Message: "metrics-server verifies kubelets' certificates, and CloudStream's does not carry the edge nodes' addresses",
					Remedy:  "start metrics-server with --kubelet-insecure-tls and --kubelet-use-node-status-port, or edge nodes have no metrics",
				})
			}
		}
	}
	return out
}

func hasFlag(flags []string, name string) bool {
	return slices.ContainsFunc(flags, func(f string) bool { return f == name || strings.HasPrefix(f, name+"=") })
}
