package control

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// object reads YAML of an object of ours.
func object(t *testing.T, kind, name, body string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(body), &o.Object); err != nil {
		t.Fatal(err)
	}
	o.SetAPIVersion(v1alpha1.GroupVersion.String())
	o.SetKind(kind)
	o.SetName(name)
	return o
}

// Whoever may write route objects can say where requests to an address go, and can
// write no rule: what is no address and no port does not get into the API.
func TestCRDsTakeAddressesAndPortsOnly(t *testing.T) {
	slice, targets, report := "EdgeRouteSlice", "EdgeRouteTargets", "CloudNodeRoutes"
	enrollment := "EdgeEnrollment"
	spec := "nodeName: edge-1, arch: arm64, nodeIP: 192.168.1.1, codeHash: '" + strings.Repeat("0", 64) + "', cloudCore: {host: h, webSocketPort: 1, certPort: 2}"
	route := func(fields string) string { return "routes: [{node: e, " + fields + "}]" }
	target := func(fields string) string { return "targets: [{" + fields + "}]" }
	for _, c := range []struct {
		kind, name, body string
		refused          string // a part of the message; empty: accepted
	}{
		{slice, "a", route("address: 192.168.1.1, ports: [10250, 10350], target: '10351'"), ""},
		{slice, "a", route("address: '2001:db8::1', target: configured"), ""},
		{slice, "a", route("address: '::ffff:192.168.1.1'"), "address"},
		{slice, "a", "routes: []", ""},
		{slice, "a", route("address: 192.168.1.256"), "address"},
		{slice, "a", route("address: 192.168.01.1"), "address"},
		{slice, "a", route("address: 192.168.1.0/24"), "address"},
		{slice, "a", route("address: 192.168.1.1; drop"), "address"},
		{slice, "a", route("address: device.example.com"), "address"},
		{slice, "a", route("address: ''"), "address"},
		{slice, "a", route("address: 127.0.0.1"), "address"},
		{slice, "a", route("address: 0.0.0.0"), "address"},
		{slice, "a", route("address: 0.1.2.3"), "address"},
		{slice, "a", route("address: 126.255.0.9"), ""},
		{slice, "a", route("address: 128.0.0.1"), ""},
		{slice, "a", route("address: '0:0:0:0:0:0:0:1'"), "address"},
		{slice, "a", route("address: '::1'"), "address"},
		{slice, "a", route("address: 10.0.0.1, ports: [0]"), "ports"},
		{slice, "a", route("address: 10.0.0.1, ports: [65536]"), "ports"},
		{slice, "a", route("address: 10.0.0.1, ports: ['10250']"), "ports"},
		{slice, "a", route("address: 10.0.0.1, target: '10351 accept'"), "target"},
		{slice, "a", route("address: 10.0.0.1, target: 10.0.0.2"), "target"},
		{slice, "a", "routes: [" + strings.Repeat("{node: e, address: 10.0.0.1}, ", v1alpha1.MaxRoutesPerSlice+1) + "]", "100"},
		{targets, "cloudcore", target("id: '10351', tunnelPort: 10351, endpoints: [{address: 10.1.0.5, port: 10003}]"), ""},
		{targets, "cloudcore", target("id: configured, endpoints: [{address: 10.1.0.5, port: 31003}]"), ""},
		{targets, "other", "targets: []", "cloudcore"},
		{targets, "cloudcore", target("id: '10351', tunnelPort: 10352"), "tunnel port in decimal"},
		{targets, "cloudcore", target("id: '10351'"), "tunnel port in decimal"},
		{targets, "cloudcore", target("id: configured, tunnelPort: 10351"), "tunnel port in decimal"},
		{targets, "cloudcore", target("id: x"), "id"},
		{targets, "cloudcore", target("id: configured, endpoints: [{address: cloudcore, port: 10003}]"), "address"},
		{targets, "cloudcore", target("id: configured, endpoints: [{address: 10.1.0.5, port: 0}]"), "port"},
		{targets, "cloudcore", "targets: []\nguard: {enabled: true, addresses: [10.0.0.1, '2001:db8::1'], ports: [10013]}", ""},
		{targets, "cloudcore", "targets: []\nguard: {enabled: true, addresses: ['0.0.0.0/0 accept']}", "addresses"},
		{targets, "cloudcore", "targets: []\nguard: {enabled: true, ports: [65536]}", "ports"},
		{enrollment, "e", "spec: {" + spec + ", lifetime: 1h30m0s, drainTimeout: 2m0s}", ""},
		{enrollment, "e", "spec: {" + spec + ", lifetime: zzz}", "lifetime"},
		{enrollment, "e", "spec: {" + spec + ", lifetime: ''}", "lifetime"},
		{enrollment, "e", "spec: {" + spec + ", lifetime: -1h}", "lifetime"},
		{enrollment, "e", "spec: {" + spec + ", lifetime: 721h}", "lifetime"},
		{enrollment, "e", "spec: {" + spec + ", drainTimeout: 5}", "drainTimeout"},
		{enrollment, "e", "spec: {" + spec + ", drainTimeout: 1 hour}", "drainTimeout"},
		{enrollment, "e", "spec: {" + strings.ReplaceAll(spec, "192.168.1.1", "0.1.2.3") + "}", "nodeIP"},
		{enrollment, "e", "spec: {" + strings.ReplaceAll(spec, "192.168.1.1", "'::82'") + "}", "nodeIP"},
		{enrollment, "e", "spec: {" + strings.ReplaceAll(spec, "certPort", "quicPort: 99999999999, certPort") + "}", "quicPort"},
		{report, "cloud-1", "status: {routes: 1, counters: {guarded: 1}}", ""},
	} {
		o := object(t, c.kind, c.name, c.body)
		if c.kind == enrollment {
			o.SetNamespace(v1alpha1.JoinNamespace)
		}
		err := admin.Create(t.Context(), o, client.DryRunAll)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s %s: %s is refused: %v", c.kind, c.name, c.body, err)
		case c.refused != "" && !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err):
			t.Errorf("%s %s: %s is not refused: %v", c.kind, c.name, c.body, err)
		case c.refused != "" && !strings.Contains(err.Error(), c.refused):
			t.Errorf("%s %s: %s: the refusal %q does not mention %q", c.kind, c.name, c.body, err, c.refused)
		}
	}
}

