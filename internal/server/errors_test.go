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

	"github.com/edgeway-io/edgeway/internal/clusters"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/oidc"
	"github.com/edgeway-io/edgeway/internal/runtime"
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

// TestErrorsBringTheirCode: status, field and remedy come from where an error arose.
func TestErrorsBringTheirCode(t *testing.T) {
	tests := map[string]struct {
		err         error
		status      int
		code, field string
		remedyHas   string
	}{
		"cloud node":   {nodework.ErrCloudNode, 422, "Invalid", "node", "edge node"},
		"edge label":   {nodework.ErrEdgeLabel, 422, "Invalid", "labels", "leave instead"},
		"no taint":     {nodework.ErrNoTaint, 422, "Invalid", "taints", "changed"},
		"not ours":     {nodework.ErrNotOurs, 422, "NotFromEnrollment", "", "the enrollment gave"},
		"pods left":    {nodework.ErrPodsLeft, 409, "DrainTimeout", "", "force"},
		"stalled":      {nodework.ErrStalled, 504, "LeaveStalled", "", "retire the node again"},
		"called off":   {nodework.ErrCalledOff, 409, "CalledOff", "", "again"},
		"conflict":     {runtime.ErrConflict, 409, "Conflict", "", "try again"},
		"not admin":    {runtime.ErrNotAdmin, 403, "ClusterAdminRequired", "", "administrator"},
		"foreign":      {runtime.ErrForeign, 409, "ForeignKubeEdge", "", "Remove"},
		"off":          {runtime.ErrNotEnabled, 409, "NotEnabled", "", "Enable"},
		"rolled back":  {runtime.ErrRolledBack, 409, "RolledBack", "", "settings"},
		"no address":   {runtime.ErrNoAddress, 409, "NoAddress", "", "NodePort"},
		"not ready":    {runtime.ErrNotReady, 409, "NotReady", "", "pods"},
		"no cluster":   {clusters.ErrUnknown, 404, "NoSuchCluster", "", "list of clusters"},
		"refused":      {clusters.ErrRefused, 502, "KubeconfigRefused", "", "stored kubeconfig"},
		"credentials":  {errStoredCredentials, 502, "KubeconfigRejected", "", "valid credentials"},
		"issuer":       {oidc.ErrUnreachable, 502, "IssuerUnreachable", "", "issuer"},
		"system user":  {clusters.ErrSystemUser, 403, "SystemUser", "", "system:"},
		"no token":     {enroll.ErrNoToken, 409, "NoToken", "", "enrollment"},
		"no bundle":    {enroll.ErrNoIdentity, 409, "BundleUnavailable", "", "enrollment"},
		"no minting":   {enroll.ErrTokenForbidden, 403, "JoinTokenForbidden", "", "edgeenrollments/token"},
		"pool":         {errcat.New("AddressPoolEmpty", "no free address"), 409, "AddressPoolEmpty", "", "address"},
		"command line": {errcat.New("Usage", "--x"), 500, "Internal", "", ""},
	}
	for name, test := range tests {
		got := asError(kubeError(fmt.Errorf("do it: %w", test.err)))
		if got.status != test.status || got.Code != test.code || got.Field != test.field ||
			!strings.Contains(got.Remedy, test.remedyHas) || got.Message != "do it: "+test.err.Error() {
			t.Errorf("%s: got %d %+v", name, got.status, got)
		}
	}
}
