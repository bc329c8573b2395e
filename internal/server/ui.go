package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

// errNoIndex: the UI's directory lacks its entry page.
var errNoIndex = errors.New("index.html is missing")

// ui serves the built web UI. Every path that is no file gets index.html: the
// page's own router knows what to show.
type ui struct {
	files map[string]uiFile
	ahead []ahead
}

type uiFile struct {
	raw, packed []byte
	contentType string
	etag        string
}

// newUI reads and compresses all files once; they are few and small.
func newUI(dir fs.FS) (*ui, error) {
	out := &ui{files: map[string]uiFile{}}
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		raw, err := fs.ReadFile(dir, name)
		if err != nil {
			return err
		}
		out.files[name], err = pack(name, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, ok := out.files["index.html"]; !ok {
		return nil, errNoIndex
	}
	delete(out.files, aheadFile) // for the server itself
	out.ahead, err = readAhead(dir)
	return out, err
}

func pack(name string, raw []byte) (uiFile, error) {
	sum := sha256.Sum256(raw)
	f := uiFile{raw: raw, contentType: mime.TypeByExtension(path.Ext(name)), etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	if f.contentType == "" {
		f.contentType = http.DetectContentType(raw)
	}
	var buf bytes.Buffer
	w, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := w.Write(raw); err != nil {
		return f, err
	}
	if err := w.Close(); err != nil {
		return f, err
	}
	if buf.Len() < len(raw)*9/10 {
		f.packed = buf.Bytes()
	}
	return f, nil
}

func (u *ui) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if strings.HasPrefix(name, "api/") || strings.HasPrefix(name, "join/") {
		http.NotFound(w, r)
		return
	}
	f, ok := u.files[name]
	h := w.Header()
	switch {
	case ok && strings.HasPrefix(name, "assets/"):
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // names carry a hash
	case !ok && strings.HasPrefix(name, "assets/"):
		http.NotFound(w, r)
		return
	case !ok:
		f = u.files["index.html"]
		_, err := r.Cookie(cookieName)
		announce(h, u.ahead, r, err == nil)
		fallthrough
	default:
		h.Set("Cache-Control", "no-cache")
	}
	h.Set("ETag", f.etag)
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := f.raw
	if f.packed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	if _, err := w.Write(body); err != nil {
		return // the reader left
	}
}
