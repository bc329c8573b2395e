package contract

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgeway-io/edgeway/test/contract/cloud"
	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// hubBehaviors are CloudHub's connections.
var hubBehaviors = []behavior[*site]{
	{"C21", "CloudHub wants a client certificate of its CA: without one, and with another CA's, there is no connection", func(t *testing.T, s *site) {
		stranger := selfSigned(t, "system:node:a", "system:nodes")
		for name, cert := range map[string]*tls.Certificate{"none": nil, "another CA's": &stranger} {
			conn, err := edge.Hub{Address: s.core.Hub, TLS: must(cloud.ClientTLS(s.ca(t), cert))(t), Node: "a"}.Dial(ctxOf(t))
			if err == nil {
				conn.Leave()
				t.Errorf("with the certificate %s it connects", name)
			}
		}
	}},
	{"C22", "A connection of a Node that exists and has the edge label with an empty value stays and is answered", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		answer := must(conn.Ask(ctxOf(t), query("default/node/"+name)))(t)
		if node := decode[corev1.Node](t, answer.Content); node.Name != name {
			t.Errorf("got %s", answer.Content)
		}
		if answer.Route.Operation != "response" || answer.Route.Source != "edgecontroller" || answer.Route.Group != "resource" || answer.Route.Resource != "default/node/"+name {
			t.Errorf("the answer's route is %s %s of %s/%s", answer.Route.Operation, answer.Route.Resource, answer.Route.Source, answer.Route.Group)
		}
	}},
	{"C23", "The name counts that the header node_id says; the URL's path is not read", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		conn := s.hub(t, name, func(h *edge.Hub) { h.PathNode = "nobody" })
		s.served(t, conn, name)
	}},
	{"C24", "Registration (insert of default/node/NAME) creates the Node with the labels of kubernetes.io among them, and answers it", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.hub(t, name)
		node := newNode(name)
		s.register(t, conn, node)
		eventually(t, func(ctx context.Context) error {
			got, err := s.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			for k, v := range node.Labels {
				if value, ok := got.Labels[k]; !ok || value != v {
					return fmt.Errorf("the labels are %v", got.Labels)
				}
			}
			return nil
		})
	}},
	{"C25", "CloudCore writes its own address into the annotation cloudcore of a Node that it creates or that connects", func(t *testing.T, s *site) {
		name := s.name(t)
		s.joined(t, name)
		eventually(t, func(ctx context.Context) error {
			got, err := s.kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			if got.Annotations[mappingAnnotation] == "" {
				return fmt.Errorf("the annotations are %v", got.Annotations)
			}
			return nil
		})
	}},
	{"C26", "Registration of a Node that exists changes nothing and answers that it already exists", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		node := newNode(name)
		node.Labels["mine"] = "new"
		answer := must(conn.Ask(ctxOf(t), message(t, "insert", "default/node/"+name, node)))(t)
		contains(t, answer.Content, "AlreadyExists")
		got := must(s.kube.CoreV1().Nodes().Get(ctxOf(t), name, metav1.GetOptions{}))(t)
		if _, ok := got.Labels["mine"]; ok {
			t.Errorf("the labels are %v", got.Labels)
		}
	}},
	{"C27", "A patch of default/nodepatch/NAME goes to the Node's status as a strategic merge patch", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		patch := map[string]any{"status": map[string]any{"addresses": []map[string]any{{"type": "InternalIP", "address": "203.0.113.40"}}}}
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/nodepatch/"+name, patch)))(t)
		got := must(s.kube.CoreV1().Nodes().Get(ctxOf(t), name, metav1.GetOptions{}))(t)
		if a := got.Status.Addresses; len(a) != 1 || a[0].Address != "203.0.113.40" {
			t.Errorf("the addresses are %v: any address is fine, an interface need not have it", a)
		}
	}},
	{"C28", "Leases are created, updated and read by kube-node-lease/lease/NAME", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.renews(t, conn, name)
	}},
	{"C29", "A pod that is bound to the node is sent as insert of NAMESPACE/pod/NAME", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.pod(t, name, name)
		m := arrives(t, conn, "insert", "default/pod/"+name)
		if pod := decode[corev1.Pod](t, m.Content); pod.Spec.NodeName != name {
			t.Errorf("got %.200s", m.Content)
		}
	}},
	{"C30", "A pod that is bound before its node connects is sent once it has connected", func(t *testing.T, s *site) {
		name := s.name(t)
		s.joined(t, name).Leave() // CloudCore knows the Node
		s.pod(t, name, name)
		conn := s.hub(t, name)
		if _, err := conn.Wait(ctxOf(t), func(m wire.Message) bool {
			return m.Route.Resource == "default/pod/"+name && (m.Route.Operation == "insert" || m.Route.Operation == "update")
		}); err != nil {
			t.Fatalf("%v: got %s", err, briefly(conn.Messages()))
		}
	}},
	{"C31", "The edge label's value must be empty: to a node with " + edgeLabel + "=edge no pod is sent, and emptying the value does not bring back those bound before", func(t *testing.T, s *site) {
		name := s.name(t)
		s.nodeWith(t, name, map[string]string{edgeLabel: "edge"})
		conn := s.hub(t, name)
		s.served(t, conn, name)
		s.pod(t, name+"-lost", name)
		patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:""}}}`, edgeLabel)
		must(s.kube.CoreV1().Nodes().Patch(ctxOf(t), name, types.MergePatchType, patch, metav1.PatchOptions{}))(t)
		s.podArrives(t, conn, name)
		if arrived(conn, "default/pod/"+name+"-lost") {
			t.Error("the pod that was bound under the other value was sent")
		}
	}},
	{"C32", "A pod that is not acknowledged is sent again", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name, func(h *edge.Hub) { h.NoAck = true })
		s.pod(t, name, name)
		eventually(t, func(context.Context) error {
			n := 0
			for _, m := range conn.Messages() {
				// Messages that want an answer go one at a time: whichever is first comes again.
				if m.Route.Operation == "insert" || m.Route.Operation == "update" {
					n++
				}
			}
			if n < 2 {
				return fmt.Errorf("%d messages", n)
			}
			return nil
		})
		first := firstOf(conn, func(m wire.Message) bool { return m.Route.Operation == "insert" || m.Route.Operation == "update" })
		eventually(t, func(context.Context) error {
			if n := countOf(conn, func(m wire.Message) bool { return m.Header.ID == first.Header.ID }); n < 2 {
				return fmt.Errorf("message %s came %d times", first.Route.Resource, n)
			}
			return nil
		})
	}},
	{"C33", "A pod that is deleted is sent as update with its deletion time, and when it is gone as delete", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.pod(t, name, name)
		arrives(t, conn, "insert", "default/pod/"+name)
		if err := s.kube.CoreV1().Pods("default").Delete(ctxOf(t), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Wait(ctxOf(t), func(m wire.Message) bool {
			return m.Route.Resource == "default/pod/"+name && strings.Contains(string(m.Content), "deletionTimestamp")
		}); err != nil {
			t.Fatalf("%v: got %s", err, briefly(conn.Messages()))
		}
		now := int64(0)
		if err := s.kube.CoreV1().Pods("default").Delete(ctxOf(t), name, metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			t.Fatal(err)
		}
		arrives(t, conn, "delete", "default/pod/"+name)
	}},
	{"C34", "The node deletes its pod by delete of NAMESPACE/pod/NAME with the pod's UID", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		pod := s.pod(t, name, name)
		arrives(t, conn, "insert", "default/pod/"+name)
		now := int64(0)
		options := metav1.DeleteOptions{GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}
		must(conn.Ask(ctxOf(t), message(t, "delete", "default/pod/"+name, options)))(t)
		gone(t, func(ctx context.Context) error {
			_, err := s.kube.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
			return err
		})
	}},
	{"C35", "Pod status is written by a patch of NAMESPACE/podpatch/NAME", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.pod(t, name, name)
		patch := map[string]any{"status": map[string]any{"phase": "Running"}}
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/podpatch/"+name, patch)))(t)
		got := must(s.kube.CoreV1().Pods("default").Get(ctxOf(t), name, metav1.GetOptions{}))(t)
		if got.Status.Phase != corev1.PodRunning {
			t.Errorf("the phase is %s", got.Status.Phase)
		}
	}},
	{"C36", "ConfigMaps and Secrets of the node's pods are answered on query, and sent as update when they change", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.configMap(t, "default", name, "one")
		s.secretIn(t, "default", name, "one")
		s.pod(t, name, name, mounting(name, name))
		arrives(t, conn, "insert", "default/pod/"+name)
		for _, kind := range []string{"configmap", "secret"} {
			answer := must(conn.Ask(ctxOf(t), query("default/"+kind+"/"+name)))(t)
			contains(t, answer.Content, `"`+name+`"`)
		}
		s.change(t, name, "two")
		for _, kind := range []string{"configmap", "secret"} {
			arrives(t, conn, "update", "default/"+kind+"/"+name)
		}
	}},
	{"C37", "A query for an object that does not exist is answered with an error that says so", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		answer := must(conn.Ask(ctxOf(t), query("default/configmap/"+name)))(t)
		contains(t, answer.Content, "NotFound")
	}},
	{"C38", "Without authorization any node reads any Secret of any namespace", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		answer := must(conn.Ask(ctxOf(t), query(namespace+"/secret/casecret")))(t)
		contains(t, answer.Content, "cakeydata")
	}},
	{"C39", "Without authorization any node gets a token of any ServiceAccount", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		s.serviceAccount(t, name)
		ask := message(t, "query", "default/serviceaccounttoken/"+name, map[string]any{"spec": map[string]any{"expirationSeconds": 600}})
		answer := must(conn.Ask(ctxOf(t), ask))(t)
		contains(t, answer.Content, `"token"`)
	}},
	{"C40", "Without authorization the name need not be the certificate's: another node's certificate is served under it", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		conn := s.hub(t, name, func(h *edge.Hub) { h.TLS = s.tls(t, "someone-else") })
		s.served(t, conn, name)
	}},
	{"C41", "Of two connections under one name the later is served and the earlier is closed", func(t *testing.T, s *site) {
		name := s.name(t)
		first := s.joined(t, name)
		second := s.hub(t, name)
		ends(t, first.Closed())
		s.served(t, second, name)
	}},
	{"C42", "When the Node is deleted, its connection is closed", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		if err := s.kube.CoreV1().Nodes().Delete(ctxOf(t), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		ends(t, conn.Closed())
	}},
	{"C43", "A node that sends no keepalive for keepaliveInterval seconds is disconnected", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		silent := s.hub(t, name, func(h *edge.Hub) { h.NoKeepalive = true })
		ends(t, silent.Closed())
	}},
	{"C44", "A message that is no JSON ends the connection that it came on, and no other", func(t *testing.T, s *site) {
		name := s.name(t)
		conn, other := s.joined(t, name), s.joined(t, name+"-other")
		if err := conn.SendRaw([]byte("no JSON")); err != nil {
			t.Fatal(err)
		}
		ends(t, conn.Closed())
		must(other.Ask(ctxOf(t), query("default/node/"+name+"-other")))(t)
	}},
	{"C45", "A connection without the header ConnectionUse: msg is served and never read", func(t *testing.T, s *site) {
		name := s.name(t)
		s.node(t, name)
		s.pod(t, name, name)
		conn := s.hub(t, name, func(h *edge.Hub) { h.Use = "-" })
		if _, err := conn.Wait(ctxOf(t), func(m wire.Message) bool { return m.Route.Operation != "response" }); err != nil {
			t.Fatal(err)
		}
		ends(t, conn.Closed()) // for want of keepalives, though it sends them
	}},
	{"C46", "A node's changes are sent to it as update of null/node/NAME", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		patch := []byte(`{"metadata":{"annotations":{"seen":"yes"}}}`)
		must(s.kube.CoreV1().Nodes().Patch(ctxOf(t), name, types.MergePatchType, patch, metav1.PatchOptions{}))(t)
		if _, err := conn.Wait(ctxOf(t), func(m wire.Message) bool {
			return m.Route.Operation == "update" && m.Route.Resource == "null/node/"+name && strings.Contains(string(m.Content), `"seen":"yes"`)
		}); err != nil {
			t.Fatalf("%v: got %s", err, briefly(conn.Messages()))
		}
	}},
	{"C47", "The monitor's KubeEdge_CloudHub_connected_nodes counts the served connections", func(t *testing.T, s *site) {
		s.joined(t, s.name(t))
		eventually(t, func(context.Context) error {
			n, err := s.connected()
			if err == nil && n == "0" {
				err = errors.New("it counts none")
			}
			return err
		})
	}},
	{"C48", "Events are created by insert of NAMESPACE/event/NAME", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.joined(t, name)
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: name, Namespace: "default"}, Reason: "Seen", Message: "m", Type: "Normal"}
		if err := conn.Send(message(t, "insert", "default/event/"+name, event)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func(ctx context.Context) error {
			_, err := s.kube.CoreV1().Events("default").Get(ctx, name, metav1.GetOptions{})
			return err
		})
	}},
	{"C49", "The first connection of a Node that does not exist stays open, is served, and gets the node's pods once it has registered", func(t *testing.T, s *site) {
		name := s.name(t)
		conn := s.hub(t, name)
		s.register(t, conn, newNode(name))
		s.served(t, conn, name)
		s.podArrives(t, conn, name)
	}},
	{"C51", "A token signed with HS384 or HS512 is accepted like one with HS256", func(t *testing.T, s *site) {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
			s.accepted(t, bearer(signed(t, method, s.caKey(t), time.Minute)))
		}
	}},
	{"C52", "Without authorization a node writes the status of other Nodes and of their pods, and registers under any name", func(t *testing.T, s *site) {
		name := s.name(t)
		other := name + "-other"
		s.node(t, other)
		s.pod(t, other, other)
		conn := s.joined(t, name)
		patch := map[string]any{"status": map[string]any{"phase": "Running"}}
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/nodepatch/"+other, patch)))(t)
		must(conn.Ask(ctxOf(t), message(t, "patch", "default/podpatch/"+other, patch)))(t)
		must(conn.Ask(ctxOf(t), message(t, "insert", "default/node/"+name+"-new", newNode(name+"-new"))))(t)
		if got := must(s.kube.CoreV1().Nodes().Get(ctxOf(t), other, metav1.GetOptions{}))(t).Status.Phase; got != corev1.NodeRunning {
			t.Errorf("the other Node has the phase %q", got)
		}
		if got := must(s.kube.CoreV1().Pods("default").Get(ctxOf(t), other, metav1.GetOptions{}))(t).Status.Phase; got != corev1.PodRunning {
			t.Errorf("the other node's pod has the phase %q", got)
		}
		must(s.kube.CoreV1().Nodes().Get(ctxOf(t), name+"-new", metav1.GetOptions{}))(t)
	}},
	{"C50", "When the edge label of a connected Node gets another value than the empty one, or goes, the connection is closed as if the Node were deleted", func(t *testing.T, s *site) {
		for i, value := range []string{`"edge"`, "null"} {
			name := fmt.Sprint(s.name(t), "-", i)
			conn := s.joined(t, name)
			patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:%s}}}`, edgeLabel, value)
			must(s.kube.CoreV1().Nodes().Patch(ctxOf(t), name, types.MergePatchType, patch, metav1.PatchOptions{}))(t)
			ends(t, conn.Closed())
		}
	}},
}

