package joinhttp

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

// Artifact is a file that devices may download.
type Artifact struct {
	Path string
	// SHA256 in hex.
	SHA256 string
}

// Artifacts are the binaries of a directory, read once at start: the checksum
// that goes into a join command is that of the file that is served.
type Artifacts struct {
	files    map[string]Artifact
	problems []error
}

var (
	// kinds of files with what ends their names.
	kinds = map[string]string{"edgectl": "", "edgecore": "", "images": ".tar"}
	archs = []string{"amd64", "arm64", "arm"}
)

// LoadArtifacts finds the files edgectl-ARCH, edgecore-ARCH and images-ARCH.tar (the
// container images of offline bundles, as containerd's ctr imports them) in dir. A
// missing file is no error: that architecture cannot be downloaded then. One that cannot
// be read is left out as well and is among the Problems. A missing directory is an error.
func LoadArtifacts(dir string) (*Artifacts, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return nil, fmt.Errorf("read artifacts: %w", err)
	}
	a := &Artifacts{files: map[string]Artifact{}}
	for kind, suffix := range kinds {
		for _, arch := range archs {
			path := filepath.Join(dir, kind+"-"+arch+suffix)
			sum, err := hashFile(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				a.problems = append(a.problems, fmt.Errorf("read artifact %s: %w", path, err))
			default:
				a.files[kind+"-"+arch] = Artifact{Path: path, SHA256: sum}
			}
		}
	}
	return a, nil
}

// Problems are the files that are there and cannot be read.
func (a *Artifacts) Problems() []error { return a.problems }

// EdgectlSHA256 is the checksum for a join command; empty when there is no
// edgectl for the architecture.
func (a *Artifacts) EdgectlSHA256(arch string) string {
	f, _ := a.find("edgectl", arch)
	return f.SHA256
}

// BundleSources are the files of an offline bundle; none without an edgectl for
// the architecture, since nothing could be done with the rest.
func (a *Artifacts) BundleSources(arch string) []bundle.Source {
	edgectl, ok := a.find("edgectl", arch)
	if !ok {
		return nil
	}
	const program, data = 0o755, 0o644
	sources := []bundle.Source{{Name: bundle.FileEdgectl, Path: edgectl.Path, Mode: program}}
	if f, ok := a.find("edgecore", arch); ok {
		sources = append(sources, bundle.Source{Name: bundle.FileEdgeCore, Path: f.Path, Mode: program})
	}
	if f, ok := a.find("images", arch); ok {
		sources = append(sources, bundle.Source{Name: bundle.DirImages + "/edgeway.tar", Path: f.Path, Mode: data})
	}
	return sources
}

func (a *Artifacts) find(kind, arch string) (Artifact, bool) {
	if a == nil {
		return Artifact{}, false
	}
	f, ok := a.files[kind+"-"+arch]
	return f, ok
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// download serves only what LoadArtifacts found: the architecture is a key, never
// a part of a path.
func (h *Handler) download(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, ok := h.artifacts.find(kind, r.PathValue("arch"))
		if !ok {
			h.fail(w, r, &wire.Error{Code: wire.NotFound,
				Message: fmt.Sprintf("this console has no %s for architecture %q", kind, r.PathValue("arch")),
				Remedy:  "put the file " + kind + "-ARCH into the console's artifact directory and restart it"})
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="`+kind+`"`)
		w.Header().Set(wire.HeaderSHA256, f.SHA256)
		http.ServeFile(w, r, f.Path)
	}
}
