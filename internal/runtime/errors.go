package runtime

import "errors"

// Errors that callers tell apart with errors.Is. Bad settings are
// settings.ErrInvalid; missing rights are apierrors.IsForbidden.
var (
	// ErrConflict: somebody else is changing KubeEdge on this cluster, or has
	// changed it since the caller looked.
	ErrConflict = errors.New("conflicting change")
	// ErrForeign: there is a KubeEdge that edgeway did not install.
	ErrForeign = errors.New("another KubeEdge is installed")
	// ErrNotEnabled: there is nothing to change.
	ErrNotEnabled = errors.New("KubeEdge is not enabled")
	// ErrNotReady: everything is installed, but not running in time.
	ErrNotReady = errors.New("KubeEdge did not become ready")
	// ErrRolledBack: a change failed and the former settings are in force again.
	ErrRolledBack = errors.New("the change was rolled back")
	// ErrNoAddress: the load balancer gave CloudCore no address in time.
	ErrNoAddress = errors.New("no load balancer address")
)
