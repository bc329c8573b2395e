package watcher

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// TestNetworks: the cluster's own word counts, in order of its newness.
func TestNetworks(t *testing.T) {
	cidr := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.96.0.0/12", "fd96::/108"}}}
	more := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.200.0.0/16"}}}
	apiserver := func(annotations map[string]string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-apiserver-cp", Labels: map[string]string{"component": "kube-apiserver"}, Annotations: annotations},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Command: []string{"kube-apiserver", "--service-cluster-ip-range=10.32.0.0/24,fd32::/112"}}}},
		}
	}
	static := apiserver(map[string]string{corev1.MirrorPodAnnotationKey: "x"})
	kubeadm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: kubeadmConfig},
		Data: map[string]string{"ClusterConfiguration": "networking:\n  serviceSubnet: 10.64.0.0/16\n"}}
	for name, c := range map[string]struct {
		objects []client.Object
		want    []string
	}{
		"ServiceCIDRs":                 {[]client.Object{cidr, more, static, kubeadm}, []string{"10.96.0.0/12", "10.200.0.0/16", "fd96::/108"}},
		"kube-apiserver's flag":        {[]client.Object{static, kubeadm}, []string{"10.32.0.0/24", "fd32::/112"}},
		"a pod that looks like it":     {[]client.Object{apiserver(nil), kubeadm}, []string{"10.64.0.0/16"}},
		"kubeadm":                      {[]client.Object{kubeadm}, []string{"10.64.0.0/16"}},
		"nothing but what is set here": {nil, nil},
	} {
		n := &Networks{configured: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, live: newSite(t, c.objects...), log: slog.New(slog.NewTextHandler(io.Discard, nil))}
		n.look(t.Context())
		if got, want := fmt.Sprint(n.Current()), fmt.Sprint(append([]string{"192.0.2.0/24"}, c.want...)); got != want {
			t.Errorf("%s: networks are %s, want %s", name, got, want)
		}
	}
}
