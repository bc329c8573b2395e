package server

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/edgeway-io/edgeway/internal/limit"
)

const mib = 1 << 20

// bigLog is an API server over HTTP/2, as a real one is, whose only pod has a log of 8 MiB.
type bigLog struct{ *httptest.Server }

// lineLength of its lines, with time and line's end.
const lineLength = 131

func newBigLog(t *testing.T) *bigLog {
	t.Helper()
	f := newFakeCluster(t)
	b := &bigLog{}
	line := "2026-01-02T03:04:05.000000001Z " + strings.Repeat("x", 99) + "\n"
	log := strings.Repeat(line, 8*mib/lineLength)
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p/log", func(w http.ResponseWriter, _ *http.Request) {
		for part := log; part != ""; {
			n, err := w.Write([]byte(part[:min(len(part), 16<<10)]))
			if err != nil {
				return
			}
			part = part[n:]
		}
	})
	b.Server = httptest.NewUnstartedServer(f.Config.Handler)
	b.EnableHTTP2 = true
	b.StartTLS()
	t.Cleanup(b.Close)
	return b
}

// use has the console use it as its host cluster.
func (b *bigLog) use(t *testing.T) func(*Config) {
	config := api.NewConfig()
	config.CurrentContext = "host"
	config.Clusters["host"] = &api.Cluster{Server: b.URL, CertificateAuthorityData: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw})}
	config.Contexts["host"] = &api.Context{Cluster: "host", AuthInfo: "console"}
	config.AuthInfos["console"] = &api.AuthInfo{Token: "admin"}
	all := clustersOf(t, config)
	return func(cfg *Config) { cfg.Clusters = all }
}

// heap is the memory that is in use, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers freed
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestUnreadLogsAreBounded: 80 readers of an 8 MiB log who read nothing. The console's
// program takes some 60 MiB by itself and may take 200 MiB in all. What is measured has the
// other ends of all connections in it, too.
func TestUnreadLogsAreBounded(t *testing.T) {
	const streams, most = 80, 100 * mib
	cluster := newBigLog(t)
	c := newConsole(t, newFakeCluster(t), cluster.use(t))
	before := heap()
	var conns []*websocket.Conn
	for i := range streams {
		cookie := c.sessionOf(fmt.Sprint("user", i/streamsOfSession))
		conns = append(conns, c.stream(cookie, "pods/web/p/logs/stream?container=c&tail=-1"))
	}
	budget := c.srv.capacity.logs
	eventually(t, "the budget is used up", func() bool { return budget.Held() > budget.Most()-mib })
	if used := heap() - before; used > most {
		t.Errorf("%d unread logs take %d MiB, want %d at most", streams, used/mib, most/mib)
	}
	if over := budget.Held() - budget.Most(); over > streams*(32<<10) {
		t.Errorf("the queues hold %d KiB more than their budget", over>>10)
	}
	for _, conn := range conns {
		conn.CloseNow()
	}
	eventually(t, "all of the budget is back", func() bool { return budget.Held() == 0 })
	eventually(t, "all streams are over", func() bool { return c.srv.capacity.streams.Taken(2, "all") == 0 })
	if used := heap() - before; used > 20*mib {
		t.Errorf("%d MiB are not given back", used/mib)
	}
}

// sessionOf gives the cookie of a user's session, always of the same one.
func (c *console) sessionOf(user string) string {
	for _, s := range c.srv.sessions.live() {
		if s.user == user {
			return s.id
		}
	}
	return c.srv.sessions.open(user, nil, "admin").id
}

