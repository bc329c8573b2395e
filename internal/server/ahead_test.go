package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const aheadSample = `[
 {"path": "/clusters", "scripts": ["assets/clusters.js"], "styles": [], "data": ["/api/v1/session"]},
 {"path": "/clusters/:cluster/kubeedge", "scripts": ["assets/k.js"], "styles": ["assets/k.css"], "data": ["/api/v1/clusters/:cluster/kubeedge"]}
]`

// TestPagesAnnounceWhatTheyNeed: what is in a path becomes part of no header but escaped,
// and data is announced only to those who are signed in.
func TestPagesAnnounceWhatTheyNeed(t *testing.T) {
	u, err := newUI(fstest.MapFS{"index.html": {Data: []byte("<p>")}, aheadFile: {Data: []byte(aheadSample)}})
	if err != nil {
		t.Fatal(err)
	}
	script, style := "</assets/k.js>; rel=modulepreload; as=script; crossorigin", "</assets/k.css>; rel=preload; as=style; crossorigin"
	for _, test := range []struct {
		path     string
		signedIn bool
		want     []string
	}{
		{"/clusters/host/kubeedge", false, []string{script, style}},
		{"/clusters/host/kubeedge/", true, []string{script, style, "</api/v1/clusters/host/kubeedge>; rel=preload; as=fetch; crossorigin"}},
		{"/clusters/a%3E%2C%20%3C%2Fb/kubeedge", true, []string{script, style, "</api/v1/clusters/a%3E%2C%20%3C%2Fb/kubeedge>; rel=preload; as=fetch; crossorigin"}},
		{"/clusters//kubeedge", true, nil},
		{"/clusters/host/other", true, nil},
		{"/favicon.svg", true, nil},
	} {
		r := httptest.NewRequest(http.MethodGet, test.path, nil)
		if test.signedIn {
			r.AddCookie(&http.Cookie{Name: cookieName, Value: "x"})
		}
		w := httptest.NewRecorder()
		u.ServeHTTP(w, r)
		if diff := cmp.Diff(test.want, w.Header().Values("Link")); diff != "" {
			t.Errorf("%s, signed in %v (-want +got):\n%s", test.path, test.signedIn, diff)
		}
	}
	if _, served := u.files[aheadFile]; served {
		t.Errorf("%s is served", aheadFile)
	}
}

func TestBrokenAheadIsRefused(t *testing.T) {
	if _, err := newUI(fstest.MapFS{"index.html": {Data: []byte("<p>")}, aheadFile: {Data: []byte("{")}}); err == nil {
		t.Errorf("a broken %s was accepted", aheadFile)
	}
}
