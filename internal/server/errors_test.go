package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// TestAnUnknownErrorIsTranslated: as client-go makes it of a proxy's empty answer.
func TestAnUnknownErrorIsTranslated(t *testing.T) {
	for code, want := range map[int]string{500: "ClusterUnreachable", 502: "ClusterUnreachable"} {
		err := apierrors.NewGenericServerResponse(code, "get", schema.GroupResource{Resource: "nodes"}, "edge-1", "unknown", 0, true)
		got := asError(kubeError(fmt.Errorf("read the node: %w", err)))
		if got.Code != want || strings.Contains(got.Message, "unknown") || !strings.Contains(got.Message, strconv.Itoa(code)) ||
			!strings.Contains(got.Message, "(get nodes edge-1)") || got.Remedy == "" {
			t.Errorf("%d: %+v", code, got)
		}
	}
}

// What Kubernetes refuses has the names of our own fields.
func TestRefusedFieldsAreNamed(t *testing.T) {
	err := apierrors.NewInvalid(schema.GroupKind{Kind: "Node"}, "n", field.ErrorList{
		field.Invalid(field.NewPath("metadata", "labels"), "not a key", "is no name"),
		field.Invalid(field.NewPath("spec", "taints").Index(0).Child("effect"), "Never", "is unknown")})
	got := kubeError(err).(*Error)
	if got.status != http.StatusUnprocessableEntity || len(got.Problems) != 2 ||
		got.Problems[0].Field != "labels" || got.Problems[1].Field != "taints[0].effect" || got.Problems[0].Message == "" {
		t.Errorf("got %+v", got)
	}
}
