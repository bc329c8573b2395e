//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// openTerminal opens a terminal as a browser would.
func openTerminal(t *testing.T, ctx context.Context, c console, pod, query string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	base, err := url.Parse(c.URL)
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"Origin": {c.URL}}
	if c.HTTP.Jar != nil {
		for _, cookie := range c.HTTP.Jar.Cookies(base) {
			header.Add("Cookie", cookie.Name+"="+cookie.Value)
		}
	}
	client := &http.Client{Transport: c.HTTP.Transport}
	return websocket.Dial(ctx, c.URL+pod+"/terminal?container=hello"+query, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
}

type terminalEnd struct {
	Code     string `json:"code"`
	ExitCode *int   `json:"exitCode"`
	Message  string `json:"message"`
}

// untilEnd reads what is shown until the terminal's end.
func untilEnd(ctx context.Context, conn *websocket.Conn) (string, terminalEnd, error) {
	var shown strings.Builder
	var end terminalEnd
	for {
		kind, raw, err := conn.Read(ctx)
		if err != nil {
			return shown.String(), end, err
		}
		if kind == websocket.MessageText {
			return shown.String(), end, json.Unmarshal(raw, &end)
		}
		shown.Write(raw)
	}
}

// untilShown reads until something is shown.
func untilShown(t *testing.T, ctx context.Context, conn *websocket.Conn, want string) string {
	t.Helper()
	var shown strings.Builder
	for !strings.Contains(shown.String(), want) {
		kind, raw, err := conn.Read(ctx)
		if err != nil || kind == websocket.MessageText {
			t.Fatalf("before %q was shown: %v %s\n%s", want, err, raw, shown.String())
		}
		shown.Write(raw)
	}
	return shown.String()
}

// runInTerminal gives the code with which a terminal ends in which a line is typed,
// or the status of a refusal.
func runInTerminal(t *testing.T, c console, pod, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, resp, err := openTerminal(t, ctx, c, pod, "&shell=sh")
	if err != nil {
		if resp != nil {
			return fmt.Sprint(resp.StatusCode)
		}
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageBinary, []byte(line+"\n")); err != nil {
		t.Fatal(err)
	}
	_, end, err := untilEnd(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	return end.Code
}

// TestTerminalThroughTheTunnel types in a shell on an edge node.
func TestTerminalThroughTheTunnel(t *testing.T) {
	c := signIn(t, site.Tokens.Admin)
	cluster := clusterName(t, c)
	forEachEdge(t, func(t *testing.T, node string) {
		name := strings.TrimSpace(mustKubectl(t, "get", "pods", "-l", "app=hello,node="+node, "-o", "jsonpath={.items[0].metadata.name}"))
		pod := "/api/v1/clusters/" + cluster + "/pods/default/" + name
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		defer cancel()
		conn, _, err := openTerminal(t, ctx, c, pod, "&columns=111&rows=33")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		press := func(kind websocket.MessageType, text string) {
			t.Helper()
			if err := conn.Write(ctx, kind, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		// A size takes its own way to the container and may come after what is typed.
		// What is typed is shown too, so what is waited for is not in it.
		sizedAs := func(size string) (shown string) {
			t.Helper()
			for !strings.Contains(shown, size) && ctx.Err() == nil {
				press(websocket.MessageBinary, "stty size; echo $((60*7))\n")
				shown += untilShown(t, ctx, conn, "420")
			}
			return shown
		}
		before := sizedAs("33 111")
		press(websocket.MessageText, `{"columns":90,"rows":20}`)
		after := sizedAs("20 90")
		press(websocket.MessageBinary, "hostname; exit 7\n")
		shown, end, err := untilEnd(ctx, conn)
		if err != nil {
			t.Fatal(err)
		}
		for want, in := range map[string]string{"33 111": before, "20 90": after, name: shown} {
			if !strings.Contains(in, want) {
				t.Errorf("%q is not in what was shown:\n%s", want, in)
			}
		}
		if end.Code != "Ended" || end.ExitCode == nil || *end.ExitCode != 7 {
			t.Errorf("end %+v, want exit code 7", end)
		}
		conn, _, err = openTerminal(t, ctx, c, pod, "&shell=bash")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if _, end, err := untilEnd(ctx, conn); err != nil || end.Code != "NoProgram" {
			t.Errorf("a shell that is not there: %+v %v", end, err)
		}
	})
}
