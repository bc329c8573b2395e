package tunnelport_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/edgeway-io/edgeway/sandbox/standin/cloudcore/tunnelport"
)

func record(text string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "tunnelport", Namespace: "kubeedge",
		Annotations: map[string]string{"tunnelportrecord.kubeedge.io": text}}}
}

func TestNegotiate(t *testing.T) {
	tests := map[string]struct {
		before string // empty: no ConfigMap
		want   int
		after  string
	}{
		"first": {"", 10351, `{"ipTunnelPort":{"198.18.0.2":10351},"port":{"10351":true}}`},
		"restarted": {`{"ipTunnelPort":{"198.18.0.2":10352},"port":{"10352":true}}`, 10352,
			`{"ipTunnelPort":{"198.18.0.2":10352},"port":{"10352":true}}`},
		"second": {`{"ipTunnelPort":{"198.18.0.9":10351},"port":{"10351":true}}`, 10352,
			`{"ipTunnelPort":{"198.18.0.2":10352,"198.18.0.9":10351},"port":{"10351":true,"10352":true}}`},
		"ports of the dead stay taken": {`{"ipTunnelPort":{},"port":{"10351":true,"10352":true}}`, 10353,
			`{"ipTunnelPort":{"198.18.0.2":10353},"port":{"10351":true,"10352":true,"10353":true}}`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var objects []runtime.Object
			if tt.before != "" {
				objects = append(objects, record(tt.before))
			}
			client := fake.NewClientset(objects...).CoreV1().ConfigMaps("kubeedge")
			got, err := tunnelport.Negotiate(context.Background(), client, "198.18.0.2")
			if err != nil || got != tt.want {
				t.Fatalf("got %d, %v; want %d", got, err, tt.want)
			}
			m, err := client.Get(context.Background(), "tunnelport", metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.after, m.Annotations["tunnelportrecord.kubeedge.io"]); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

// Another CloudCore takes a port between our reading and our writing.
func TestNegotiateAgainAfterConflict(t *testing.T) {
	clients := fake.NewClientset(record(`{"ipTunnelPort":{},"port":{}}`))
	var conflicts atomic.Int32
	clients.PrependReactor("update", "configmaps", func(kubetesting.Action) (bool, runtime.Object, error) {
		if conflicts.Add(1) > 1 {
			return false, nil, nil
		}
		taken := record(`{"ipTunnelPort":{"198.18.0.9":10351},"port":{"10351":true}}`)
		if err := clients.Tracker().Update(corev1.SchemeGroupVersion.WithResource("configmaps"), taken, "kubeedge"); err != nil {
			t.Error(err)
		}
		return true, nil, apierrors.NewConflict(corev1.Resource("configmaps"), "tunnelport", nil)
	})
	got, err := tunnelport.Negotiate(context.Background(), clients.CoreV1().ConfigMaps("kubeedge"), "198.18.0.2")
	if err != nil || got != 10352 {
		t.Errorf("got %d, %v; want 10352", got, err)
	}
}

func TestNegotiateWithoutRecord(t *testing.T) {
	bare := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "tunnelport", Namespace: "kubeedge"}}
	_, err := tunnelport.Negotiate(context.Background(), fake.NewClientset(bare).CoreV1().ConfigMaps("kubeedge"), "198.18.0.2")
	if err == nil || !strings.Contains(err.Error(), "tunnelportrecord.kubeedge.io") {
		t.Errorf("got %v, want the annotation's name", err)
	}
}
