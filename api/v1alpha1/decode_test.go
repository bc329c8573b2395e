package v1alpha1

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
)

// TestOneBadObjectOfAList: the others are read, and it is known by its name.
func TestOneBadObjectOfAList(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(scheme).UniversalDeserializer()
	for what, bad := range map[string]struct{ part, says string }{
		"a lifetime":             {`"spec":{"nodeName":"bad","lifetime":"zzz"}`, `spec.lifetime "zzz": `},
		"a port beyond int32":    {`"spec":{"nodeName":"bad","cloudCore":{"quicPort":99999999999}}`, "spec.cloudCore.quicPort 99999999999: "},
		"a time of the spec":     {`"spec":{"nodeName":"bad","taints":[{"key":"a","effect":"NoSchedule"},{"key":"k","effect":"NoSchedule","timeAdded":"2026-01-01t99:99:99z"}]}`, `spec.taints[1].timeAdded "2026-01-01t99:99:99z": `},
		"a time of the status":   {`"spec":{"nodeName":"bad"},"status":{"phase":"Verified","expiresAt":"2026-01-01T00:61:00Z"}`, `status.expiresAt "2026-01-01T00:61:00Z": `},
		"a spec that is no spec": {`"spec":7`, "spec 7: "},
		"a long value":           {`"spec":{"lifetime":"` + strings.Repeat("z", 5000) + `"}`, `spec.lifetime "` + strings.Repeat("z", 79) + "…: "},
	} {
		list := `{"apiVersion":"edgeway.io/v1alpha1","kind":"EdgeEnrollmentList","items":[
			{"metadata":{"name":"good"},"spec":{"nodeName":"n1","lifetime":"1h"},"status":{"phase":"Verified"}},
			{"metadata":{"name":"bad","resourceVersion":"7"},` + bad.part + `}]}`
		obj, _, err := decoder.Decode([]byte(list), nil, nil)
		if err != nil {
			t.Errorf("%s: the list cannot be read: %v", what, err)
			continue
		}
		items := obj.(*EdgeEnrollmentList).Items
		if good := items[0]; good.Undecodable != "" || good.Spec.NodeName != "n1" || !good.OfDevice() || good.Spec.Lifetime.Hours() != 1 {
			t.Errorf("%s: the good enrollment is %+v", what, good)
		}
		if got := items[1]; got.Undecodable == "" || got.Name != "bad" || got.ResourceVersion != "7" || got.Claims() || got.Holds() || got.OfDevice() {
			t.Errorf("%s: the bad enrollment is %+v, want its metadata and the reason", what, got)
		} else if !strings.HasPrefix(got.Undecodable, bad.says) || len(got.Undecodable) > 500 {
			t.Errorf("%s: the reason is %q, want one that begins with %q", what, got.Undecodable, bad.says)
		}
	}
	report := `{"apiVersion":"edgeway.io/v1alpha1","kind":"CloudNodeRoutes","metadata":{"name":"c"},"status":{"addresses":["10.0.0.1"],"appliedAt":"yesterday"}}`
	obj, _, err := decoder.Decode([]byte(report), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := obj.(*CloudNodeRoutes); got.Name != "c" || !strings.HasPrefix(got.Undecodable, `status.appliedAt "yesterday": `) {
		t.Errorf("report is %+v, want its metadata and the reason", got)
	} else if !slices.Equal(got.Status.Addresses, []string{"10.0.0.1"}) {
		t.Errorf("addresses are %q: the cloud node's address could be routed", got.Status.Addresses)
	}
}
