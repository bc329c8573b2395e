package control

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// bodyPatience is how long the console waits for a request's body.
const bodyPatience = 20 * time.Second

// console is `edgeway console` as a process of its own.
type console struct {
	*program
	address, url string
	http         *http.Client
}

// startConsole runs a console with the API server as its host cluster.
func startConsole(t *testing.T) *console {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := &console{address: address, url: "https://" + address}
	// The console made its certificate itself. A request that took as long as a slow body
	// may would have waited for one.
	c.http = &http.Client{Timeout: bodyPatience, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	c.program = start(t, "edgeway", "console", "--kubeconfig="+server.Kubeconfig(), "--listen="+address, "--data-dir="+t.TempDir())
	eventually(t, "the console serves", func() error {
		_, err := c.get(t.Context(), "/", "")
		return err
	})
	return c
}

// get reads a page or an answer of the API.
func (c *console) get(ctx context.Context, path, cookie string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Cookie", cookie)
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, answer.Status, body)
	}
	return body, err
}

// signIn opens a session with a token and gives its cookie.
func (c *console) signIn(t *testing.T, token string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/api/v1/session", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", c.url)
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || len(answer.Cookies()) == 0 {
		t.Fatalf("sign in: %s: %s, %v", answer.Status, text, err)
	}
	cookie := answer.Cookies()[0]
	return cookie.Name + "=" + cookie.Value
}

// cluster is the name of the host cluster.
func (c *console) cluster(t *testing.T, cookie string) string {
	t.Helper()
	body, err := c.get(t.Context(), "/api/v1/clusters", cookie)
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ Name string }
	if err := json.Unmarshal(body, &list); err != nil || len(list) != 1 {
		t.Fatalf("clusters are %s, %v; want one", body, err)
	}
	return list[0].Name
}

// adminToken is the token of an account with all rights.
func adminToken(t *testing.T, name string) string {
	t.Helper()
	create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault}})
	create(t, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: metav1.NamespaceDefault}}})
	kube := kubernetes.NewForConfigOrDie(server.Config)
	token, err := kube.CoreV1().ServiceAccounts(metav1.NamespaceDefault).CreateToken(t.Context(), name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return token.Status.Token
}

// bigLog is a kubelet whose pods have logs of 8 MiB, and what it has given out of them.
func bigLog(t *testing.T) (port int32, given *atomic.Int64) {
	t.Helper()
	given = &atomic.Int64{}
	line := "2026-01-02T03:04:05.000000001Z " + strings.Repeat("x", 99) + "\n"
	log := strings.Repeat(line, 8<<20/len(line))
	kubelet := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/containerLogs/") {
			http.NotFound(w, r)
			return
		}
		for part := log; part != ""; {
			n, err := io.WriteString(w, part[:min(len(part), 16<<10)])
			if given.Add(int64(n)); err != nil {
				return
			}
			part = part[n:]
		}
	}))
	kubelet.StartTLS()
	t.Cleanup(kubelet.Close)
	_, text, err := net.SplitHostPort(kubelet.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(n), given
}

// TestUnreadLogsFitTheConsole: 80 logs of 8 MiB at once, of which nobody reads more than
// the first lines, keep the console's process below 200 MiB.
func TestUnreadLogsFitTheConsole(t *testing.T) {
	const users, sessions, streams, most = 2, 2, 20, 200 // 20 streams a session, 40 a user
	port, given := bigLog(t)
	node := edgeNode("big-log", "127.0.0.1")
	node.Labels, node.Status.DaemonEndpoints.KubeletEndpoint.Port = nil, port
	createNode(t, node)
	pod := podOn(t, "big-log", "big-log", node.Name)
	c := startConsole(t)
	before := memoryOf(t, c.cmd.Process.Pid, "VmHWM")
	var conns []*websocket.Conn
	cookie := ""
	for u := range users {
		token := adminToken(t, fmt.Sprint("log-reader-", u))
		for range sessions {
			cookie = c.signIn(t, token)
			url := c.url + "/api/v1/clusters/" + c.cluster(t, cookie) + "/pods/" + pod.Namespace + "/" + pod.Name + "/logs/stream?container=c&tail=-1"
			for range streams {
				conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
					HTTPClient: &http.Client{Transport: c.http.Transport}, HTTPHeader: http.Header{"Origin": {c.url}, "Cookie": {cookie}}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.CloseNow() })
				conn.SetReadLimit(4 << 20)
				conns = append(conns, conn)
			}
		}
	}
	for i, conn := range conns {
		for lines := false; !lines; {
			_, frame, err := conn.Read(t.Context())
			if err != nil {
				t.Fatalf("log %d: %v", i, err)
			}
			lines = bytes.Contains(frame, []byte("xxx"))
		}
	}
	last := int64(-1)
	eventually(t, "the console takes no more of the logs", func() error {
		time.Sleep(2 * time.Second)
		now := given.Load()
		if last, now = now, now-last; now != 0 {
			return fmt.Errorf("%d KiB more", now>>10)
		}
		return nil
	})
	if _, err := c.get(t.Context(), "/api/v1/session", cookie); err != nil {
		t.Errorf("a request beside the logs: %v", err)
	}
	took := memoryOf(t, c.cmd.Process.Pid, "VmHWM")
	t.Logf("%d unread logs, of which the kubelet gave out %d MiB: VmHWM %.0f MiB before, %.0f MiB with them", len(conns), given.Load()>>20, before, took)
	if took > most {
		t.Errorf("%d unread logs take the console's process to %.0f MiB, want %d at most", len(conns), took, most)
	}
}

