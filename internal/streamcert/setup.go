package streamcert

import (
	"fmt"
	"log/slog"

	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
)

// SetupWithManager lets the manager's leader keep the certificate of the
// CloudCore in namespace.
func SetupWithManager(mgr ctrl.Manager, namespace string, log *slog.Logger) error {
	client, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("make client for the stream certificate: %w", err)
	}
	return mgr.Add(NewRenewer(client, namespace, log))
}
