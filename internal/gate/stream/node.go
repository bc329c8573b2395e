package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// errNoNode says that no edge node is meant by a request.
var errNoNode = errors.New("no such edge node")

// forwardedURI is the header in which kube-apiserver's node proxy says what it was
// asked for.
const forwardedURI = "X-Forwarded-Uri"

// Addresses knows whose a routed address is.
type Addresses interface {
	Node(netip.Addr) (string, bool)
}

// nodeOfPod finds the node that a request for logs, exec or attach is for, as
// CloudStream does: the pod of the path says it.
func nodeOfPod(pods typedcorev1.PodsGetter) locate {
	return func(ctx context.Context, r *http.Request) (string, error) {
		namespace, name := r.PathValue("namespace"), r.PathValue("pod")
		pod, err := pods.Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return "", fmt.Errorf("%w: pod %s/%s does not exist", errNoNode, namespace, name)
		case err != nil:
			return "", fmt.Errorf("find the node of pod %s/%s: %w", namespace, name, err)
		case pod.Spec.NodeName == "":
			return "", fmt.Errorf("%w: pod %s/%s is not scheduled yet", errNoNode, namespace, name)
		}
		return pod.Spec.NodeName, nil
	}
}

// nodeOfScrape finds the node that figures are asked of: kube-apiserver's node proxy
// says its name, a scraper only dials its address.
func nodeOfScrape(addresses Addresses) locate {
	return func(_ context.Context, r *http.Request) (string, error) {
		if node, ok := proxied(r.Header.Get(forwardedURI)); ok {
			return node, nil
		}
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil {
			return "", fmt.Errorf("%w: host %q is no IP address", errNoNode, r.Host)
		}
		if node, found := addresses.Node(addr); found {
			return node, nil
		}
		return "", fmt.Errorf("%w: address %s is routed for none", errNoNode, addr)
	}
}

// proxied reads the node's name out of /api/v1/nodes/NAME/proxy/PATH.
func proxied(uri string) (string, bool) {
	parts := strings.Split(uri, "/")
	if len(parts) < 7 || strings.Join(parts[:4], "/") != "/api/v1/nodes" || parts[5] != "proxy" || parts[4] == "" {
		return "", false
	}
	return parts[4], true
}

// proxyURI makes CloudStream find a node by its name, which also works where two
// nodes claim one address, and for an IPv6 address.
func proxyURI(node, path string) string { return "/api/v1/nodes/" + node + "/proxy" + path }
