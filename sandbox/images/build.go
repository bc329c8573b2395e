package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Registry is the name that all images of the sandbox start with. It is never
// asked for anything.
const Registry = "edgeway.local"

// File of an image.
type File struct {
	// Path inside the image.
	Path string
	// From is a file on the machine that is copied, or empty for a link.
	From string
	// Link is the target of a symbolic link, or empty for a file.
	Link string
}

// Spec says what an image is made of.
type Spec struct {
	Name string
	// Ref is the full reference of an image that others ask for by name; empty:
	// Registry/Name:hash.
	Ref        string
	Files      []File
	Entrypoint []string
	Cmd        []string
	Env        []string
}

// Image is an image archive on disk.
type Image struct {
	// Ref is the full reference, registry/name:hash.
	Ref string
	// Archive is a docker archive that `ctr images import` takes.
	Archive string
}

// Build makes the image's archive in dir unless it is there, and removes older
// archives of the same name.
func Build(dir string, s Spec) (Image, error) {
	digest, err := s.digest()
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w", s.Name, err)
	}
	img := Image{Ref: Registry + "/" + s.Name + ":" + digest[:12], Archive: filepath.Join(dir, s.Name+"-"+digest[:12]+".tar")}
	if s.Ref != "" {
		img.Ref = s.Ref
	}
	if _, err := os.Stat(img.Archive); err == nil {
		return img, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Image{}, err
	}
	old, err := filepath.Glob(filepath.Join(dir, s.Name+"-????????????.tar"))
	if err != nil {
		return Image{}, err
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil {
			return Image{}, err
		}
	}
	if err := s.write(img); err != nil {
		return Image{}, fmt.Errorf("image %s: %w", s.Name, err)
	}
	return img, nil
}

func (s Spec) digest() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q\n", s.Ref, s.Entrypoint, s.Cmd, s.Env)
	for _, f := range s.Files {
		fmt.Fprintf(h, "%s %s\n", f.Path, f.Link)
		if f.Link != "" {
			continue
		}
		r, err := os.Open(f.From)
		if err != nil {
			return "", err
		}
		_, err = io.Copy(h, r)
		r.Close()
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (s Spec) write(img Image) error {
	layer, err := s.layer()
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", runtime.GOARCH // containerd skips an image of no platform
	config.Config = v1.Config{
		Entrypoint: s.Entrypoint, Cmd: s.Cmd,
		Env: append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, s.Env...),
	}
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return err
	}
	tag, err := name.NewTag(img.Ref)
	if err != nil {
		return err
	}
	tmp := img.Archive + ".tmp"
	if err := tarball.WriteToFile(tmp, tag, image); err != nil {
		return err
	}
	return os.Rename(tmp, img.Archive)
}

// layer packs the files. It is not compressed: it travels from one directory of
// this machine to another.
func (s Spec) layer() (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, d := range s.directories() {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d, Mode: dirMode(d), ModTime: time.Unix(0, 0)}); err != nil {
			return nil, err
		}
	}
	for _, f := range s.Files {
		if err := add(w, f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithCompressionLevel(gzip.NoCompression))
}

func dirMode(d string) int64 {
	if d == "tmp/" {
		return 0o1777
	}
	return 0o755
}

// directories lists every parent directory of the files, parents first.
func (s Spec) directories() []string {
	dirs := []string{"tmp/"}
	for _, f := range s.Files {
		parts := strings.Split(strings.Trim(filepath.Dir(f.Path), "/"), "/")
		for i := range parts {
			d := strings.Join(parts[:i+1], "/") + "/"
			if d != "/" && !slices.Contains(dirs, d) {
				dirs = append(dirs, d)
			}
		}
	}
	slices.Sort(dirs)
	return dirs
}

func add(w *tar.Writer, f File) error {
	h := &tar.Header{Name: strings.TrimPrefix(f.Path, "/"), Mode: 0o755, ModTime: time.Unix(0, 0)}
	if f.Link != "" {
		h.Typeflag, h.Linkname = tar.TypeSymlink, f.Link
		return w.WriteHeader(h)
	}
	r, err := os.Open(f.From)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}