// TestSlowBodiesLeaveRoom: 2,000 clients that send a byte now and then, and come again when
// they are cut off, keep nobody from the console.
func TestSlowBodiesLeaveRoom(t *testing.T) {
	const slow, requests, most = 2000, 60, 300
	c := startConsole(t)
	cookie := c.signIn(t, adminToken(t, "beside-slow-bodies"))
	ask := func() []time.Duration {
		var took []time.Duration
		for i := range requests {
			path := []string{"/", "/api/v1/session", "/api/v1/clusters"}[i%3]
			began := time.Now()
			if _, err := c.get(t.Context(), path, cookie); err != nil {
				t.Errorf("a request beside slow ones: %v", err)
			}
			took = append(took, time.Since(began))
			c.http.CloseIdleConnections() // each gets in anew
		}
		slices.Sort(took)
		return took
	}
	alone := ask()
	memory := memoryOf(t, c.cmd.Process.Pid, "VmHWM")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var open, cut atomic.Int64
	var longest atomic.Int64
	var all sync.WaitGroup
	for i := range slow {
		// One address may have some 1,000 connections.
		from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%4))}
		all.Go(func() {
			for ctx.Err() == nil {
				lasted, err := slowBody(c.address, from, &open)
				if err != nil {
					time.Sleep(100 * time.Millisecond) // too many for now
					continue
				}
				cut.Add(1)
				for old := longest.Load(); int64(lasted) > old && !longest.CompareAndSwap(old, int64(lasted)); old = longest.Load() {
				}
			}
		})
	}
	eventually(t, "most of them are connected", func() error {
		if n := open.Load(); n < slow*3/4 {
			return fmt.Errorf("%d of %d", n, slow)
		}
		return nil
	})
	atOnce := open.Load()
	beside := ask()
	took := memoryOf(t, c.cmd.Process.Pid, "VmHWM")
	stop()
	all.Wait() // the console cuts off each of them
	t.Logf("%d slow bodies at once, %d cut off, the longest after %.1f s", atOnce, cut.Load(), time.Duration(longest.Load()).Seconds())
	t.Logf("requests alone: median %v, slowest %v; beside them: median %v, slowest %v", alone[requests/2], alone[requests-1], beside[requests/2], beside[requests-1])
	t.Logf("the console's VmHWM: %.0f MiB before, %.0f MiB with them", memory, took)
	if took > most {
		t.Errorf("slow bodies take the console's process to %.0f MiB, want %d at most", took, most)
	}
}

// slowBody sends a request whose body never comes to an end, and says how long the console
// bore with it. It is an error not to get in.
func slowBody(address string, from net.Addr, open *atomic.Int64) (time.Duration, error) {
	dialer := &net.Dialer{LocalAddr: from, Timeout: patience}
	conn, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	began := time.Now()
	if _, err := io.WriteString(conn, "POST /api/v1/session HTTP/1.1\r\nHost: console\r\nOrigin: https://console\r\n"+
		"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"); err != nil {
		return 0, err
	}
	open.Add(1)
	defer open.Add(-1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, conn) // until the console closes it
	}()
	for {
		select {
		case <-done:
			return time.Since(began), nil
		case <-time.After(2 * time.Second):
			_, _ = io.WriteString(conn, " ") // done says whether it is still open
		}
	}
}