// mappingAnnotation says which CloudCore a node was last connected to, by its address.
const mappingAnnotation = "cloudcore"

// connected is what the monitor says.
func (s *site) connected() (string, error) {
	resp, err := http.Get("http://" + s.core.Monitor + "/metrics")
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	for line := range strings.Lines(string(body)) {
		if n, ok := strings.CutPrefix(line, "KubeEdge_CloudHub_connected_nodes "); ok {
			return strings.TrimSpace(n), nil
		}
	}
	return "", errors.New("the figure is missing")
}

// newNode is what EdgeCore registers.
func newNode(name string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		edgeLabel: "", "node-role.kubernetes.io/agent": "", corev1.LabelHostname: name, "example.org/own": "yes"}}}
}

// register sends the node's registration; an answer need not come.
func (s *site) register(t *testing.T, conn *edge.Conn, node *corev1.Node) {
	t.Helper()
	if err := conn.Send(message(t, "insert", "default/node/"+node.Name, node)); err != nil {
		t.Fatal(err)
	}
}

// podArrives binds pods to a node until one is sent to it: what is bound in the moment in
// which CloudCore learns of the label is lost.
func (s *site) podArrives(t *testing.T, conn *edge.Conn, node string) {
	t.Helper()
	n := 0
	eventually(t, func(ctx context.Context) error {
		n++
		pod := fmt.Sprint(node, "-sent-", n)
		s.pod(t, pod, node)
		ctx, cancel := shortly(ctx)
		defer cancel()
		_, err := conn.Wait(ctx, func(m wire.Message) bool { return strings.HasPrefix(m.Route.Resource, "default/pod/"+node+"-sent-") })
		return err
	})
}

func firstOf(conn *edge.Conn, is func(wire.Message) bool) wire.Message {
	for _, m := range conn.Messages() {
		if is(m) {
			return m
		}
	}
	return wire.Message{}
}

func countOf(conn *edge.Conn, is func(wire.Message) bool) int {
	n := 0
	for _, m := range conn.Messages() {
		if is(m) {
			n++
		}
	}
	return n
}

// shortly is a context for one try.
func shortly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 3*time.Second)
}
