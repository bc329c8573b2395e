package enroll

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Bundle is what a redeemed code gives the device.
type Bundle struct {
	NodeName string
	Arch     string
	// Certificate and CA in PEM.
	Certificate, CA []byte
	// EdgeCoreConfig is edgecore.yaml.
	EdgeCoreConfig []byte
	CloudCore      v1alpha1.CloudCoreAddress
	// StatusToken reads this join's status and nothing else.
	StatusToken string
}

// Redeemer redeems codes with a client of the one ServiceAccount that may: get
// and list edgeenrollments, update edgeenrollments/status, in the join namespace.
type Redeemer struct {
	client client.Client
	now    func() time.Time
	// patience bounds the wait for edge-watcher's signature, poll is how soon to look.
	patience, poll time.Duration
}

// maxPoll bounds how rarely a redemption looks for its certificate.
const maxPoll = time.Second

// NewRedeemer makes a Redeemer. now is the clock, time.Now outside tests.
func NewRedeemer(sa client.Client, now func() time.Time) *Redeemer {
	return &Redeemer{client: sa, now: now, patience: 20 * time.Second, poll: 150 * time.Millisecond}
}

// Redeem spends the code: it hands the CSR to edge-watcher and waits for the
// certificate. It fails with one of this package's *wire.Error values, or with an
// error of the cluster.
func (r *Redeemer) Redeem(ctx context.Context, code string, csrPEM []byte) (*Bundle, error) {
	e, token, err := r.claim(ctx, code, csrPEM)
	if err != nil {
		return nil, err
	}
	e, err = r.await(ctx, e)
	if err != nil {
		return nil, err
	}
	config, err := EdgeCoreConfig(&e.Spec)
	if err != nil {
		return nil, err
	}
	return &Bundle{NodeName: e.Spec.NodeName, Arch: e.Spec.Arch, Certificate: e.Status.Certificate, CA: e.Status.CA,
		EdgeCoreConfig: config, CloudCore: e.Spec.CloudCore, StatusToken: token}, nil
}

// Knows fails with ErrCodeUnknown for a code of no enrollment here; one that cannot be
// used any more is known.
func (r *Redeemer) Knows(ctx context.Context, code string) error {
	_, err := r.find(ctx, code)
	return err
}

// Lookup tells who the code's holder will be. It does not use the code up.
func (r *Redeemer) Lookup(ctx context.Context, code string) (*v1alpha1.EdgeEnrollmentSpec, error) {
	e, err := r.find(ctx, code)
	if err != nil {
		return nil, err
	}
	if err := r.acceptable(e); err != nil {
		return nil, r.noted(ctx, e, err)
	}
	return &e.Spec, nil
}

// Status tells how far the join of the token's holder has come.
func (r *Redeemer) Status(ctx context.Context, statusToken string) (*v1alpha1.EdgeEnrollment, error) {
	name, _, _ := strings.Cut(statusToken, statusSeparator)
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return nil, ErrStatusToken
	}
	e := &v1alpha1.EdgeEnrollment{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: name}, e)
	switch {
	case apierrors.IsNotFound(err):
		return nil, ErrStatusToken
	case err != nil:
		return nil, fmt.Errorf("reading enrollment %s: %w", name, err)
	case !sameHash(e.Status.StatusTokenHash, hashSecret(statusToken)):
		return nil, ErrStatusToken
	}
	return e, nil
}

// statusSeparator is between an enrollment's name and the secret part of its status
// token. Names of objects have none.
const statusSeparator = "/"

func newStatusToken(e *v1alpha1.EdgeEnrollment) (string, error) {
	secret, err := NewCode()
	return e.Name + statusSeparator + secret, err
}

// Lookup is what a device may know of an enrollment before it joins.
func Lookup(spec *v1alpha1.EdgeEnrollmentSpec) wire.Lookup {
	return wire.Lookup{NodeName: spec.NodeName, NodeIP: spec.NodeIP, Arch: spec.Arch, CloudCore: CloudCore(spec.CloudCore),
		RuntimeEndpoint: spec.RuntimeEndpoint, CgroupDriver: spec.CgroupDriver,
		MetaServer: spec.Components.EdgeMesh, EventBus: spec.Components.EventBus}
}

// CloudCore in the words of package wire.
func CloudCore(c v1alpha1.CloudCoreAddress) wire.CloudCore {
	return wire.CloudCore{Host: c.Host, WebSocketPort: int(c.WebSocketPort), QUICPort: int(c.QUICPort),
		CertPort: int(c.CertPort), TunnelPort: int(c.TunnelPort)}
}

// find the enrollment of a code. One that was not made by this package may lack the
// label, so all are looked at before a code is unknown.
func (r *Redeemer) find(ctx context.Context, code string) (*v1alpha1.EdgeEnrollment, error) {
	hash := HashCode(code)
	for _, among := range [][]client.ListOption{{client.MatchingLabels{v1alpha1.LabelCode: codeLabel(hash)}}, nil} {
		list, err := List(ctx, r.client, among...)
		if err != nil {
			return nil, fmt.Errorf("listing enrollments: %w", err)
		}
		for i := range list {
			if sameHash(list[i].Spec.CodeHash, hash) {
				return &list[i], nil
			}
		}
	}
	return nil, ErrCodeUnknown
}

