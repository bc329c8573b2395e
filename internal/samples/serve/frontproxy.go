package serve

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
)

// The ConfigMap in which kube-apiserver says by which certificate and headers it
// can be recognized.
const (
	frontProxyNamespace = metav1.NamespaceSystem
	frontProxyConfig    = "extension-apiserver-authentication"
	frontProxyCA        = "requestheader-client-ca-file"
	caTimeout           = 15 * time.Second
)

// frontProxy recognizes kube-apiserver, and follows a change of its CA.
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
	go headers.Run(ctx, 1)
	go ca.Run(ctx, 1)
	// Without the CA every caller would be refused, and the API marked as not available.
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, caTimeout, true, func(context.Context) (bool, error) {
		_, known := ca.VerifyOptions()
		return known, nil
	})
	if err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s holds no %s (is kube-apiserver run with --requestheader-client-ca-file?): %w", frontProxyNamespace, frontProxyConfig, frontProxyCA, err)
	}
	return headerrequest.NewDynamicVerifyOptionsSecure(
		ca.VerifyOptions,
		headerrequest.StringSliceProviderFunc(headers.AllowedClientNames),
		headerrequest.StringSliceProviderFunc(headers.UsernameHeaders),
		headerrequest.StringSliceProviderFunc(headers.UIDHeaders),
		headerrequest.StringSliceProviderFunc(headers.GroupHeaders),
		headerrequest.StringSliceProviderFunc(headers.ExtraHeaderPrefixes),
	), nil
}
