package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pod(name string, change ...func(*corev1.Pod)) corev1.Pod {
	yes := true
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", Controller: &yes}}}}
	for _, f := range change {
		f(&p)
	}
	return p
}

func ending(p *corev1.Pod) {
	p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
}

func finished(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }

// refuse answers with the error for the pod's name, and counts.
func refuse(errs map[string]error, asked *atomic.Int32) Evict {
	return func(_ context.Context, p *corev1.Pod) error {
		asked.Add(1)
		return errs[p.Name]
	}
}

func TestPass(t *testing.T) {
	budget := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	budget.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget web needs 2 healthy pods and has 2 currently"}}
	errs := map[string]error{
		"two":    apierrors.NewInternalError(errors.New("This pod has more than one PodDisruptionBudget")),
		"budget": budget,
		"gone":   apierrors.NewNotFound(corev1.Resource("pods"), "gone"),
		"hangs":  fmt.Errorf("Post: %w", context.DeadlineExceeded),
		"job":    errors.New("nobody asks for this"),
	}
	pods := []corev1.Pod{pod("two"), pod("budget"), pod("gone"), pod("hangs"), pod("leaves"), pod("ends", ending), pod("job", finished)}
	want := []Left{
		{"ns/budget", "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget web needs 2 healthy pods and has 2 currently"},
		{"ns/ends", ""},
		{"ns/hangs", "the API server did not answer the request to evict the pod in time"},
		{"ns/leaves", ""},
		{"ns/two", "Internal error occurred: This pod has more than one PodDisruptionBudget"},
	}
	var asked atomic.Int32
	if diff := cmp.Diff(want, Pass(t.Context(), pods, true, refuse(errs, &asked))); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if asked.Load() != 6 {
		t.Errorf("%d evictions were asked for, want 6: every pod but the one that is ending", asked.Load())
	}
	offline := Pass(t.Context(), pods, false, refuse(errs, &asked))
	if slices.ContainsFunc(offline, func(l Left) bool { return l.Pod == "ns/ends" }) {
		t.Error("the end of a pod on a dead node is waited for")
	}
}

// Requests that are never answered take neither the others' turn nor more than the time
// of the pass.
func TestPassEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pods []corev1.Pod
		for i := range 100 {
			pods = append(pods, pod(fmt.Sprintf("p%03d", i)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), PassLimit(0))
		defer cancel()
		begin := time.Now()
		left := Pass(ctx, pods, true, func(ctx context.Context, p *corev1.Pod) error {
			if p.Name > "p049" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(begin); took > PassLimit(0) {
			t.Errorf("the pass took %s", took)
		}
		if len(left) != 100 || left[0].Reason == "" || left[99].Reason != "" {
			t.Errorf("%d left, first %+v, last %+v", len(left), left[0], left[len(left)-1])
		}
	})
}

func TestDescribe(t *testing.T) {
	left := []Left{{"a/1", ""}, {"a/2", "no"}, {"a/3", ""}, {"b/4", "no"}, {"b/5", "never"}}
	if got, want := Describe(left), "a/2, b/4: no; b/5: never; a/1, a/3: ending"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var many []Left
	for i := range 5000 {
		many = append(many, Left{Pod: fmt.Sprintf("ns/pod-%d", i), Reason: fmt.Sprintf("原因 %d", i)})
	}
	if got := Describe(many); len(got) > maxLine || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes, valid %v: %q", len(got), utf8.ValidString(got), got)
	}
}
