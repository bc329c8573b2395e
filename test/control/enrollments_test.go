package control

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/watcher/enrollment"
)

// numberOf is how many objects a test makes: few, or what a variable says. Thousands are
// for `make soak`.
func numberOf(t *testing.T, variable string, few int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%s is no number of objects", variable, text)
	}
	return n
}

// lookPause is between two looks at all enrollments: reading thousands all the time takes
// more of the API server than what is waited for.
const lookPause = 2 * time.Second

// patienceFor bounds the wait for many objects on a busy machine. One after another they
// get their turn.
func patienceFor(objects int) time.Duration {
	return patience + time.Duration(objects)*50*time.Millisecond
}

// enrollmentFor is an enrollment as the console writes it.
func enrollmentFor(name, ip string) *v1alpha1.EdgeEnrollment {
	return &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.JoinNamespace},
		Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: name, Arch: "amd64", NodeIP: ip, CodeHash: strings.Repeat("0", 64),
			CloudCore:  v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004},
			Components: v1alpha1.EdgeComponents{EdgeStream: true}},
	}
}

// unreadableEnrollment has a time that the API server takes and Go does not.
func unreadableEnrollment(t *testing.T, name string) client.Object {
	t.Helper()
	o := object(t, "EdgeEnrollment", name, "spec: {nodeName: "+name+", arch: amd64, nodeIP: 192.168.200.1, codeHash: '"+strings.Repeat("0", 64)+
		"', cloudCore: {host: 198.18.0.2, webSocketPort: 31000, certPort: 31002}, taints: [{key: k, effect: NoSchedule, timeAdded: '2026-01-01t00:00:00z'}]}")
	o.SetNamespace(v1alpha1.JoinNamespace)
	return o
}

// createMany creates objects as fast as the API server takes them.
func createMany(t *testing.T, n int, object func(i int) client.Object) {
	t.Helper()
	config := rest.CopyConfig(server.Config)
	config.QPS = -1
	fast, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	numbers := make(chan int)
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range 16 {
		all.Go(func() {
			for i := range numbers {
				if err := fast.Create(t.Context(), object(i)); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	all.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
}

// joins is what edge-watcher needs to sign: KubeEdge's CA and the records of what was
// issued. All enrollments go with the test.
func joins(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "KubeEdge"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.KubeEdgeNamespace, Name: "casecret"}, Data: map[string][]byte{"cadata": cert, "cakeydata": der}})
	for shard := range enrollment.IssuedShards {
		create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.KubeEdgeNamespace, Name: enrollment.IssuedName(shard)}})
	}
	t.Cleanup(func() {
		if err := admin.DeleteAllOf(context.Background(), &v1alpha1.EdgeEnrollment{}, client.InNamespace(v1alpha1.JoinNamespace)); err != nil {
			t.Error(err)
		}
	})
}

// signed asks for a certificate with an enrollment, waits for it and for the Node that waits
// for the device.
func signed(t *testing.T, patience time.Duration, name, ip string) {
	t.Helper()
	_, csr, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	e := enrollmentFor(name, ip)
	e.Spec.Bundle = &v1alpha1.BundleRequest{CSR: csr}
	if err := admin.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreNotFound(admin.Delete(context.Background(), node)); err != nil {
			t.Error(err)
		}
	})
	eventuallyWithin(t, patience, "enrollment "+name+" gets its certificate", func() error {
		if err := admin.Get(t.Context(), client.ObjectKeyFromObject(e), e); err != nil {
			return err
		}
		if len(e.Status.Certificate) == 0 {
			return fmt.Errorf("phase %q, conditions %+v", e.Status.Phase, e.Status.Conditions)
		}
		return nil
	})
	if err := admin.Get(t.Context(), client.ObjectKey{Name: name}, &corev1.Node{}); err != nil {
		t.Errorf("the Node of %s does not wait for its device: %v", name, err)
	}
}

// memoryOf is a figure of /proc/PID/status in MiB: VmRSS, or VmHWM, the most that a
// process ever had.
func memoryOf(t *testing.T, pid int, field string) float64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if value, found := bytes.CutPrefix(line, []byte(field+":")); found {
			var kib float64
			if _, err := fmt.Sscan(string(value), &kib); err != nil {
				t.Fatal(err)
			}
			return kib / 1024
		}
	}
	t.Fatalf("no %s of process %d", field, pid)
	return 0
}

// refusals are what the enrollments that were refused say about it, by name. They are read
// without their types, since some cannot be decoded.
func refusals(t *testing.T) (map[string]string, error) {
	t.Helper()
	out := map[string]string{}
	for next := ""; ; {
		page := &unstructured.UnstructuredList{}
		page.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("EdgeEnrollmentList"))
		if err := admin.List(t.Context(), page, client.InNamespace(v1alpha1.JoinNamespace), client.Limit(500), client.Continue(next)); err != nil {
			return nil, err
		}
		for i := range page.Items {
			list, _, err := unstructured.NestedSlice(page.Items[i].Object, "status", "conditions")
			if err != nil {
				return nil, err
			}
			for _, item := range list {
				if c, _ := item.(map[string]any); c["type"] == v1alpha1.ConditionReserved && c["status"] == "False" {
					out[page.Items[i].GetName()], _ = c["message"].(string)
				}
			}
		}
		if next = page.GetContinue(); next == "" {
			return out, nil
		}
	}
}

