package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
)

// aheadFile is written by the UI's build.
const aheadFile = "ahead.json"

// ahead is what a page of the UI needs first. Named in the answer's Link header it is on
// its way before the browser has read the first script (RFC 8288, and "preload" and
// "modulepreload" of the HTML standard).
type ahead struct {
	// Path is the page's, with parameters as ":name" segments.
	Path string `json:"path"`
	// Scripts and Styles are files of the UI.
	Scripts []string `json:"scripts"`
	Styles  []string `json:"styles"`
	// Data are paths of the API, with the parameters of Path.
	Data []string `json:"data"`
}

// readAhead reads what the build found; a UI without it is served without hints.
func readAhead(dir fs.FS) ([]ahead, error) {
	raw, err := fs.ReadFile(dir, aheadFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pages []ahead
	if err := json.Unmarshal(raw, &pages); err != nil {
		return nil, fmt.Errorf("read %s of the UI: %w", aheadFile, err)
	}
	return pages, nil
}

// announce adds the Link headers of the page that r asks for. Data is named only to
// browsers that have a session: to others the API would say no.
func announce(h http.Header, pages []ahead, r *http.Request, signedIn bool) {
	for _, page := range pages {
		parameters, ok := matchPage(page.Path, r.URL)
		if !ok {
			continue
		}
		for _, file := range page.Scripts {
			h.Add("Link", "</"+file+">; rel=modulepreload; as=script; crossorigin")
		}
		for _, file := range page.Styles {
			h.Add("Link", "</"+file+">; rel=preload; as=style; crossorigin")
		}
		if !signedIn {
			return
		}
		for _, path := range page.Data {
			h.Add("Link", "<"+parameters.Replace(path)+">; rel=preload; as=fetch; crossorigin")
		}
		return
	}
}

// matchPage gives what the parameters of pattern are at an address, escaped.
func matchPage(pattern string, at *url.URL) (*strings.Replacer, bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(strings.TrimSuffix(at.EscapedPath(), "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	var pairs []string
	for i, segment := range want {
		if !strings.HasPrefix(segment, ":") {
			if segment != got[i] {
				return nil, false
			}
			continue
		}
		// Escaped anew: what came may hold characters that end a header's link.
		value, err := url.PathUnescape(got[i])
		if err != nil || value == "" {
			return nil, false
		}
		pairs = append(pairs, segment, url.PathEscape(value))
	}
	return strings.NewReplacer(pairs...), true
}
