package v1alpha1

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhatAnEnrollmentHolds(t *testing.T) {
	for name, test := range map[string]struct {
		phase                     EnrollmentPhase
		state                     EnrollmentState
		undecided, deleted, token bool
		claims, holds, fromDevice bool
	}{
		"just created":                      {undecided: true, claims: true},
		"revoked before a decision":         {undecided: true, state: StateRevoked},
		"pending":                           {phase: PhasePending, state: StateActive, claims: true, holds: true},
		"pending, a token was given out":    {phase: PhasePending, state: StateActive, token: true, claims: true, holds: true, fromDevice: true},
		"the code was used":                 {phase: PhaseCodeUsed, state: StateActive, claims: true, holds: true},
		"pending, revoked":                  {phase: PhasePending, state: StateRevoked},
		"verified":                          {phase: PhaseVerified, state: StateActive, claims: true, holds: true, fromDevice: true},
		"verified, revoked too late":        {phase: PhaseVerified, state: StateRevoked, claims: true, holds: true, fromDevice: true},
		"leaving":                           {phase: PhaseVerified, state: StateRetired, claims: true, holds: true, fromDevice: true},
		"retired":                           {phase: PhaseRetired, state: StateRetired, fromDevice: true},
		"readmitted, not decided yet":       {phase: PhaseRegistered, state: StateActive, undecided: true, claims: true, fromDevice: true},
		"expired":                           {phase: PhaseExpired},
		"refused":                           {phase: PhaseRefused, undecided: true},
		"verified, deleted":                 {phase: PhaseVerified, deleted: true},
		"retired, its tombstone is deleted": {phase: PhaseRetired, state: StateRetired, deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := &EdgeEnrollment{Spec: EdgeEnrollmentSpec{State: test.state}, Status: EdgeEnrollmentStatus{Phase: test.phase}}
			if test.token {
				e.Status.Token = &SealedToken{}
			}
			reserved := metav1.ConditionTrue
			if test.undecided {
				reserved = metav1.ConditionFalse
			}
			e.Status.Conditions = []metav1.Condition{{Type: ConditionReserved, Status: reserved}}
			if test.deleted {
				e.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			}
			if got := e.Claims(); got != test.claims {
				t.Errorf("claims: %v, want %v", got, test.claims)
			}
			if got := e.Holds(); got != test.holds {
				t.Errorf("holds: %v, want %v", got, test.holds)
			}
			if got := e.OfDevice(); got != test.fromDevice {
				t.Errorf("of a device: %v, want %v", got, test.fromDevice)
			}
		})
	}
}
