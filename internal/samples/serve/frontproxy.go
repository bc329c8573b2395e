package serve

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
)

// The ConfigMap in which kube-apiserver says by which certificate and headers it
// can be recognised.
const (
	frontProxyNamespace = metav1.NamespaceSystem
	frontProxyConfig    = "extension-apiserver-authentication"
	frontProxyCA        = "requestheader-client-ca-file"
)

// frontProxy recognises kube-apiserver, and follows a change of its CA.
func frontProxy(ctx context.Context, kube kubernetes.Interface) (authenticator.Request, error) {
	headers := headerrequest.NewRequestHeaderAuthRequestController(frontProxyConfig, frontProxyNamespace, kube,
		"requestheader-username-headers", "requestheader-uid-headers", "requestheader-group-headers",
		"requestheader-extra-headers-prefix", "requestheader-allowed-names")
	ca, err := dynamiccertificates.NewDynamicCAFromConfigMapController("front proxy CA", frontProxyNamespace, frontProxyConfig, frontProxyCA, kube)
	if err != nil {
		return nil, fmt.Errorf("follow kube-apiserver's front proxy CA: %w", err)
	}
	if err := headers.RunOnce(ctx); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", frontProxyNamespace, frontProxyConfig, err)
	}
	if err := ca.RunOnce(ctx); err != nil {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", frontProxyNamespace, frontProxyConfig, err)
	}
	go headers.Run(ctx, 1)
	go ca.Run(ctx, 1)
	return headerrequest.NewDynamicVerifyOptionsSecure(
		ca.VerifyOptions,
		headerrequest.StringSliceProviderFunc(headers.AllowedClientNames),
		headerrequest.StringSliceProviderFunc(headers.UsernameHeaders),
		headerrequest.StringSliceProviderFunc(headers.UIDHeaders),
		headerrequest.StringSliceProviderFunc(headers.GroupHeaders),
		headerrequest.StringSliceProviderFunc(headers.ExtraHeaderPrefixes),
	), nil
}
