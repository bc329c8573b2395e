//go:build e2e

package soak

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// responder stands where a CloudCore would: it has an endpoint and a record, so
// that edge-watcher and the operators make real routes to it, and answers TCP
// connections itself, so that nothing but a route can make one fail.
type responder struct {
	name, ip string
	// port is its tunnel port, by which a Node says that it is responsible.
	port   int32
	server *lab.Server
}

// link is the machine's interface to the sandbox's internet.
const link = "edgeway0"

// startResponders makes responders on the machine, beside the site's hosts.
func startResponders(t *testing.T, client kubernetes.Interface) (steady, other responder) {
	t.Helper()
	machine := lab.At(t, machine)
	steady = responder{name: "steady", ip: "198.18.0.201", port: 10391}
	other = responder{name: "other", ip: "198.18.0.202", port: 10392}
	for _, r := range []*responder{&steady, &other} {
		lab.Run(t, "ip", "addr", "add", r.ip+"/32", "dev", link)
		t.Cleanup(func() {
			if out, err := exec.Command("ip", "addr", "del", r.ip+"/32", "dev", link).CombinedOutput(); err != nil {
				t.Errorf("remove %s: %v: %s", r.ip, err, out)
			}
		})
		r.server = machine.Serve(r.name, fmt.Sprintf("%s:%d", r.ip, v1alpha1.StreamPort))
		r.addEndpoint(t, client)
	}
	record(t, client, func(byIP map[string]int32, given map[string]bool) {
		for _, r := range []responder{steady, other} {
			byIP[r.ip], given[fmt.Sprint(r.port)] = r.port, true
		}
	})
	t.Cleanup(func() {
		record(t, client, func(byIP map[string]int32, given map[string]bool) {
			for _, r := range []responder{steady, other} {
				delete(byIP, r.ip)
				delete(given, fmt.Sprint(r.port))
			}
		})
	})
	return steady, other
}

// slice is the responder's EndpointSlice. Its port has a name that CloudCore's
// Service does not have, so that kube-proxy sends no edge node here.
func (r responder) slice() *discoveryv1.EndpointSlice {
	ready, name, port, tcp := true, "soak", int32(v1alpha1.StreamPort), corev1.ProtocolTCP
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "soak-" + r.name, Namespace: v1alpha1.KubeEdgeNamespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: "cloudcore", discoveryv1.LabelManagedBy: "soak"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{r.ip}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
	}
}

func (r responder) addEndpoint(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	slices := client.DiscoveryV1().EndpointSlices(v1alpha1.KubeEdgeNamespace)
	if _, err := slices.Create(t.Context(), r.slice(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := slices.Delete(noCancel(t), r.slice().Name, metav1.DeleteOptions{}); err != nil {
			t.Errorf("remove the endpoint of %s: %v", r.name, err)
		}
	})
}

// record edits what the CloudCores have recorded about their tunnel ports. They
// write it when they start, so somebody else may be faster.
func record(t *testing.T, client kubernetes.Interface, edit func(byIP map[string]int32, given map[string]bool)) {
	t.Helper()
	for range 10 {
		maps := client.CoreV1().ConfigMaps(v1alpha1.KubeEdgeNamespace)
		cm, err := maps.Get(noCancel(t), v1alpha1.TunnelPortConfigMap, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var stored struct {
			IPTunnelPort map[string]int32 `json:"ipTunnelPort"`
			Port         map[string]bool  `json:"port"`
		}
		if err := json.Unmarshal([]byte(cm.Annotations[v1alpha1.TunnelPortAnnotation]), &stored); err != nil {
			t.Fatal(err)
		}
		edit(stored.IPTunnelPort, stored.Port)
		text, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		cm.Annotations[v1alpha1.TunnelPortAnnotation] = string(text)
		if _, err = maps.Update(noCancel(t), cm, metav1.UpdateOptions{}); err == nil {
			return
		}
		if !strings.Contains(err.Error(), "the object has been modified") {
			t.Fatal(err)
		}
	}
	t.Fatal("CloudCore's record changes all the time")
}
