package runtime

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// Facts gathers what validation has to know of the cluster for s.
func (r *Runtime) Facts(ctx context.Context, s settings.Settings) (settings.ClusterFacts, error) {
	var facts settings.ClusterFacts
	nodes, err := r.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return facts, fmt.Errorf("list nodes: %w", err)
	}
	for _, n := range nodes.Items {
		facts.Nodes = append(facts.Nodes, nodeFact(n))
	}
	services, err := r.kube.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return facts, fmt.Errorf("list services: %w", err)
	}
	mine := map[int]bool{}
	for _, service := range services.Items {
		if service.Labels[probeLabel] != "" {
			continue
		}
		own := service.Namespace == Namespace && ours(&service)
		for _, p := range service.Spec.Ports {
			switch {
			case p.NodePort == 0:
			case own:
				mine[int(p.NodePort)] = true
			default:
				facts.UsedNodePorts = append(facts.UsedNodePorts, settings.UsedNodePort{
					Port: int(p.NodePort), Protocol: string(p.Protocol), Service: service.Namespace + "/" + service.Name,
				})
			}
		}
		if own && service.Name == serviceCloudCore {
			facts.LoadBalancer = loadBalancerAddresses(&service)
		}
	}
	facts.RefusedNodePorts, err = r.refusedNodePorts(ctx, s, mine)
	return facts, err
}

func nodeFact(n corev1.Node) settings.NodeFact {
	_, edge := n.Labels[v1alpha1.LabelEdge]
	fact := settings.NodeFact{Name: n.Name, Edge: edge, Unschedulable: n.Spec.Unschedulable}
	for _, a := range n.Status.Addresses {
		switch a.Type {
		case corev1.NodeExternalIP:
			fact.ExternalIPs = append(fact.ExternalIPs, a.Address)
		case corev1.NodeInternalIP:
			fact.InternalIPs = append(fact.InternalIPs, a.Address)
		}
	}
	return fact
}

func loadBalancerAddresses(service *corev1.Service) []string {
	var out []string
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		switch {
		case ingress.IP != "":
			out = append(out, ingress.IP)
		case ingress.Hostname != "":
			out = append(out, ingress.Hostname)
		}
	}
	return out
}

// probeLabel marks Services that only ask for a port.
const probeLabel = "edgeway.io/probe"

// usualNodePort says whether the port is in the range of an apiserver that was given none.
func usualNodePort(port int) bool { return port >= 30000 && port <= 32767 }

// refusedNodePorts asks the apiserver, which alone knows its NodePort range. Ports
// that our own Services hold already are fine.
func (r *Runtime) refusedNodePorts(ctx context.Context, s settings.Settings, mine map[int]bool) (map[int]string, error) {
	refused := map[int]string{}
	cleared := false
	for _, p := range s.NodePorts() {
		if mine[p.Port] || p.Port < 1 || p.Port > 65535 {
			continue
		}
		if !usualNodePort(p.Port) && !cleared {
			if err := r.clearProbes(ctx); err != nil {
				return nil, err
			}
			cleared = true
		}
		err := r.tryNodePort(ctx, p)
		if apierrors.IsInvalid(err) {
			refused[p.Port] = shortReason(err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("try NodePort %d: %w", p.Port, err)
		}
	}
	return refused, nil
}

// tryNodePort is a dry run, which finds ports that are taken but does not compare
// with the range. Only outside the usual range a Service is really made, and
// deleted at once: a cluster with a range of its own is not to be refused.
func (r *Runtime) tryNodePort(ctx context.Context, p settings.Port) error {
	services := r.kube.CoreV1().Services(metav1.NamespaceDefault)
	probe := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "edgeway-probe-", Labels: map[string]string{probeLabel: "true"}},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{
			Protocol: corev1.Protocol(p.Protocol), Port: int32(p.Container),
			TargetPort: intstr.FromInt32(int32(p.Container)), NodePort: int32(p.Port),
		}}},
	}
	if usualNodePort(p.Port) {
		_, err := services.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	}
	made, err := services.Create(ctx, probe, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return gone("Service "+made.Name, services.Delete(context.WithoutCancel(ctx), made.Name, metav1.DeleteOptions{}))
}

// clearProbes deletes those of a process that ended before it could: they would hold
// the very ports that are asked for again.
func (r *Runtime) clearProbes(ctx context.Context) error {
	services := r.kube.CoreV1().Services(metav1.NamespaceDefault)
	left, err := services.List(ctx, metav1.ListOptions{LabelSelector: probeLabel})
	if err != nil {
		return fmt.Errorf("look for probes: %w", err)
	}
	for _, probe := range left.Items {
		if err := gone("Service "+probe.Name, services.Delete(ctx, probe.Name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	return nil
}

// shortReason keeps what follows the object and the field in an apiserver's refusal.
func shortReason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		return text[i+2:]
	}
	return text
}
