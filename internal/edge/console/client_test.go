package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// TestErrorsNameWhatTheyMakeProbable asks real servers with real faults.
func TestErrorsNameWhatTheyMakeProbable(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	lookup := func(t *testing.T, change func(*http.Transport)) error {
		t.Helper()
		c, err := New(server.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		change(c.http.Transport.(*http.Transport))
		_, err = c.Lookup(t.Context(), "code")
		return err
	}
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for name, test := range map[string]struct {
		change func(*http.Transport)
		want   string
	}{
		"an unknown authority": {func(*http.Transport) {}, "give the console's key with --pin"},
		"a clock that is wrong": {func(tr *http.Transport) {
			tr.TLSClientConfig.RootCAs = roots
			tr.TLSClientConfig.Time = func() time.Time { return time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC) }
		}, "this device's clock says "},
		"a proxy that is not there": {func(tr *http.Transport) {
			tr.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		}, "the proxy comes from https_proxy"},
		"another server": {func(tr *http.Transport) { tr.TLSClientConfig.RootCAs = roots }, "the server answered 404"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := lookup(t, test.change); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v does not say %q", err, test.want)
			}
		})
	}
}

// TestForeignAnswersAreNotTheConsoles: what to do depends on who probably answered.
func TestForeignAnswersAreNotTheConsoles(t *testing.T) {
	for status, want := range map[int]string{
		404: "check that --server is the console's address",
		502: "before the console",
		503: "before the console",
		504: "before the console",
		403: "refuses the request",
		407: "refuses the request",
	} {
		c := &Client{base: "https://console.test", http: &http.Client{Transport: answer{status, "<html>no</html>"}}}
		_, err := c.Lookup(t.Context(), "code")
		var told *wire.Error
		if !errors.As(err, &told) || told.Code != "ConsoleAnswer" || !strings.Contains(told.Remedy, want) || !strings.Contains(told.Message, strconv.Itoa(status)) {
			t.Errorf("%d: %+v", status, told)
		}
	}
}

// FuzzAnswers: whatever a console answers, the device gets an error or a value and
// never stops.
func FuzzAnswers(f *testing.F) {
	for _, body := range []string{`{"nodeName":"edge-1","cloudCore":{"host":"h","certPort":1}}`, `{"code":"CodeUsed","message":"m"}`, `null`, `[]`, `<html>`, `{"code":1}`, ``} {
		f.Add(200, body)
		f.Add(403, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = int(uint(status)%500) + 100
		c := &Client{base: "https://console.test", http: &http.Client{Transport: answer{status, body}}}
		l, err := c.Lookup(t.Context(), "code")
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Errorf("an error that says nothing: %#v", err)
		}
		if err == nil && l.NodeName == "" {
			t.Errorf("%q names no node, and is taken for an answer", body)
		}
		if err := c.Report(t.Context(), wire.ReportRequest{}); err == nil && status != http.StatusNoContent {
			t.Errorf("status %d counts as told", status)
		}
	})
}

// FuzzRedeem: the device gets all that it needs to join, as the console sent it, or an
// error with a code.
func FuzzRedeem(f *testing.F) {
	whole := `{"nodeName":"edge-1","certificate":"-----BEGIN CERTIFICATE-----","ca":"-----BEGIN CERTIFICATE-----","edgecoreConfig":"kind: EdgeCore\n",` +
		`"edgecore":{"url":"/join/edgecore/amd64","sha256":"` + strings.Repeat("0a", 32) + `"},"statusToken":"t","cloudCore":{"host":"h","certPort":1},"hints":["x"]}`
	for _, body := range []string{whole, strings.Replace(whole, `"ca"`, `"c"`, 1), strings.Replace(whole, "0a", "0G", 1), strings.Replace(whole, `"t"`, `" "`, 1),
		`{"code":"CodeUsed","message":"m","remedy":"r"}`, `{}`, `null`, `[]`, `<html>`, `{"edgecore":{}}`, whole[:100], ``} {
		f.Add(200, body)
		f.Add(403, body)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		status = int(uint(status)%500) + 100
		c := &Client{base: "https://console.test", http: &http.Client{Transport: answer{status, body}}}
		got, err := c.Redeem(t.Context(), "code", nil)
		if err != nil {
			var told *wire.Error
			if got != nil || !errors.As(err, &told) && errcat.Code(err) != "ConsoleAnswer" {
				t.Errorf("%d %q: %v beside %v (%s)", status, body, got, err, errcat.Code(err))
			}
			return
		}
		if status != http.StatusOK || got.Certificate == "" || got.CA == "" || got.EdgeCoreConfig == "" || got.StatusToken == "" {
			t.Fatalf("%d %q is taken for %+v", status, body, got)
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		c.http.Transport = answer{http.StatusOK, string(again)}
		if same, err := c.Redeem(t.Context(), "code", nil); err != nil || !reflect.DeepEqual(same, got) {
			t.Errorf("%q becomes %+v, %v", again, same, err)
		}
	})
}

// TestRedeemNamesWhatIsMissing in an answer that is not whole.
func TestRedeemNamesWhatIsMissing(t *testing.T) {
	for field, body := range map[string]string{
		"field certificate ":     `{}`,
		"field ca ":              `{"certificate":"c"}`,
		"field edgecoreConfig ":  `{"certificate":"c","ca":"c"}`,
		"field statusToken ":     `{"certificate":"c","ca":"c","edgecoreConfig":"e"}`,
		"field edgecore.sha256 ": `{"certificate":"c","ca":"c","edgecoreConfig":"e","statusToken":"t","edgecore":{"url":"/a","sha256":"12"}}`,
	} {
		c := &Client{base: "https://console.test", http: &http.Client{Transport: answer{http.StatusOK, body}}}
		if _, err := c.Redeem(t.Context(), "code", nil); err == nil || !strings.Contains(err.Error(), field) || errcat.Code(err) != "ConsoleAnswer" {
			t.Errorf("%s: %v does not name %q", body, err, field)
		}
	}
}

type answer struct {
	status int
	body   string
}

func (a answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Status: strconv.Itoa(a.status), Body: io.NopCloser(strings.NewReader(a.body))}, nil
}
