package contract

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// limitBehaviors are a CloudHub with nodeLimit 1.
var limitBehaviors = []behavior[*site]{
	{"L01", "Beyond nodeLimit a connection stays open and is never served, not even when there is room again", func(t *testing.T, s *site) {
		name := s.name(t)
		first := s.joined(t, name)
		s.node(t, name+"-late")
		late := s.hub(t, name+"-late")
		if err := late.Send(query("default/node/" + name + "-late")); err != nil {
			t.Fatal(err)
		}
		must(first.Ask(ctxOf(t), query("default/node/"+name)))(t)
		first.Leave()
		// Whoever dials then has the place.
		eventually(t, func(ctx context.Context) error {
			ctx, cancel := shortly(ctx)
			defer cancel()
			third := s.hub(t, name)
			if _, err := third.Ask(ctx, query("default/node/"+name)); err != nil {
				third.Leave()
				return err
			}
			return nil
		})
		select {
		case <-late.Closed():
			t.Error("the connection beyond the limit is closed")
		default:
		}
		if got := late.Messages(); len(got) > 0 {
			t.Errorf("the connection beyond the limit got %s", briefly(got))
		}
	}},
}

// unprivilegedBehaviors are CloudHub with authorization and an account that may not
// impersonate nodes.
var unprivilegedBehaviors = []behavior[*site]{
	{"U01", "With authorization CloudCore renews leases in the node's name: without the right to impersonate it fails, and the answer says so", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		answer := must(conn.Ask(ctxOf(t), message(t, "insert", corev1.NamespaceNodeLease+"/lease/"+name, newLease(name))))(t)
		contains(t, answer.Content, "cannot impersonate resource")
	}},
	{"U02", "With authorization Secrets of the node's pods are read with CloudCore's own rights, so that it keeps those on all Secrets", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.withPod(t, name)
		eventually(t, func(ctx context.Context) error {
			ctx, cancel := shortly(ctx)
			defer cancel()
			_, err := conn.Ask(ctx, query("default/secret/"+name))
			return err
		})
	}},
}

// restartBehaviors kill CloudCore and start it again.
var restartBehaviors = []behavior[*site]{
	{"R01", "When CloudCore dies, a log's reader gets an error and the edge's tunnel and connection end", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.pod(t, name, name)
		tn := s.tunnel(t, name, s.ip())
		get := s.get(t, s.logsOf(name), nil)
		o := tn.opening(t, wire.Logs)
		tn.send(t, o.ID, wire.Data, "one\n")
		get.line(t)
		s.restart(t)
		ends(t, tn.closed)
		ends(t, conn.Closed())
		if _, body, err := get.try(patience); err == nil {
			t.Errorf("the reader sees a whole answer that ends with %q", body)
		}
	}},
	{"R02", "After a restart CloudCore has the same CA, certificate and tunnel port; nodes come back with what they have", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		conf, port, ca := s.tls(t, name), s.recorded(t), s.ca(t)
		s.restart(t)
		if !bytes.Equal(ca, s.ca(t)) || port != s.recorded(t) {
			t.Errorf("the CA or the port is another: %d, was %d", s.recorded(t), port)
		}
		conn := s.hub(t, name, func(h *edge.Hub) { h.TLS = conf })
		s.served(t, conn, name)
		s.tunnelAs(t, edge.Tunnel{TLS: conf, Node: name, IP: s.ip()})
	}},
	{"R03", "A restart renews the token; the one before is good until it expires", func(t *testing.T, s *site) {
		before := s.bearer(t)
		waitForNextSecond(t, before, s)
		s.restart(t)
		if s.bearer(t) == before {
			t.Error("the token is the same")
		}
		s.accepted(t, bearer(before))
	}},
	{"R04", "Another advertiseAddress changes nothing while Secret cloudcoresecret exists; without it a new certificate is made", func(t *testing.T, s *site) {
		if err := s.core.Advertise("127.0.0.1", "203.0.113.9"); err != nil {
			t.Fatal(err)
		}
		for _, deleted := range []bool{false, true} {
			if deleted {
				if err := s.kube.CoreV1().Secrets(namespace).Delete(ctxOf(t), "cloudcoresecret", metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			s.restart(t)
			conn := must(tls.Dial("tcp", s.core.HTTPS, &tls.Config{InsecureSkipVerify: true}))(t)
			got := conn.ConnectionState().PeerCertificates[0].IPAddresses
			_ = conn.Close() // its certificate was looked at
			if want := 1; !deleted && len(got) != want || deleted && len(got) != 2 {
				t.Errorf("deleted %t: the certificate is for %v", deleted, got)
			}
		}
	}},
	{"R05", "A pod that was acknowledged before a restart is not sent as new after it; one bound meanwhile is sent", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.pod(t, name, name)
		arrives(t, conn, "insert", "default/pod/"+name)
		must(conn.Ask(ctxOf(t), query("default/node/"+name)))(t)
		s.settled(t, name)
		if err := s.core.Kill(); err != nil {
			t.Fatal(err)
		}
		s.pod(t, name+"-later", name)
		if err := s.core.Launch(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn = s.hub(t, name)
		s.served(t, conn, name)
		if _, err := conn.Wait(ctxOf(t), func(m wire.Message) bool { return m.Route.Resource == "default/pod/"+name+"-later" }); err != nil {
			t.Fatal(err)
		}
		if arrived(conn, "default/pod/"+name) {
			t.Errorf("the acknowledged pod was sent again: %s", briefly(conn.Messages()))
		}
	}},
	{"R06", "CloudCore writes its whole configuration into ConfigMap cloudcore when there is one", func(t *testing.T, s *site) {
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cloudcore", Namespace: namespace}, Data: map[string]string{"cloudcore.yaml": "mine"}}
		must(s.kube.CoreV1().ConfigMaps(namespace).Create(ctxOf(t), m, metav1.CreateOptions{}))(t)
		s.restart(t)
		got := must(s.kube.CoreV1().ConfigMaps(namespace).Get(ctxOf(t), "cloudcore", metav1.GetOptions{}))(t)
		if text := got.Data["cloudcore.yaml"]; !strings.Contains(text, "cloudHub") {
			t.Errorf("it says %.200q", text)
		}
	}},
	{"R07", "While the API server is away, connections and tunnels stay", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		ip := s.ip()
		tn := s.tunnel(t, name, ip)
		if err := s.api.StopAPI(); err != nil {
			t.Fatal(err)
		}
		tn.metrics(t, s, ip, nil)
		if err := s.api.StartAPI(t.Context()); err != nil {
			t.Fatal(err)
		}
		tn.metrics(t, s, ip, nil)
		s.served(t, conn, name)
	}},
}

