package contract

import (
	"context"
	"crypto/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// authorizationBehaviors are CloudHub with modules.cloudHub.authorization: enable true,
// debug false, mode node; its account may impersonate nodes.
var authorizationBehaviors = []behavior[*site]{
	{"A01", "A node gets the ConfigMaps and Secrets that its own pods mount", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.withPod(t, name)
		for _, kind := range []string{"configmap", "secret"} {
			eventually(t, func(ctx context.Context) error {
				ctx, cancel := shortly(ctx)
				defer cancel()
				_, err := conn.Ask(ctx, query("default/"+kind+"/"+name))
				return err
			})
		}
	}},
	{"A02", "A node gets no Secret and no ConfigMap that only another node's pods mount", func(t *testing.T, s *site) {
		name := s.name(t)
		s.withPod(t, name+"-other")
		conn := s.withPod(t, name)
		s.silent(t, conn, name, query("default/secret/"+name+"-other"), query("default/configmap/"+name+"-other"))
	}},
	{"A03", "A node gets no Secret that no pod of it mounts, CloudCore's own least of all", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.secretIn(t, "kube-system", name, "value")
		s.silent(t, conn, name, query(namespace+"/secret/casecret"), query(namespace+"/secret/tokensecret"), query("kube-system/secret/"+name))
	}},
	{"A04", "A node gets a token of the ServiceAccount of its own pod, bound to that pod", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.withPod(t, name)
		pod := must(s.kube.CoreV1().Pods("default").Get(ctxOf(t), name, metav1.GetOptions{}))(t)
		ask := tokenRequest(t, "default", name, pod)
		eventually(t, func(ctx context.Context) error {
			ctx, cancel := shortly(ctx)
			defer cancel()
			answer, err := conn.Ask(ctx, ask)
			if err == nil {
				contains(t, answer.Content, `"token"`)
			}
			return err
		})
	}},
	{"A05", "A node gets no token of a ServiceAccount that no pod of it uses", func(t *testing.T, s *site) {
		name := s.name(t)
		s.withPod(t, name+"-other")
		conn := s.withPod(t, name)
		s.silent(t, conn, name, tokenRequest(t, "default", name+"-other", nil), tokenRequest(t, "kube-system", "clusterrole-aggregation-controller", nil))
	}},
	{"A06", "A node renews its own lease, and not another's", func(t *testing.T, s *site) {
		name := s.name(t)
		other := s.joined(t, name+"-other")
		s.renews(t, other, name+"-other")
		conn := s.joined(t, name)
		s.renews(t, conn, name)
		stolen := newLease(name + "-other")
		s.silent(t, conn, name, message(t, "update", corev1.NamespaceNodeLease+"/lease/"+name+"-other", stolen))
	}},
	{"A07", "A node writes its own Node's status, and not another's", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name+"-other")
		conn := s.joined(t, name)
		patch := map[string]any{"status": map[string]any{"phase": "Running"}}
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/nodepatch/"+name, patch)))(t)
		s.tries(t, conn, name, message(t, "patch", "default/nodepatch/"+name+"-other", patch))
		for node, want := range map[string]corev1.NodePhase{name: "Running", name + "-other": ""} {
			if got := must(s.kube.CoreV1().Nodes().Get(ctxOf(t), node, metav1.GetOptions{}))(t).Status.Phase; got != want {
				t.Errorf("Node %s has the phase %q, want %q", node, got, want)
			}
		}
	}},
	{"A08", "A node writes the status of its own pods, and not of another node's", func(t *testing.T, s *site) {
		name := s.name(t)
		s.withPod(t, name+"-other")
		conn := s.withPod(t, name)
		patch := map[string]any{"status": map[string]any{"phase": "Running"}}
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/podpatch/"+name, patch)))(t)
		s.tries(t, conn, name, message(t, "patch", "default/podpatch/"+name+"-other", patch))
		if got := must(s.kube.CoreV1().Pods("default").Get(ctxOf(t), name+"-other", metav1.GetOptions{}))(t).Status.Phase; got == corev1.PodRunning {
			t.Error("the other node's pod was changed")
		}
	}},
	{"A09", "A node registers under its own name, and under no other", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.tries(t, conn, name, message(t, "insert", "default/node/"+name+"-other", newNode(name+"-other")))
		gone(t, func(ctx context.Context) error {
			_, err := s.kube.CoreV1().Nodes().Get(ctx, name+"-other", metav1.GetOptions{})
			return err
		})
	}},
	{"A10", "What is no operation on a known type is refused", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.silent(t, conn, name, query("default/deployment/x"), wire.Message{Route: wire.Route{Source: "edged", Group: "resource", Operation: "steal", Resource: "default/secret/x"}})
	}},
	{"A11", "A connection under another name than the certificate's stays open and gets nothing", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		impostor := s.impostor(t, name)
		s.pod(t, name, name)
		asked := query("default/node/" + name)
		asked.Header.ID = rand.Text()
		if err := impostor.Send(asked); err != nil {
			t.Fatal(err)
		}
		genuine := s.hub(t, name)
		s.served(t, genuine, name)
		select {
		case <-impostor.Closed():
			t.Error("the impostor's connection is closed")
		default:
		}
		if got := impostor.Messages(); len(got) > 0 {
			t.Errorf("the impostor got %s", briefly(got))
		}
	}},
	{"A12", "What comes from a connection under another name is carried out in that name", func(t *testing.T, s *site) {
		name := s.name(t)
		s.joined(t, name)
		impostor := s.impostor(t, name)
		patch := map[string]any{"status": map[string]any{"phase": "Terminated"}}
		if err := impostor.Send(message(t, "patch", "default/nodepatch/"+name, patch)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			node, err := s.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err == nil && node.Status.Phase != corev1.NodeTerminated {
				err = errNoAnswer
			}
			return err
		})
	}},
	{"A14", "What a connection under another name asks for is answered on the real node's connection", func(t *testing.T, s *site) {
		name := s.name(t)
		genuine := s.withPod(t, name)
		impostor := s.impostor(t, name)
		asked := query("default/secret/" + name)
		asked.Header.ID = rand.Text()
		if err := impostor.Send(asked); err != nil {
			t.Fatal(err)
		}
		if _, err := genuine.Wait(ctxOf(t), func(m wire.Message) bool { return m.Header.Parent == asked.Header.ID }); err != nil {
			t.Fatal(err)
		}
		if got := impostor.Messages(); len(got) > 0 {
			t.Errorf("the impostor got %s", briefly(got))
		}
	}},
	{"A13", "When a connection under another name ends, CloudCore closes the connection of the real node; it is served again as soon as it dials", func(t *testing.T, s *site) {
		name := s.name(t)
		genuine := s.joined(t, name)
		impostor := s.impostor(t, name)
		s.served(t, genuine, name)
		impostor.Leave()
		ends(t, genuine.Closed())
		s.served(t, s.hub(t, name), name)
	}},
}

