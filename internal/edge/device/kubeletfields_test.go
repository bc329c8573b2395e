package device

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"

	"github.com/edgeway-io/edgeway/internal/strictyaml"
)

// TestKubeletFieldsAreThoseOfKubernetes: the list is that of KubeletConfiguration. edgectl has
// a list and not the type, whose packages would make it half as large again.
// EDGEWAY_KUBELET_UPDATE=1 writes it.
func TestKubeletFieldsAreThoseOfKubernetes(t *testing.T) {
	want := strictyaml.Schema{}
	schemaOf(reflect.TypeFor[kubelet.KubeletConfiguration](), "", want)
	if os.Getenv("EDGEWAY_KUBELET_UPDATE") != "" {
		var b strings.Builder
		b.WriteString("// Made by EDGEWAY_KUBELET_UPDATE=1 go test -run KubeletFields; DO NOT EDIT.\n\npackage device\n\n" +
			"import \"github.com/edgeway-io/edgeway/internal/strictyaml\"\n\n// kubeletFields are those of KubeletConfiguration v1beta1.\nvar kubeletFields = strictyaml.Schema{\n")
		for _, name := range slices.Sorted(maps.Keys(want)) {
			fmt.Fprintf(&b, "\t%q: %q,\n", name, want[name])
		}
		b.WriteString("}\n")
		if err := os.WriteFile("kubeletfields.go", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !maps.Equal(want, kubeletFields) {
		t.Error("the list is not that of this Kubernetes: run the test with EDGEWAY_KUBELET_UPDATE=1 and gofmt")
	}
}

func schemaOf(t reflect.Type, prefix string, out strictyaml.Schema) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		typ := f.Type
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if strings.Contains(options, "inline") || name == "" && f.Anonymous {
			schemaOf(typ, prefix, out)
			continue
		}
		out[prefix+name] = kindOf(typ)
		if out[prefix+name] == strictyaml.Object {
			schemaOf(typ, prefix+name+".", out)
		}
	}
}

func kindOf(t reflect.Type) strictyaml.Kind {
	if t == reflect.TypeFor[metav1.Duration]() {
		return strictyaml.String
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return strictyaml.Any // Quantity and the like have forms of their own
	}
	switch t.Kind() {
	case reflect.Bool:
		return strictyaml.Bool
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strictyaml.Int
	case reflect.String:
		return strictyaml.String
	case reflect.Struct:
		return strictyaml.Object
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return strictyaml.Strings
		}
		return strictyaml.Items
	case reflect.Map:
		if t.Elem().Kind() == reflect.String {
			return strictyaml.Texts
		}
	}
	return strictyaml.Any
}
