package enrollment

import (
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/token"
)

func tokenFor(r *token.Recipient) func(*v1alpha1.EdgeEnrollment) {
	return func(e *v1alpha1.EdgeEnrollment) { e.Spec.TokenFor = &v1alpha1.TokenRecipient{PublicKey: r.PublicKey()} }
}

// TestTokenIsSealedAndLivesAsLongAsTheCode opens the token as the console does and
// checks it as CloudHub does.
func TestTokenIsSealedAndLivesAsLongAsTheCode(t *testing.T) {
	s := newSite(t)
	asker := recipient(t)
	s.enrollment("e1", "edge-1", "192.168.100.1", tokenFor(asker))
	e := s.run("e1")
	if e.Status.Token == nil {
		t.Fatalf("no token: %+v", e.Status.Conditions)
	}
	opened, err := asker.Open(e.Name, e.Status.Token.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	_, signed, _ := strings.Cut(opened, ".")
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(signed, &claims, func(*jwt.Token) (any, error) { return s.caKey(), nil },
		jwt.WithTimeFunc(func() time.Time { return s.now }))
	if err != nil {
		t.Errorf("CloudHub would refuse it: %v", err)
	}
	if want := enroll.ExpiresAt(e); !claims.ExpiresAt.Equal(want) {
		t.Errorf("it expires at %s, the code at %s", claims.ExpiresAt, want)
	}
	if again := s.run("e1").Status.Token; string(again.Sealed) != string(e.Status.Token.Sealed) {
		t.Error("the same request was answered twice")
	}
}

func TestNoTokenForAnEnrollmentThatIsOver(t *testing.T) {
	for name, end := range map[string]func(*site){
		"revoked": func(s *site) {
			s.change("e1", func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRevoked })
		},
		"code used": func(s *site) { s.redeem("e1") },
		"expired":   func(s *site) { s.now = s.now.Add(2 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.enrollment("e1", "edge-1", "192.168.100.1", nil)
			s.run("e1")
			end(s)
			s.change("e1", tokenFor(recipient(t)))
			if got := s.run("e1").Status.Token; got != nil {
				t.Errorf("a token was made that lives until %s", got.ExpiresAt)
			}
		})
	}
}

func recipient(t *testing.T) *token.Recipient {
	t.Helper()
	r, err := token.NewRecipient()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (s *site) change(name string, how func(*v1alpha1.EdgeEnrollment)) {
	s.t.Helper()
	var e v1alpha1.EdgeEnrollment
	s.get(client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, &e)
	how(&e)
	if err := s.c.Update(s.t.Context(), &e); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) caKey() []byte {
	s.t.Helper()
	var ca corev1.Secret
	s.get(client.ObjectKey{Namespace: "kubeedge", Name: "casecret"}, &ca)
	return ca.Data["cakeydata"]
}