// An operator writes the report of its own node and nothing else of ours.
func TestAnOperatorWritesItsOwnReportOnly(t *testing.T) {
	operator := clientOf(t, "iptables-operator", "cloud-1")
	own := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: "cloud-1"}}
	other := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: "cloud-2"}}
	create(t, other)
	report := func(r *v1alpha1.CloudNodeRoutes) error {
		next := r.DeepCopy()
		next.Status.Addresses = []string{"203.0.113.66"}
		return operator.Status().Patch(t.Context(), next, client.MergeFrom(r))
	}
	// The policy takes a moment to be in force.
	eventually(t, "the report of another node is refused", func() error {
		if err := report(other); err == nil {
			return errUnexpected
		} else if !strings.Contains(err.Error(), "report of that node only") {
			return err
		}
		return nil
	})
	if err := operator.Create(t.Context(), own); err != nil {
		t.Fatalf("the operator may not create its own report: %v", err)
	}
	t.Cleanup(func() { _ = admin.Delete(t.Context(), own) })
	if err := report(own); err != nil {
		t.Errorf("the operator may not write its own report: %v", err)
	}
	if err := operator.Status().Patch(t.Context(), own, client.RawPatch(types.MergePatchType, []byte(`{"status":{"addresses":["10.0.0.300"]}}`))); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "addresses") {
		t.Errorf("a report with what is no address: %v, want a refusal that names addresses", err)
	}
	for what, err := range map[string]error{
		"create another node's report": operator.Create(t.Context(), &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: "cloud-3"}}),
		"delete its report":            operator.Delete(t.Context(), own),
		"write a route":                operator.Create(t.Context(), object(t, "EdgeRouteSlice", "a", "routes: []")),
		"write targets":                operator.Create(t.Context(), object(t, "EdgeRouteTargets", "cloudcore", "targets: []")),
		"read a Node":                  operator.Get(t.Context(), client.ObjectKey{Name: "cloud-1"}, &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"}}),
	} {
		if err == nil || (!apierrors.IsForbidden(err) && !apierrors.IsInvalid(err)) {
			t.Errorf("the operator may %s: %v", what, err)
		}
	}
	// A token that names no node, as a stolen Secret would hold, writes nothing.
	if err := clientOf(t, "iptables-operator", "").Status().Patch(t.Context(), own, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"routes":7}}`))); err == nil {
		t.Error("a token without a node may write a report")
	}
}
