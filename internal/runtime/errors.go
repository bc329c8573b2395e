package runtime

import (
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Errors that callers tell apart with errors.Is. Bad settings are
// settings.ErrInvalid; missing rights are apierrors.IsForbidden.
var (
	// ErrConflict: somebody else is changing KubeEdge on this cluster, or has
	// changed it since the caller looked.
	ErrConflict = errcat.New("Conflict", "conflicting change")
	// ErrForeign: there is a KubeEdge that edgeway did not install.
	ErrForeign = errcat.New("ForeignKubeEdge", "another KubeEdge is installed")
	// ErrNotEnabled: there is nothing to change.
	ErrNotEnabled = errcat.New("NotEnabled", "KubeEdge is not enabled")
	// ErrNotReady: everything is installed, but not running in time.
	ErrNotReady = errcat.New("NotReady", "KubeEdge did not become ready")
	// ErrRolledBack: a change failed and the former settings are in force again.
	ErrRolledBack = errcat.New("RolledBack", "the change was rolled back")
	// ErrNoAddress: the load balancer gave CloudCore no address in time.
	ErrNoAddress = errcat.New("NoAddress", "no load balancer address")
)
