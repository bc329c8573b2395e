package main

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/google/go-cmp/cmp"
)

var now = time.Now()

func service(name string, age time.Duration, change func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", CreationTimestamp: metav1.NewTime(now.Add(-age))},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}
	if change != nil {
		change(s)
	}
	return s
}

func holds(ip string) func(*corev1.Service) {
	return func(s *corev1.Service) { s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip}} }
}

func TestAssign(t *testing.T) {
	other := "somebody/else"
	p, err := parsePool("198.18.0.128/30")
	if err != nil {
		t.Fatal(err)
	}
	given, without := p.assign([]*corev1.Service{
		service("young", time.Second, nil),
		service("old", time.Minute, nil),
		service("keeps", time.Second, holds("198.18.0.128")),
		service("asks", time.Second, func(s *corev1.Service) { s.Spec.LoadBalancerIP = "198.18.0.131" }),
		service("asks-in-vain", 0, func(s *corev1.Service) { s.Spec.LoadBalancerIP = "198.18.0.128" }),
		service("asks-elsewhere", 0, func(s *corev1.Service) { s.Spec.LoadBalancerIP = "10.0.0.1" }),
		service("another-class", time.Hour, func(s *corev1.Service) { s.Spec.LoadBalancerClass = &other }),
		service("node-port", time.Hour, func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }),
	})
	got := map[string]string{}
	for s, ip := range given {
		got[s.Name] = ip.String()
	}
	want := map[string]string{"keeps": "198.18.0.128", "old": "198.18.0.129", "young": "198.18.0.130", "asks": "198.18.0.131"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	var names []string
	for _, s := range without {
		names = append(names, s.Name)
	}
	if diff := cmp.Diff([]string{"asks-elsewhere", "asks-in-vain"}, names); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
}

func TestParsePool(t *testing.T) {
	for _, bad := range []string{"", "198.18.0.128", "198.18.0.129/28", "fd00::/120", "a"} {
		if _, err := parsePool(bad); err == nil {
			t.Errorf("%q is taken for a pool", bad)
		}
	}
}

// recorder is an entry that remembers what it was last told to answer for.
type recorder struct {
	mu  sync.Mutex
	now map[netip.Addr]bool
}

func (r *recorder) take(_ pool, wanted map[netip.Addr]bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = wanted
	return nil
}

func (r *recorder) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.now)
}

// TestController: a Service gets an address, loses it when it changes its type,
// and what is left of an earlier life is cleared away.
func TestController(t *testing.T) {
	p, err := parsePool("198.18.0.128/30")
	if err != nil {
		t.Fatal(err)
	}
	stale := service("stale", time.Hour, holds("198.18.0.130"))
	stale.Spec.Type = corev1.ServiceTypeClusterIP
	client := fake.NewClientset(service("web", time.Hour, nil), stale)
	var entry recorder
	ctx := t.Context()
	go func() {
		if err := newController(client, p, &entry).run(ctx); err != nil {
			t.Error(err)
		}
	}()

	ingress := func(name string) []corev1.LoadBalancerIngress {
		s, err := client.CoreV1().Services("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Status.LoadBalancer.Ingress
	}
	eventually(t, func() bool {
		got := ingress("web")
		return len(got) == 1 && got[0].IP == "198.18.0.128" && len(ingress("stale")) == 0 && entry.len() == 1
	})
	web, err := client.CoreV1().Services("default").Get(ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	web.Spec.Type = corev1.ServiceTypeNodePort
	if _, err := client.CoreV1().Services("default").Update(ctx, web, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(ingress("web")) == 0 && entry.len() == 0 })
}

func eventually(t *testing.T, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not in 20 seconds")
		}
	}
}
