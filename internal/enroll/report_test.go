package enroll

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// stored is the enrollment as it is in the cluster.
func stored(t *testing.T, c client.Client) *v1alpha1.EdgeEnrollment {
	t.Helper()
	e := &v1alpha1.EdgeEnrollment{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: "jetson-xavier-x"}, e); err != nil {
		t.Fatal(err)
	}
	return e
}

// said is a condition in short.
func said(e *v1alpha1.EdgeEnrollment, kind string) string {
	c := meta.FindStatusCondition(e.Status.Conditions, kind)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason + ": " + c.Message
}

func TestAReportIsInTheEnrollment(t *testing.T) {
	c := cluster(t, false, enrollment("GOOD", nil))
	r := redeemer(c)
	check := wire.FailedCheck{ID: "runtime", Title: "container runtime", Detail: "there is no socket", Remedy: "install containerd"}
	if err := r.Report(t.Context(), wire.ReportRequest{Code: "good", Checks: []wire.FailedCheck{check}}); err != nil {
		t.Fatal(err)
	}
	e := stored(t, c)
	if got := said(e, v1alpha1.ConditionDeviceChecked); got != "False PreflightFailed: container runtime: there is no socket" {
		t.Error(got)
	}
	if diff := cmp.Diff([]v1alpha1.FailedCheck{v1alpha1.FailedCheck(check)}, e.Status.FailedChecks); diff != "" {
		t.Error(diff)
	}
	// The same once more costs no write.
	if err := r.Report(t.Context(), wire.ReportRequest{Code: "good", Checks: []wire.FailedCheck{check}}); err != nil || stored(t, c).ResourceVersion != e.ResourceVersion {
		t.Errorf("repeating it: %v, version %s after %s", err, stored(t, c).ResourceVersion, e.ResourceVersion)
	}
	if err := r.Report(t.Context(), wire.ReportRequest{Code: "good", Message: "disk full"}); err != nil {
		t.Fatal(err)
	}
	if e = stored(t, c); said(e, v1alpha1.ConditionDeviceChecked) != "False JoinFailed: disk full" || len(e.Status.FailedChecks) > 0 {
		t.Errorf("%q with %v", said(e, v1alpha1.ConditionDeviceChecked), e.Status.FailedChecks)
	}
	if _, _, err := r.claim(t.Context(), "GOOD", csrFor(t, "jetson-xavier")); err != nil {
		t.Fatal(err)
	}
	if got := said(stored(t, c), v1alpha1.ConditionDeviceChecked); !strings.HasPrefix(got, "True") {
		t.Errorf("after the redemption: %s", got)
	}
}

func TestWhoMayReport(t *testing.T) {
	in := func(phase v1alpha1.EnrollmentPhase) func(*v1alpha1.EdgeEnrollment) {
		return func(e *v1alpha1.EdgeEnrollment) { e.Status.Phase = phase }
	}
	old := func(e *v1alpha1.EdgeEnrollment) { e.CreationTimestamp = metav1.NewTime(now.Add(-2 * DefaultLifetime)) }
	for name, test := range map[string]struct {
		change func(*v1alpha1.EdgeEnrollment)
		code   string
		want   string
	}{
		"the code's holder":             {nil, "GOOD", ""},
		"who has used it":               {in(v1alpha1.PhaseCertificateIssued), "GOOD", ""},
		"who has used it, past its end": {func(e *v1alpha1.EdgeEnrollment) { old(e); in(v1alpha1.PhaseCodeUsed)(e) }, "GOOD", ""},
		"another code":                  {nil, "OTHER", wire.CodeUnknown},
		"no code":                       {nil, "", wire.CodeUnknown},
		"an expired code":               {old, "GOOD", wire.CodeExpired},
		"a revoked code":                {func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRevoked }, "GOOD", wire.CodeRevoked},
		"a code revoked after its use": {func(e *v1alpha1.EdgeEnrollment) {
			e.Spec.State = v1alpha1.StateRevoked
			in(v1alpha1.PhaseCodeUsed)(e)
		}, "GOOD", wire.CodeRevoked},
		"a node that is there": {in(v1alpha1.PhaseRegistered), "GOOD", wire.CodeUsed},
		"a tombstone":          {in(v1alpha1.PhaseRetired), "GOOD", wire.CodeUsed},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, false, enrollment("GOOD", test.change))
			before := stored(t, c).ResourceVersion
			err := redeemer(c).Report(t.Context(), wire.ReportRequest{Code: test.code, Message: "x"})
			if test.want == "" && err != nil || test.want != "" && !errors.Is(err, &wire.Error{Code: test.want}) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if changed := stored(t, c).ResourceVersion != before; changed != (test.want == "") {
				t.Errorf("the enrollment changed: %v", changed)
			}
		})
	}
}

