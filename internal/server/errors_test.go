package server

import (
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

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