// TestBadEnrollmentsStopNobody: thousands that cannot be read, or claim what others have,
// each say why they are refused, and joins and routes go on beside them: while they come,
// with all of them there, and after a restart. They take a bounded part of edge-watcher's
// memory.
func TestBadEnrollmentsStopNobody(t *testing.T) {
	bad := numberOf(t, "EDGEWAY_BAD_ENROLLMENTS", 500)
	patience := patienceFor(bad)
	cloudCore(t)
	removeOurs(t)
	joins(t)
	createNode(t, edgeNode("owner", "192.168.1.1"))
	watcher := startWatcher(t)
	waitRouted(t, "the first route", "owner", "192.168.1.1")
	signed(t, patience, "before", "192.168.2.1")
	before := memoryOf(t, watcher.cmd.Process.Pid, "VmHWM")

	began := time.Now()
	var coming sync.WaitGroup
	coming.Go(func() {
		createMany(t, bad, func(i int) client.Object {
			name := fmt.Sprintf("bad-%05d", i)
			switch i % 3 {
			case 0:
				return unreadableEnrollment(t, name)
			case 1:
				e := enrollmentFor(name, fmt.Sprintf("172.20.%d.%d", i/250, i%250+1))
				e.Spec.NodeName = "owner"
				return e
			default:
				return enrollmentFor(name, "192.168.1.1")
			}
		})
	})
	signed(t, patience, "during", "192.168.2.2")
	t.Logf("a join while they come is done after %.1f s", time.Since(began).Seconds())
	createNode(t, edgeNode("routed-during", "192.168.3.1"))
	waitRouted(t, "a route while they come", "routed-during", "192.168.3.1")
	coming.Wait()
	t.Logf("%d bad enrollments created in %.1f s", bad, time.Since(began).Seconds())
	signed(t, patience, "after", "192.168.2.3")
	createNode(t, edgeNode("routed-after", "192.168.3.2"))
	waitRouted(t, "a route with all of them there", "routed-after", "192.168.3.2")
	t.Logf("a join and a route beside them are done after %.1f s", time.Since(began).Seconds())
	var told map[string]string
	eventuallyWithin(t, patience, "every bad enrollment says why", func() error {
		time.Sleep(lookPause)
		var err error
		if told, err = refusals(t); err == nil && len(told) != bad {
			err = fmt.Errorf("%d of %d do", len(told), bad)
		}
		return err
	})
	t.Logf("all of them are told after %.1f s", time.Since(began).Seconds())
	for i := range bad {
		want := []string{
			`spec.taints[0].timeAdded "2026-01-01t00:00:00z": `, `"owner" is a node of this cluster already`, `192.168.1.1 is the address of node "owner"`,
		}[i%3]
		if got := told[fmt.Sprintf("bad-%05d", i)]; !strings.Contains(got, want) {
			t.Fatalf("bad-%05d says %q, want %q in it", i, got, want)
		}
	}
	most := memoryOf(t, watcher.cmd.Process.Pid, "VmHWM")
	t.Logf("edge-watcher's VmHWM: %.0f MiB before, %.0f MiB with %d bad enrollments", before, most, bad)
	if allowed := before + 40 + 0.012*float64(bad); most > allowed {
		t.Errorf("edge-watcher took %.0f MiB at most, %.0f MiB without the bad enrollments; want at most %.0f MiB", most, before, allowed)
	}

	watcher.kill(t)
	watcher = startWatcher(t)
	signed(t, patience, "again", "192.168.2.4")
	createNode(t, edgeNode("routed-again", "192.168.3.3"))
	waitRouted(t, "a route after a restart", "routed-again", "192.168.3.3")
	t.Logf("edge-watcher's VmHWM after a restart with all of them: %.0f MiB", memoryOf(t, watcher.cmd.Process.Pid, "VmHWM"))
}

// TestManyEnrollmentsAreReserved: all that ask for names and addresses of their own get them.
func TestManyEnrollmentsAreReserved(t *testing.T) {
	count := numberOf(t, "EDGEWAY_ENROLLMENTS", 200)
	patience := patienceFor(count)
	cloudCore(t)
	removeOurs(t)
	joins(t)
	watcher := startWatcher(t)
	signed(t, patience, "first", "192.168.2.1") // it leads
	began := time.Now()
	createMany(t, count, func(i int) client.Object {
		return enrollmentFor(fmt.Sprintf("good-%05d", i), fmt.Sprintf("172.20.%d.%d", i/250, i%250+1))
	})
	created := time.Since(began)
	var reserved time.Time // the last one, in whole seconds
	eventuallyWithin(t, patience, "all are reserved", func() error {
		time.Sleep(lookPause)
		n := 0
		for next := ""; ; {
			var page v1alpha1.EdgeEnrollmentList
			if err := admin.List(t.Context(), &page, client.InNamespace(v1alpha1.JoinNamespace), client.Limit(500), client.Continue(next)); err != nil {
				return err
			}
			for i := range page.Items {
				e := &page.Items[i]
				c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReserved)
				if c != nil && c.Status == metav1.ConditionTrue {
					n++
					if c.LastTransitionTime.After(reserved) {
						reserved = c.LastTransitionTime.Time
					}
				} else if e.Status.Phase == v1alpha1.PhaseRefused {
					t.Fatalf("enrollment %s is refused: %+v", e.Name, e.Status.Conditions)
				}
			}
			if next = page.Continue; next == "" {
				break
			}
		}
		if n != count+1 {
			return fmt.Errorf("%d of %d", n, count+1)
		}
		return nil
	})
	t.Logf("%d enrollments: created in %.1f s, reserved %.1f s after the first was created; VmHWM %.0f MiB",
		count, created.Seconds(), reserved.Sub(began).Seconds(), memoryOf(t, watcher.cmd.Process.Pid, "VmHWM"))
}
