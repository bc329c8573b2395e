package gate

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

// dialHubRaw connects to CloudHub through the gate, with a certificate under a name.
func dialHubRaw(t testing.TB, cert tls.Certificate, as string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}}
	header := http.Header{"node_id": {as}, "project_id": {edge.Project}, "ConnectionUse": {"msg"}}
	return dialer.DialContext(t.Context(), "wss://"+w.hub+"/"+edge.Project+"/"+as+"/events", header)
}

// dialHub says how an attempt ends: 101, a refusal's status and its text up to a colon, or
// tls for no handshake.
func dialHub(t testing.TB, cert tls.Certificate, as string) string {
	t.Helper()
	conn, response, err := dialHubRaw(t, cert, as)
	switch {
	case response == nil:
		return "tls"
	case err != nil:
		text, _, _ := strings.Cut(bodyOf(response), ":")
		return fmt.Sprintf("%d %s", response.StatusCode, text)
	}
	_ = conn.Close()
	return "101"
}

// connectHub holds the connection of a node, once CloudHub answers on it.
func connectHub(t testing.TB, name string) *edge.Conn {
	t.Helper()
	var out *edge.Conn
	eventually(t, "CloudHub serves "+name, func() error {
		conn, err := edge.Hub{Address: w.hub, Node: name, TLS: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{deviceCert(t, name)}}}.Dial(t.Context())
		if err != nil {
			return err
		}
		if err := served(t, conn, name); err != nil {
			conn.Leave()
			return err
		}
		out = conn
		return nil
	})
	t.Cleanup(out.Leave)
	return out
}

// served says whether CloudHub answers what a node asks about itself.
func served(t testing.TB, conn *edge.Conn, name string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	answer, err := conn.Ask(ctx, query("default/node/"+name))
	if err == nil && !strings.Contains(string(answer.Content), name) {
		err = fmt.Errorf("CloudHub answers %s", answer.Content)
	}
	return err
}

func query(resource string) wire.Message {
	return wire.Message{Route: wire.Route{Source: "edged", Group: "meta", Operation: "query", Resource: resource}, Content: wire.Text("")}
}

// TestWhoReachesCloudHub: a device is the node that its certificate names, and no other.
func TestWhoReachesCloudHub(t *testing.T) {
	node(t, "hub-a")
	node(t, "hub-b")
	create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "hub-cloud"}})
	enrollment(t, "hub-signed", "hub-new", v1alpha1.PhaseCertificateIssued)
	enrollment(t, "hub-code", "hub-code", v1alpha1.PhasePending)
	tokened(t, "hub-keadm", "hub-keadm", false)
	connectHub(t, "hub-a") // the facts are known by now
	const another, unknown = "403 the certificate is of another name", "403 no edge node of this name"
	for _, tc := range []struct {
		name, as string
		cert     tls.Certificate
		want     string
	}{
		{"its own", "hub-a", deviceCert(t, "hub-a"), "101"},
		{"signed for a code", "hub-new", deviceCert(t, "hub-new"), "101"},
		{"with a join token", "hub-keadm", deviceCert(t, "hub-keadm"), "101"},
		{"another node's name", "hub-b", deviceCert(t, "hub-a"), another},
		{"no name", "", deviceCert(t, "hub-a"), another},
		{"a cloud node's name", "hub-cloud", deviceCert(t, "hub-cloud"), unknown},
		{"a name that never was", "hub-none", deviceCert(t, "hub-none"), unknown},
		{"a code that nobody used", "hub-code", deviceCert(t, "hub-code"), unknown},
		{"another group", "hub-a", kubeEdgeCert(t, "system:node:hub-a", "system:masters"), "403 the certificate is not an edge node's"},
		{"a user", "hub-a", kubeEdgeCert(t, "hub-a", "system:nodes"), "403 the certificate is not an edge node's"},
		{"another CA's", "hub-a", *certOf(t, w.others, "system:node:hub-a", "system:nodes"), "tls"},
		{"the cluster's CA's", "hub-a", *certOf(t, w.clients, "system:node:hub-a", "system:nodes"), "tls"},
		{"none", "hub-a", tls.Certificate{}, "tls"},
	} {
		if got := dialHub(t, tc.cert, tc.as); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	if answer, err := (edge.Ask{URL: "https://" + w.hub + "/", Cert: new(deviceCert(t, "hub-a")), Header: http.Header{"Node_id": {"hub-a"}}}).Get(t.Context()); err != nil || answer.Status != http.StatusUpgradeRequired {
		t.Errorf("without a WebSocket: %d %s, %v", answer.Status, answer.Body, err)
	}
}

