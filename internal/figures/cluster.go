package figures

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/streamcert"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// Account is the ServiceAccount in namespace kubeedge that may read figures of every
// node, and nothing else.
const Account = "edgeway-figures"

// tokenLife is the shortest that the API server gives.
const tokenLife = 10 * time.Minute

// ForManager makes a Reader from what a manager and a started store of nodes know. The
// kubelets' CA is read from a file, which need not be there.
func ForManager(mgr ctrl.Manager, store *nodes.Store, kubeletCAFile string) (*Reader, error) {
	kube, err := kubernetes.NewForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("make client for figures: %w", err)
	}
	kubeletCA, err := os.ReadFile(kubeletCAFile)
	if err != nil && kubeletCAFile != "" && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read --kubelet-ca-file: %w", err)
	}
	tokens := &tokens{issue: issuer(kube), now: time.Now}
	return New(Config{
		Node: func(name string) *routes.Node {
			if n := store.Get(name); n != nil {
				return &n.Node
			}
			return nil
		},
		Targets: func(ctx context.Context) ([]v1alpha1.EdgeRouteTarget, error) {
			var t v1alpha1.EdgeRouteTargets
			err := mgr.GetClient().Get(ctx, client.ObjectKey{Name: v1alpha1.TargetsName}, &t)
			return t.Targets, err
		},
		GateCA: func(ctx context.Context) ([]byte, error) {
			secret, err := kube.CoreV1().Secrets(v1alpha1.KubeEdgeNamespace).Get(ctx, streamcert.SecretName, metav1.GetOptions{})
			if err != nil {
				return nil, err
			}
			return secret.Data[streamcert.KeyCA], nil
		},
		KubeletCA: kubeletCA,
		Token:     tokens.get,
	})
}

func issuer(kube kubernetes.Interface) func(context.Context) (string, time.Time, error) {
	return func(ctx context.Context) (string, time.Time, error) {
		seconds := int64(tokenLife / time.Second)
		t, err := kube.CoreV1().ServiceAccounts(v1alpha1.KubeEdgeNamespace).CreateToken(ctx, Account,
			&authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
		if err != nil {
			return "", time.Time{}, fmt.Errorf("token of ServiceAccount %s/%s: %w", v1alpha1.KubeEdgeNamespace, Account, err)
		}
		return t.Status.Token, t.Status.ExpirationTimestamp.Time, nil
	}
}

// tokens keeps one token until half of its life is over.
type tokens struct {
	issue func(context.Context) (token string, expires time.Time, err error)
	now   func() time.Time

	mu    sync.Mutex
	token string
	renew time.Time
}

func (t *tokens) get(ctx context.Context, refused string) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if t.token != "" && t.token != refused && now.Before(t.renew) {
		return t.token, nil
	}
	token, expires, err := t.issue(ctx)
	if err != nil {
		return "", err
	}
	t.token, t.renew = token, now.Add(expires.Sub(now)/2)
	return token, nil
}
