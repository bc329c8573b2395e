package gate

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// spdyExec is a kubelet's exec: what comes in on stdin goes out on stdout, and
// "done" on stderr once stdin has ended.
func spdyExec(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return // Handshake has answered
	}
	streams := make(chan httpstream.Stream, 4)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, replySent <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	by := map[string]httpstream.Stream{}
	for len(by) < 4 {
		select {
		case s := <-streams:
			by[s.Headers().Get(corev1.StreamType)] = s
		case <-conn.CloseChan():
			return
		}
	}
	_, _ = io.Copy(by[corev1.StreamTypeStdout], by[corev1.StreamTypeStdin])
	_, _ = io.WriteString(by[corev1.StreamTypeStderr], "done\n")
	_, _ = io.WriteString(by[corev1.StreamTypeError], `{"status":"Success"}`)
	for _, s := range by {
		_ = s.Close()
	}
	<-conn.CloseChan()
}

// TestExecThroughKubeAPIServer runs a command as kubectl does, by SPDY and by
// WebSocket, through kube-apiserver. Its input ends before its output: a half-closed
// stream survives.
func TestExecThroughKubeAPIServer(t *testing.T) {
	node(t, "edge-exec")
	pod(t, "hello-exec", "edge-exec")
	mux := kubelet()
	mux.HandleFunc("/exec/default/hello-exec/c", spdyExec)
	mux.HandleFunc("/attach/default/hello-exec/c", spdyExec)
	connect(t, "edge-exec", mux)
	for _, subresource := range []string{"exec", "attach"} {
		url := w.kube.CoreV1().RESTClient().Post().Namespace("default").Resource("pods").Name("hello-exec").SubResource(subresource).
			VersionedParams(&corev1.PodExecOptions{Container: "c", Command: []string{"cat"}, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
		for name, dial := range map[string]func() (remotecommand.Executor, error){
			"SPDY": func() (remotecommand.Executor, error) {
				return remotecommand.NewSPDYExecutor(w.server.Config, http.MethodPost, url)
			},
			"WebSocket": func() (remotecommand.Executor, error) {
				return remotecommand.NewWebSocketExecutor(w.server.Config, http.MethodGet, url.String())
			},
		} {
			t.Run(subresource+" by "+name, func(t *testing.T) {
				executor, err := dial()
				if err != nil {
					t.Fatal(err)
				}
				want := strings.Repeat("0123456789\n", 20_000)
				var stdout, stderr bytes.Buffer
				err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdin: strings.NewReader(want), Stdout: &stdout, Stderr: &stderr})
				if err != nil || stdout.String() != want || stderr.String() != "done\n" {
					t.Errorf("%d of %d bytes came back, stderr %q, %v", stdout.Len(), len(want), stderr.String(), err)
				}
			})
		}
	}
}

// TestWebSocketUpgrade: a WebSocket to the gate itself, with the token among its
// protocols as browsers send it, reaches the kubelet without the token.
func TestWebSocketUpgrade(t *testing.T) {
	node(t, "edge-ws")
	pod(t, "hello-ws", "edge-ws")
	mux := kubelet()
	upgrader := websocket.Upgrader{Subprotocols: []string{"v4.channel.k8s.io"}}
	mux.HandleFunc("/exec/default/hello-ws/c", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return // the upgrader has answered
		}
		defer func() { _ = conn.Close() }()
		for {
			kind, message, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, message) != nil {
				return
			}
		}
	})
	connect(t, "edge-ws", mux)
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Subprotocols: []string{"v4.channel.k8s.io"}}
	token := account(t, "ws", nodeRule("get", "proxy"))
	conn, response, err := dialer.DialContext(t.Context(), "wss://"+w.stream()+"/exec/default/hello-ws/c?command=cat",
		http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		t.Fatalf("%v: %s", err, bodyOf(response))
	}
	defer func() { _ = conn.Close() }()
	if conn.Subprotocol() != "v4.channel.k8s.io" {
		t.Errorf("protocol %q", conn.Subprotocol())
	}
	want := append([]byte{0}, bytes.Repeat([]byte{0xff}, 100_000)...)
	if err := conn.WriteMessage(websocket.BinaryMessage, want); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.ReadMessage(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(want), err)
	}
}

// TestLogsThroughKubeAPIServer: logs arrive line by line while they are followed, and
// the kubelet hears that the reader left.
func TestLogsThroughKubeAPIServer(t *testing.T) {
	node(t, "edge-logs")
	pod(t, "hello-logs", "edge-logs")
	mux := kubelet()
	more, left := make(chan string, 1), make(chan struct{})
	mux.HandleFunc("/containerLogs/default/hello-logs/c", func(w http.ResponseWriter, r *http.Request) {
		defer close(left)
		for {
			select {
			case line := <-more:
				_, _ = io.WriteString(w, line)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	connect(t, "edge-logs", mux)
	more <- "line 0\n"
	logs, err := w.kube.CoreV1().Pods("default").GetLogs("hello-logs", &corev1.PodLogOptions{Container: "c", Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(logs)
	for i := range 5 {
		want := fmt.Sprintf("line %d\n", i)
		if i > 0 {
			more <- want
		}
		if got, err := lines.ReadString('\n'); err != nil || got != want {
			t.Fatalf("got %q, %v; want %q before the next is written", got, err, want)
		}
	}
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	<-left // the test's deadline bounds it
}
