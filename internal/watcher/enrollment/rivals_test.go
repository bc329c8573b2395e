package enrollment

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// behind is a cache that shows enrollments as they were before it was frozen, and counts
// what it gives out.
type behind struct {
	client.Client
	frozen map[string]v1alpha1.EdgeEnrollment
	given  int
}

func (b *behind) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := b.Client.List(ctx, list, opts...); err != nil {
		return err
	}
	if enrollments, ok := list.(*v1alpha1.EdgeEnrollmentList); ok {
		b.given += len(enrollments.Items)
		for i, e := range enrollments.Items {
			if old, ok := b.frozen[e.Name]; ok {
				enrollments.Items[i] = old
			}
		}
	}
	return nil
}

func (b *behind) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if err := b.Client.Get(ctx, key, o, opts...); err != nil {
		return err
	}
	if e, ok := o.(*v1alpha1.EdgeEnrollment); ok {
		b.given++
		if old, ok := b.frozen[e.Name]; ok {
			old.DeepCopyInto(e)
		}
	}
	return nil
}

// freeze keeps what the cache shows now.
func (s *site) freeze(b *behind, names ...string) {
	s.t.Helper()
	for _, name := range names {
		var e v1alpha1.EdgeEnrollment
		s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
		b.frozen[name] = e
	}
}

// reserveNow makes the reservation of an enrollment, and gives the reason.
func (s *site) reserveNow(name string) string {
	s.t.Helper()
	var e v1alpha1.EdgeEnrollment
	s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
	if _, err := s.r.reserve(s.t.Context(), &e); err != nil {
		s.t.Fatal(err)
	}
	return meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionReserved).Reason
}

// TestACacheThatIsBehindGivesNothingTwice: two devices with one name or one address, both
// decided before the cache shows the first one's reservation.
func TestACacheThatIsBehindGivesNothingTwice(t *testing.T) {
	for name, tc := range map[string]struct{ node, ip, want string }{
		"the name":               {"edge-1", "192.168.100.2", v1alpha1.ReasonNameTaken},
		"the address":            {"edge-2", "fd00::1", v1alpha1.ReasonIPTaken},
		"the address as a value": {"edge-2", "fd00:0:0::0001", v1alpha1.ReasonIPTaken},
		"neither":                {"edge-2", "fd00::2", "Reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.enrollment("first", "edge-1", "fd00::1", nil)
			s.enrollment("second", tc.node, tc.ip, nil)
			b := &behind{Client: s.c, frozen: map[string]v1alpha1.EdgeEnrollment{}}
			s.freeze(b, "first", "second")
			s.r.client = b
			if got := s.reserveNow("first"); got != "Reserved" {
				t.Fatalf("the first: %s", got)
			}
			if got := s.reserveNow("second"); got != tc.want {
				t.Errorf("while the cache is behind: %s, want %s", got, tc.want)
			}
			clear(b.frozen) // it has caught up
			s.enrollment("third", tc.node, tc.ip, nil)
			if got := s.reserveNow("third"); tc.want != "Reserved" && got != tc.want {
				t.Errorf("when the cache has caught up: %s, want %s", got, tc.want)
			}
			if n := len(s.r.reserving.recent); n > 1 {
				t.Errorf("%d reservations are remembered that the cache shows", n)
			}
		})
	}
}

// TestWhatIsFreedIsGivenAgain: at once, by deleting or retiring the enrollment before.
func TestWhatIsFreedIsGivenAgain(t *testing.T) {
	for name, free := range map[string]func(*site, *v1alpha1.EdgeEnrollment) error{
		"deleted": func(s *site, e *v1alpha1.EdgeEnrollment) error { return s.c.Delete(s.t.Context(), e) },
		"retired": func(s *site, e *v1alpha1.EdgeEnrollment) error {
			e.Status.Phase = v1alpha1.PhaseRetired
			return s.c.Status().Update(s.t.Context(), e)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.enrollment("first", "edge-1", "192.168.100.1", nil)
			s.reserveNow("first")
			var e v1alpha1.EdgeEnrollment
			s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: "first"}, &e)
			if err := free(s, &e); err != nil {
				t.Fatal(err)
			}
			s.enrollment("second", "edge-1", "192.168.100.1", nil)
			if got := s.reserveNow("second"); got != "Reserved" {
				t.Errorf("it is %s", got)
			}
		})
	}
}

// TestReservingIsNotQuadratic: what is read for one reservation does not grow with the
// number of enrollments.
func TestReservingIsNotQuadratic(t *testing.T) {
	const enrollments = 200
	s := newSite(t)
	for i := range enrollments {
		s.enrollment(fmt.Sprint("e", i), fmt.Sprint("edge-", i), fmt.Sprintf("192.168.%d.%d", 100+i/100, 1+i%100), nil)
	}
	b := &behind{Client: s.c}
	s.r.client, s.r.live = b, nil // nothing is read past the cache
	for i := range enrollments {
		if got := s.reserveNow(fmt.Sprint("e", i)); got != "Reserved" {
			t.Fatalf("e%d is %s", i, got)
		}
	}
	if most := 6 * enrollments; b.given > most {
		t.Errorf("%d enrollments were read for %d reservations, want %d at most", b.given, enrollments, most)
	}
}

// TestRefusingIsNotQuadratic: nor does it grow with the number of those that were refused
// the same name and address.
func TestRefusingIsNotQuadratic(t *testing.T) {
	const enrollments = 200
	s := newSite(t)
	b := &behind{Client: s.c}
	s.r.client, s.r.live = b, nil
	for i := range enrollments {
		name := fmt.Sprint("e", i)
		s.enrollment(name, "edge-1", "192.168.100.1", nil)
		want := v1alpha1.ReasonNameTaken
		if i == 0 {
			want = "Reserved"
		}
		if got := s.reserveNow(name); got != want {
			t.Fatalf("%s is %s, want %s", name, got, want)
		}
	}
	if most := 6 * enrollments; b.given > most {
		t.Errorf("%d enrollments were read to refuse %d, want %d at most", b.given, enrollments, most)
	}
}