// TestImpostorDisturbsNobody: CloudHub would carry out what an impostor says and would
// close the real node's connection when the impostor leaves. It hears of none.
func TestImpostorDisturbsNobody(t *testing.T) {
	node(t, "hub-real")
	node(t, "hub-thief")
	real, thief := connectHub(t, "hub-real"), connectHub(t, "hub-thief")
	cert := deviceCert(t, "hub-thief")
	for range 5 {
		if got := dialHub(t, cert, "hub-real"); !strings.HasPrefix(got, "403 ") {
			t.Fatalf("the impostor: %q", got)
		}
	}
	if err := served(t, thief, "hub-thief"); err != nil {
		t.Errorf("the thief as itself: %v", err)
	}
	thief.Leave()
	<-thief.Closed()
	if err := served(t, real, "hub-real"); err != nil {
		t.Errorf("the real node's connection: %v", err)
	}
	select {
	case <-real.Closed():
		t.Error("the real node's connection is closed")
	default:
	}
}

// TestLargeMessages: CloudHub has no limit of a message's size, and the gate adds none.
func TestLargeMessages(t *testing.T) {
	node(t, "hub-large")
	large := strings.Repeat(`"`, 900<<10) // each takes two bytes of JSON
	create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "hub-large", Namespace: metav1.NamespaceDefault}, Data: map[string]string{"large": large}})
	create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "hub-large", Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{NodeName: "hub-large", Containers: []corev1.Container{{Name: "c", Image: "none"}}, Volumes: []corev1.Volume{{
			Name: "v", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "hub-large"}}}}}},
	})
	conn := connectHub(t, "hub-large")
	eventually(t, "a large ConfigMap arrives", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		m := query("default/configmap/hub-large")
		m.Content = wire.Text(strings.Repeat("x", 3<<20))
		answer, err := conn.Ask(ctx, m)
		if err != nil {
			return err
		}
		var cm corev1.ConfigMap
		if err := json.Unmarshal(answer.Content, &cm); err != nil {
			return err
		}
		if cm.Data["large"] != large {
			return fmt.Errorf("%d bytes came", len(cm.Data["large"]))
		}
		return nil
	})
}

// TestNewestHubConnectionsCount: a device that dials again and again holds no more than two.
func TestNewestHubConnectionsCount(t *testing.T) {
	node(t, "hub-again")
	cert := deviceCert(t, "hub-again")
	var conns []*websocket.Conn
	eventually(t, "the first connection", func() error {
		conn, response, err := dialHubRaw(t, cert, "hub-again")
		if err != nil {
			return fmt.Errorf("%w: %s", err, bodyOf(response))
		}
		conns = append(conns, conn)
		return nil
	})
	for range 4 {
		conn, _, err := dialHubRaw(t, cert, "hub-again")
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		defer func() { _ = conn.Close() }()
	}
	for _, conn := range conns[:3] {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		var err error
		for err == nil {
			_, _, err = conn.ReadMessage()
		}
		var late interface{ Timeout() bool }
		if errors.As(err, &late) && late.Timeout() {
			t.Error("more than two connections of one node are open")
		}
	}
}

// TestHTTP2PassesAsAWhole: a connection that negotiated HTTP/2 reaches CloudHub's server,
// if its certificate is an edge node's, and is cut like any other.
func TestHTTP2PassesAsAWhole(t *testing.T) {
	n := node(t, "hub-two")
	client := func(name string) *http.Client {
		return &http.Client{Timeout: patience, Transport: &http.Transport{ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{deviceCert(t, name)}}}}
	}
	get := func(c *http.Client) (*http.Response, error) {
		return c.Get("https://" + w.hub + "/api/v1/nodes/hub-two")
	}
	known := client("hub-two")
	eventually(t, "an answer over HTTP/2", func() error {
		response, err := get(known)
		if err != nil {
			return err
		}
		if text := bodyOf(response); response.ProtoMajor != 2 || response.StatusCode == http.StatusUpgradeRequired {
			return fmt.Errorf("%s %s %s", response.Proto, response.Status, text)
		}
		return nil
	})
	if response, err := get(client("hub-nobody")); err == nil {
		t.Errorf("a name that never was: %s %s", response.Status, bodyOf(response))
	}
	if err := w.admin.Delete(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the connection of a deleted Node is cut", func() error {
		response, err := get(known)
		if err != nil {
			return nil
		}
		return fmt.Errorf("%s %s", response.Status, bodyOf(response))
	})
}