// readLines reads a log to its end, as a browser does.
func readLines(t *testing.T, conn *websocket.Conn) int {
	t.Helper()
	conn.SetReadLimit(1 << 22)
	lines := 0
	for {
		var frame LogFrame
		if err := wsjson.Read(t.Context(), conn, &frame); err != nil {
			t.Fatal(err)
		}
		lines += len(frame.Lines)
		if frame.Event == "end" {
			return lines
		}
		if err := wsjson.Write(t.Context(), conn, ackMessage{Ack: frame.Seq}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAReaderGetsAllOfItsLog: however little of the budget is left.
func TestAReaderGetsAllOfItsLog(t *testing.T) {
	cluster := newBigLog(t)
	c := newConsole(t, newFakeCluster(t), cluster.use(t))
	c.srv.capacity.logs = limit.NewBytes(0)
	conn := c.stream(c.sessionOf("jane"), "pods/web/p/logs/stream?container=c&tail=-1")
	lines := readLines(t, conn)
	if want := 8 * mib / lineLength; lines != want {
		t.Errorf("%d lines, want %d", lines, want)
	}
}

func TestStreamsAreLimited(t *testing.T) {
	cluster := newBigLog(t)
	c := newConsole(t, newFakeCluster(t), cluster.use(t))
	c.srv.capacity.streams = limit.NewSlots(2, 3, 4)
	const path = "pods/web/p/logs/stream?container=c&tail=-1"
	sessions := map[string]string{}
	for name, user := range map[string]string{"jane 1": "jane", "jane 2": "jane", "joe": "joe", "kim": "kim"} {
		sessions[name] = c.srv.sessions.open(user, nil, "admin").id
	}
	refused := func(session, want string) {
		t.Helper()
		res, body := c.do("GET", "/api/v1/clusters/host/"+path, sessions[session], "")
		if got := codeIn(t, body); got != want || res.StatusCode < 400 {
			t.Errorf("%s: %s %s, want %s", session, res.Status, body, want)
		}
	}
	first := c.stream(sessions["jane 1"], path)
	c.stream(sessions["jane 1"], path)
	refused("jane 1", "TooManyStreams") // the session's limit
	c.stream(sessions["jane 2"], path)
	refused("jane 2", "TooManyStreams") // the user's
	c.stream(sessions["joe"], path)
	refused("kim", "ConsoleBusy") // everybody's
	if res, body := c.do("GET", "/api/v1/session", sessions["kim"], ""); res.StatusCode != http.StatusOK {
		t.Errorf("streams keep a request out: %s %s", res.Status, body)
	}
	first.CloseNow()
	eventually(t, "a closed stream leaves room", func() bool { return c.srv.capacity.streams.Taken(2, "all") == 3 })
	c.stream(sessions["kim"], path)
}

func TestRequestsAreLimited(t *testing.T) {
	f := newFakeCluster(t)
	hold := make(chan struct{})
	f.mux.HandleFunc("GET /api/v1/namespaces/web/pods/p", func(w http.ResponseWriter, _ *http.Request) {
		<-hold
		status(w, http.StatusNotFound, "NotFound")
	})
	other := newFakeCluster(t)
	c := newConsole(t, f, func(cfg *Config) { cfg.Clusters = contexts(t, map[string]string{"host": f.URL, "other": other.URL}) })
	c.srv.capacity.requests = limit.NewSlots(2, 3, 4, 6)
	c.srv.capacity.patience = 20 * time.Millisecond
	open := func(user string) string { return c.srv.sessions.open(user, nil, "admin").id }
	jane, janeToo, joe, kim := open("jane"), open("jane"), open("joe"), open("kim")
	var held sync.WaitGroup
	t.Cleanup(held.Wait)
	release := sync.OnceFunc(func() { close(hold) })
	t.Cleanup(release)
	taken := 0
	occupy := func(cookie string) {
		t.Helper()
		held.Go(func() { c.do("GET", "/api/v1/clusters/host/pods/web/p", cookie, "") })
		taken++
		eventually(t, "the request is under way", func() bool { return c.srv.capacity.requests.Taken(3, "all") == taken })
	}
	answers := func(cookie, path, want string) {
		t.Helper()
		res, body := c.do("GET", path, cookie, "")
		got := ""
		if res.StatusCode != http.StatusOK {
			got = codeIn(t, body)
		}
		if got != want {
			t.Errorf("%s: %s %s, want %q", path, res.Status, body, want)
		}
	}
	occupy(jane)
	occupy(jane)
	answers(jane, "/api/v1/session", "TooManyRequests") // the session's limit
	occupy(janeToo)
	answers(janeToo, "/api/v1/session", "TooManyRequests") // the user's
	occupy(joe)
	answers(kim, "/api/v1/clusters/host/rights", "ConsoleBusy") // the cluster's
	// Another cluster has slots of its own: it is asked, and refuses, since no credentials
	// are sent over plain HTTP.
	answers(kim, "/api/v1/clusters/other/rights", "KubeconfigRejected")
	answers(kim, "/api/v1/session", "")
	release()
	held.Wait()
	answers(jane, "/api/v1/session", "")
	if n := c.srv.capacity.requests.Taken(3, "all"); n != 0 {
		t.Errorf("%d slots are left over", n)
	}
}

// TestStreamsAreFlagged: what lasts must not take the slot of a request.
func TestStreamsAreFlagged(t *testing.T) {
	c := newConsole(t, newFakeCluster(t))
	var flaggedOps []string
	for _, item := range c.srv.api.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			lasts := op.Responses["101"] != nil
			if ok := op.Responses["200"]; ok != nil {
				for kind := range ok.Content {
					lasts = lasts || kind == "text/event-stream" || kind == "application/gzip" || kind == "text/plain"
				}
			}
			if lasts != flagged(op, metaStream) {
				t.Errorf("%s: lasts %v, flagged %v", op.OperationID, lasts, flagged(op, metaStream))
			}
			if lasts {
				flaggedOps = append(flaggedOps, op.OperationID)
			}
		}
	}
	if len(flaggedOps) < 7 {
		t.Errorf("only %q last", flaggedOps)
	}
}

// TestManySessionsWithNodeLists: 300 sessions that look at the nodes share one budget; who
// finds no room in it reads the list anew, and sees the same.
func TestManySessionsWithNodeLists(t *testing.T) {
	const sessions, nodes = 300, 100
	m := newBareMatrix(t)
	want := map[string]int{}
	for i := range nodes {
		name := fmt.Sprintf("node-%03d", i)
		want[name] = -1 // the user may list no pods
		if err := m.admin.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	m.grant(t, "looker", Right{Verb: "list", Resource: "nodes"}, Right{Verb: "watch", Resource: "nodes"})
	first, why := m.srv.sessions.get(m.as(t, "looker"), true)
	if why != nil {
		t.Fatal(why)
	}
	token, err := first.login.Token()
	if err != nil {
		t.Fatal(err)
	}
	const lists = 40 // of 300
	m.srv.capacity.rows = limit.NewBytes(lists * nodes * 600)
	budget := m.srv.capacity.rows
	var all sync.WaitGroup
	slots := limit.NewSlots(16)
	var most atomic.Int64
	for i := range sessions {
		cookie := m.srv.sessions.open(fmt.Sprint("user", i/10), nil, token.AccessToken).id
		all.Go(func() {
			release, _, ok := slots.Wait(t.Context(), "all")
			if !ok {
				return
			}
			defer release()
			for range 3 {
				names, status := m.nodeNames(t, cookie, "all")
				if diff := cmp.Diff(want, names); status != http.StatusOK || diff != "" {
					t.Errorf("status %d, nodes %s", status, diff)
				}
				if held := budget.Held(); held > most.Load() {
					most.Store(held)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > budget.Most() || most.Load() < budget.Most()/2 {
		t.Errorf("the lists held %d KiB of a budget of %d KiB", most.Load()>>10, budget.Most()>>10)
	}
}