// restart kills CloudCore and starts it with its configuration as it is now.
func (s *site) restart(t *testing.T) {
	t.Helper()
	if err := s.core.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.core.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// withoutImpersonation is a kubeconfig of an account that may do everything but that.
func withoutImpersonation(t *testing.T, api *apiserver.Server) string {
	t.Helper()
	ctx, kube := ctxOf(t), must(kubernetes.NewForConfig(api.Config))(t)
	if err := ensureNamespace(ctx, kube); err != nil {
		t.Fatal(err)
	}
	const name = "cloudcore"
	must(kube.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}))(t)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"}}}}
	must(kube.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}))(t)
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: namespace}}}
	must(kube.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}))(t)
	token := must(kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{}))(t)
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: api.Config.Host, CertificateAuthorityData: api.Config.CAData}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// waitForNextSecond waits until a token made now differs from the one before: a token
// says its end in whole seconds and nothing else.
func waitForNextSecond(t *testing.T, before string, s *site) {
	t.Helper()
	eventually(t, func(context.Context) error {
		if signed(t, jwt.SigningMethodHS256, s.caKey(t), 24*time.Hour) == before {
			return errors.New("it would be the same token")
		}
		return nil
	})
}

// settled waits until CloudCore has stored that a node's pod was acknowledged: that is
// when its record of it has the pod's version.
func (s *site) settled(t *testing.T, pod string) {
	t.Helper()
	kube := must(dynamic.NewForConfig(s.api.Config))(t)
	syncs := schema.GroupVersionResource{Group: "reliablesyncs.kubeedge.io", Version: "v1alpha1", Resource: "objectsyncs"}
	p := must(s.kube.CoreV1().Pods("default").Get(ctxOf(t), pod, metav1.GetOptions{}))(t)
	eventually(t, func(ctx context.Context) error {
		got, err := kube.Resource(syncs).Namespace("default").Get(ctx, p.Spec.NodeName+"."+string(p.UID), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if version, _, _ := unstructured.NestedString(got.Object, "status", "objectResourceVersion"); version != p.ResourceVersion {
			return fmt.Errorf("version %q is recorded, want %s", version, p.ResourceVersion)
		}
		return nil
	})
}