// acceptable says why the code may not be used, in the order in which a person
// wants to know.
func (r *Redeemer) acceptable(e *v1alpha1.EdgeEnrollment) error {
	if s := e.Spec.State; s == v1alpha1.StateRevoked || s == v1alpha1.StateRetired || !e.DeletionTimestamp.IsZero() {
		return ErrCodeRevoked
	}
	if err := refusal(e); err != nil {
		return err
	}
	if !r.now().Before(ExpiresAt(e)) {
		return ErrCodeExpired
	}
	return nil
}

// ExpiresAt is when the enrollment's code stops being accepted.
func ExpiresAt(e *v1alpha1.EdgeEnrollment) time.Time {
	lifetime := DefaultLifetime
	if e.Spec.Lifetime != nil && e.Spec.Lifetime.Duration > 0 {
		lifetime = min(e.Spec.Lifetime.Duration, MaxLifetime)
	}
	// Always from the creation: status is no place to lengthen a life.
	return e.CreationTimestamp.Add(lifetime)
}

// refusal translates edge-watcher's decision.
func refusal(e *v1alpha1.EdgeEnrollment) error {
	if e.Status.Phase != v1alpha1.PhaseRefused {
		return nil
	}
	for _, kind := range []string{v1alpha1.ConditionReserved, v1alpha1.ConditionCertificateIssued} {
		c := meta.FindStatusCondition(e.Status.Conditions, kind)
		if c == nil || c.Status != metav1.ConditionFalse {
			continue
		}
		code, remedy := wire.Refused, "create a new enrollment in the console"
		switch c.Reason {
		case v1alpha1.ReasonNameTaken:
			code, remedy = wire.NameTaken, "retire the node of that name first, or enroll this device under another"
		case v1alpha1.ReasonIPTaken, v1alpha1.ReasonIPInvalid:
			code, remedy = wire.IPTaken, "enroll this device with another address"
		case v1alpha1.ReasonCSRInvalid:
			code, remedy = wire.CSRInvalid, ErrCSRInvalid.Remedy
		}
		return &wire.Error{Code: code, Message: c.Message, Remedy: remedy}
	}
	return &wire.Error{Code: wire.Refused, Message: "the enrollment was refused", Remedy: "create a new one in the console"}
}

// claim marks the code used with one compare-and-set write: of two devices with
// one code the slower gets ErrCodeUsed.
func (r *Redeemer) claim(ctx context.Context, code string, csrPEM []byte) (*v1alpha1.EdgeEnrollment, string, error) {
	for {
		e, err := r.find(ctx, code)
		if err != nil {
			return nil, "", err
		}
		if err := r.claimable(e, csrPEM); err != nil {
			return nil, "", r.noted(ctx, e, err)
		}
		token, err := newStatusToken(e)
		if err != nil {
			return nil, "", err
		}
		accepted(e, r.now())
		e.Status.StatusTokenHash = hashSecret(token)
		if len(e.Status.CSR) == 0 {
			e.Status.CSR = csrPEM
			e.Status.Phase = v1alpha1.PhaseCodeUsed
		}
		err = r.client.Status().Update(ctx, e)
		if apierrors.IsConflict(err) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("claiming enrollment %s: %w", e.Name, err)
		}
		return e, token, nil
	}
}

func (r *Redeemer) claimable(e *v1alpha1.EdgeEnrollment, csrPEM []byte) error {
	if err := r.acceptable(e); err != nil {
		return err
	}
	if used(e) && string(e.Status.CSR) != string(csrPEM) {
		return ErrCodeUsed
	}
	if _, err := pki.CheckRequest(csrPEM, e.Spec.NodeName); err != nil {
		return &wire.Error{Code: wire.CSRInvalid, Message: err.Error(), Remedy: ErrCSRInvalid.Remedy}
	}
	return nil
}

// used is true as well for an enrollment whose node came in another way, with
// KubeEdge's own token: a second device must not get its name.
func used(e *v1alpha1.EdgeEnrollment) bool {
	switch e.Status.Phase {
	case "", v1alpha1.PhasePending:
		return len(e.Status.CSR) > 0
	}
	return true
}

// await polls rather than watches: the ServiceAccount needs one verb less, and
// signing takes well under a second. Where it takes longer, because hundreds join at a
// time, it looks less and less often.
func (r *Redeemer) await(ctx context.Context, e *v1alpha1.EdgeEnrollment) (*v1alpha1.EdgeEnrollment, error) {
	ctx, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	pause := r.poll
	key := client.ObjectKeyFromObject(e)
	for {
		var now v1alpha1.EdgeEnrollment
		err := r.client.Get(ctx, key, &now)
		switch {
		case apierrors.IsNotFound(err):
			return nil, ErrCodeRevoked
		case err != nil && ctx.Err() == nil:
			return nil, fmt.Errorf("waiting for the certificate: %w", err)
		case err == nil && len(now.Status.Certificate) > 0:
			return &now, nil
		case err == nil:
			if err := refusal(&now); err != nil {
				return nil, err
			}
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, ctx.Err()
			}
			return nil, r.signingTimeout(&now)
		case <-time.After(pause):
			pause = min(2*pause, maxPoll)
		}
	}
}

// signingTimeout passes on what edge-watcher says it waits for.
func (r *Redeemer) signingTimeout(e *v1alpha1.EdgeEnrollment) error {
	c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionCertificateIssued)
	if c == nil || strings.TrimSpace(c.Message) == "" {
		return ErrSigningTimeout
	}
	return &wire.Error{Code: wire.SigningTimeout, Message: ErrSigningTimeout.Message + ": " + c.Message, Remedy: ErrSigningTimeout.Remedy}
}