// TestAReportIsBoundedPlainText: it ends in people's browsers and terminals.
func TestAReportIsBoundedPlainText(t *testing.T) {
	c := cluster(t, false, enrollment("GOOD", nil))
	long := strings.Repeat("ü", 10_000)
	checks := []wire.FailedCheck{{ID: "a\x1b[31mb", Title: "two\nlines\u202e", Detail: long, Remedy: "\xff"}, {ID: "no title"}}
	for range 100 {
		checks = append(checks, wire.FailedCheck{ID: long, Title: long, Detail: long, Remedy: long})
	}
	if err := redeemer(c).Report(t.Context(), wire.ReportRequest{Code: "GOOD", Checks: checks}); err != nil {
		t.Fatal(err)
	}
	e := stored(t, c)
	if n := len(e.Status.FailedChecks); n != maxChecks-1 {
		t.Errorf("%d checks are stored", n)
	}
	for _, f := range e.Status.FailedChecks {
		for _, s := range []string{f.Title, f.Detail, f.Remedy} {
			if utf8.RuneCountInString(s) > maxCheckText || strings.ContainsAny(s, "\n\x1b\u202e") || !utf8.ValidString(s) {
				t.Errorf("stored %q", s)
			}
		}
	}
	if f := e.Status.FailedChecks[0]; f.ID != "a [31mb" || f.Title != "two lines" || !strings.HasSuffix(f.Detail, "…") {
		t.Errorf("the first is %+.60v", f)
	}
	const most = 32768 // of a condition's message
	if m := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionDeviceChecked).Message; len(m) > most {
		t.Errorf("the message has %d bytes", len(m))
	}
	for _, r := range []wire.ReportRequest{{Code: "GOOD"}, {Code: "GOOD", Message: "\n\t"}, {Code: "GOOD", Checks: []wire.FailedCheck{{ID: "x"}}}} {
		if err := redeemer(c).Report(t.Context(), r); !errors.Is(err, ErrNothingToReport) {
			t.Errorf("%+v gets %v", r, err)
		}
	}
}

// TestARefusedCodeIsToldToWhoeverFollows: the device hears it, and so does the wizard.
func TestARefusedCodeIsToldToWhoeverFollows(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.EdgeEnrollment)
		csr    string
		want   *wire.Error
	}{
		"expired":       {func(e *v1alpha1.EdgeEnrollment) { e.CreationTimestamp = metav1.NewTime(now.Add(-DefaultLifetime)) }, "jetson-xavier", ErrCodeExpired},
		"revoked":       {func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRevoked }, "jetson-xavier", ErrCodeRevoked},
		"used":          {func(e *v1alpha1.EdgeEnrollment) { e.Status.Phase = v1alpha1.PhaseVerified }, "jetson-xavier", ErrCodeUsed},
		"another's CSR": {nil, "edge-2", ErrCSRInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, false, enrollment("GOOD", test.change))
			r := redeemer(c)
			if _, err := r.Redeem(t.Context(), "GOOD", csrFor(t, test.csr)); !errors.Is(err, test.want) {
				t.Errorf("the device hears %v", err)
			}
			e := stored(t, c)
			if got := said(e, v1alpha1.ConditionCodeAccepted); !strings.HasPrefix(got, "False "+test.want.Code+": ") {
				t.Errorf("the enrollment says %q", got)
			}
			if len(e.Status.CSR) > 0 {
				t.Error("the code was used up")
			}
		})
	}
}