// withPod is a joined node with a pod that mounts a ConfigMap and a Secret and uses a
// ServiceAccount, all of the node's name.
func (s *site) withPod(t *testing.T, name string) *edge.Conn {
	t.Helper()
	conn := s.joined(t, name)
	s.configMap(t, "default", name, "value")
	s.secretIn(t, "default", name, "value")
	s.serviceAccount(t, name)
	s.pod(t, name, name, mounting(name, name))
	arrives(t, conn, "insert", "default/pod/"+name)
	return conn
}

// silent sends what is to be refused and sees that no answer comes: CloudHub decides
// before it reads on, and what is asked afterwards is answered.
func (s *site) silent(t *testing.T, conn *edge.Conn, node string, refused ...wire.Message) {
	t.Helper()
	asked := map[string]string{}
	for _, m := range refused {
		m.Header.ID = rand.Text()
		asked[m.Header.ID] = m.Route.Operation + " " + m.Route.Resource
		if err := conn.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		must(conn.Ask(ctxOf(t), query("default/node/"+node)))(t)
	}
	for _, m := range conn.Messages() {
		if what, ok := asked[m.Header.Parent]; ok {
			t.Errorf("%s was answered: %.300s", what, m.Content)
		}
	}
}

// tries sends what CloudHub may let through and the API server does not; an answer, if
// there is one, has come when it returns.
func (s *site) tries(t *testing.T, conn *edge.Conn, node string, m wire.Message) {
	t.Helper()
	ctx, cancel := shortly(t.Context())
	defer cancel()
	if answer, err := conn.Ask(ctx, m); err == nil {
		contains(t, answer.Content, "Forbidden")
	}
	must(conn.Ask(ctxOf(t), query("default/node/"+node)))(t)
}

// impostor connects under the name of a node with the certificate of another.
func (s *site) impostor(t *testing.T, name string) *edge.Conn {
	t.Helper()
	return s.hub(t, name, func(h *edge.Hub) { h.TLS = s.tls(t, name+"-impostor") })
}

// tokenRequest asks for a ServiceAccount's token, bound to a pod unless that is nil.
func tokenRequest(t *testing.T, in, account string, pod *corev1.Pod) wire.Message {
	t.Helper()
	spec := map[string]any{"expirationSeconds": 600}
	if pod != nil {
		spec["boundObjectRef"] = map[string]any{"kind": "Pod", "apiVersion": "v1", "name": pod.Name, "uid": string(pod.UID)}
	}
	return message(t, "query", in+"/serviceaccounttoken/"+account, map[string]any{"spec": spec})
}
