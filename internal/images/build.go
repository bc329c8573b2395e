package images

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Builder makes images.
type Builder struct {
	// Programs is a directory with linux-amd64, linux-arm64 and linux-arm.
	Programs string
	// Version goes into labels and tags.
	Version string
}

// made is the time of everything in an image: digests depend on the programs alone.
var made = time.Unix(0, 0).UTC()

// Index makes an image for all its platforms.
func (b Builder) Index(s Spec) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range s.Platforms {
		image, err := b.image(s, arch)
		if err != nil {
			return nil, fmt.Errorf("image %s for %s: %w", s.Name, arch, err)
		}
		platform := platformOf(arch)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	annotated, ok := mutate.Annotations(index, b.labels(s)).(v1.ImageIndex)
	if !ok {
		return nil, fmt.Errorf("image %s: its index takes no annotations", s.Name)
	}
	return annotated, nil
}

func (b Builder) labels(s Spec) map[string]string {
	return map[string]string{
		"org.opencontainers.image.title": s.Name, "org.opencontainers.image.description": s.Description,
		"org.opencontainers.image.version": b.Version, "org.opencontainers.image.licenses": "Apache-2.0",
	}
}

func (b Builder) image(s Spec, arch string) (v1.Image, error) {
	files := []Extra{{Path: "/" + s.Program, Program: s.Program, Platform: arch}}
	layer, err := b.layer(append(files, s.Extra...))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if image, err = mutate.Append(image, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: v1.Time{Time: made}, CreatedBy: "make images"}}); err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	platform := platformOf(arch)
	config.OS, config.Architecture, config.Variant, config.Created = platform.OS, platform.Architecture, platform.Variant, v1.Time{Time: made}
	config.Config = v1.Config{Entrypoint: []string{"/" + s.Program}, Cmd: s.Cmd, User: s.User, WorkingDir: "/",
		Env: []string{"PATH=/"}, Labels: b.labels(s)}
	return mutate.ConfigFile(image, config)
}

// layer packs the programs, and an empty /tmp.
func (b Builder) layer(files []Extra) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	dirs := map[string]bool{"/": true}
	if err := addDirs(w, "/tmp/x", 0o1777, dirs); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := addDirs(w, f.Path, 0o755, dirs); err != nil {
			return nil, err
		}
		if err := b.add(w, f); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buf.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// addDirs adds the directories above a file, once.
func addDirs(w *tar.Writer, file string, mode int64, done map[string]bool) error {
	dir := path.Dir(file)
	if done[dir] {
		return nil
	}
	if err := addDirs(w, dir, mode, done); err != nil {
		return err
	}
	done[dir] = true
	return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: mode, ModTime: made})
}

func (b Builder) add(w *tar.Writer, f Extra) error {
	from := b.program(f)
	if err := checkProgram(from, f.Platform); err != nil {
		return err
	}
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(f.Path, "/"), Mode: 0o755, Size: info.Size(), ModTime: made}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

func (b Builder) program(f Extra) string {
	return filepath.Join(b.Programs, "linux-"+f.Platform, f.Program)
}

var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM}

// checkProgram: the images hold no libraries, and an index must not lie about a platform.
func checkProgram(file, arch string) error {
	p, err := elf.Open(file)
	if err != nil {
		return fmt.Errorf("program %s: build it with make images: %w", file, err)
	}
	defer p.Close()
	if p.Machine != machines[arch] {
		return fmt.Errorf("program %s is for %s, not for %s: build it with make images", file, p.Machine, arch)
	}
	for _, part := range p.Progs {
		if part.Type == elf.PT_INTERP {
			return fmt.Errorf("program %s is linked dynamically: build it with CGO_ENABLED=0", file)
		}
	}
	return nil
}
