package watcher

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/settings"
)

func guardPod(namespace, name, node, ip string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec:       corev1.PodSpec{NodeName: node},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIPs: []corev1.PodIP{{IP: ip}}},
	}
}

func TestGuard(t *testing.T) {
	metricsServer := map[string]string{"k8s-app": "metrics-server"}
	done := guardPod("kube-system", "done", "cp", "10.1.0.13", metricsServer)
	done.Status.Phase = corev1.PodSucceeded
	objects := []client.Object{
		guardPod("kube-system", "metrics-server", "cp", "10.1.0.10", metricsServer),
		guardPod("kube-system", "on-an-edge-node", "e1", "10.1.0.11", metricsServer),
		guardPod("kube-system", "other", "cp", "10.1.0.12", map[string]string{"k8s-app": "other"}),
		done,
		guardPod("tenant", "looks-alike", "cp", "10.1.0.14", metricsServer),
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.KubeEdgeNamespace, Name: "cloudcore-stream"},
			Spec: corev1.ServiceSpec{
				ClusterIPs: []string{"10.96.0.30"}, ExternalIPs: []string{"203.0.113.7"},
				Ports: []corev1.ServicePort{{Port: 10003, NodePort: 31003, Protocol: corev1.ProtocolTCP}},
			},
			Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: []corev1.LoadBalancerIngress{{IP: "198.51.100.4"}, {Hostname: "lb.example"}}}},
		},
	}
	s := newSite(t, objects...)
	o := defaultGuardOptions()
	o.AdmitPods = settings.DefaultAdmitPods()
	o.Admit = []string{"192.0.2.1", "192.0.3.9/24"}
	selectors, err := o.podSelectors()
	if err != nil {
		t.Fatal(err)
	}
	g := guardian{reader: s, pods: &podSource{reader: s, admitted: selectors}, options: o}
	in := routes.Input{
		Nodes:      []routes.Node{{Name: "cp", Addresses: []string{"198.18.0.2"}}, {Name: "e1", Edge: true, Addresses: []string{"192.168.100.1"}}},
		CloudCores: []routes.CloudCore{{Pod: "kubeedge/a", NodeName: "cp", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.5")}}},
	}
	got, err := g.guard(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := &v1alpha1.EdgeRouteGuard{
		Enabled:  true,
		NodePort: 31003,
		ServicePorts: []v1alpha1.EdgeRouteGuardPort{
			{Addresses: []string{"10.1.0.5"}, Port: 10013},
			{Addresses: []string{"10.1.0.5"}, Port: 10014},
			{Addresses: []string{"10.96.0.30", "198.51.100.4", "203.0.113.7"}, Port: 10003},
		},
		Admitted: []string{"10.1.0.10", "192.0.2.1", "192.0.3.0/24"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("guard (-want +got):\n%s", diff)
	}

	in.CloudCores[0].Addresses[0] = netip.MustParseAddr("198.18.0.2")
	if got, err := g.guard(t.Context(), in); err != nil || !got.HostNetwork {
		t.Errorf("guard is %+v, %v; want hostNetwork, since CloudCore has its node's address", got, err)
	}
	g.options.Enabled = false
	if got, err := g.guard(t.Context(), in); err != nil || !cmp.Equal(got, &v1alpha1.EdgeRouteGuard{}) {
		t.Errorf("guard is %+v, %v; want it off", got, err)
	}
}
