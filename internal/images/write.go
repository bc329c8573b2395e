package images

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Ref is an image's name with tag; registry may be empty.
func (b Builder) Ref(registry string, s Spec) string {
	ref := Repository + "/" + s.Name + ":" + b.Version
	if registry = strings.TrimSuffix(registry, "/"); registry != "" {
		ref = registry + "/" + ref
	}
	return ref
}

// Write leaves the image in dir as an OCI layout, directory NAME, and as an archive
// of it, NAME.tar, which container runtimes import.
func (b Builder) Write(dir string, s Spec) (archive string, digest v1.Hash, err error) {
	index, err := b.Index(s)
	if err != nil {
		return "", v1.Hash{}, err
	}
	to := filepath.Join(dir, s.Name)
	if err := os.RemoveAll(to); err != nil {
		return "", v1.Hash{}, err
	}
	out, err := layout.Write(to, empty.Index)
	if err != nil {
		return "", v1.Hash{}, fmt.Errorf("write %s: %w", to, err)
	}
	err = out.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": b.Version, "io.containerd.image.name": "docker.io/" + b.Ref("", s),
	}))
	if err != nil {
		return "", v1.Hash{}, fmt.Errorf("write %s: %w", to, err)
	}
	if digest, err = index.Digest(); err != nil {
		return "", v1.Hash{}, err
	}
	archive = to + ".tar"
	return archive, digest, pack(to, archive)
}

// pack makes a tar of a directory, the same for the same content.
func pack(dir, archive string) (err error) {
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return packFile(w, file, filepath.ToSlash(rel))
	})
	return errors.Join(err, w.Close())
}

func packFile(w *tar.Writer, file, as string) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: as, Mode: 0o644, Size: info.Size(), ModTime: made}); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}

// Push publishes the image with all its platforms and gives its name by digest. The
// credentials are those of docker login or podman login.
func (b Builder) Push(ctx context.Context, registry string, s Spec) (string, error) {
	ref, err := name.ParseReference(b.Ref(registry, s))
	if err != nil {
		return "", fmt.Errorf("registry %q: give HOST[:PORT][/PATH]: %w", registry, err)
	}
	index, err := b.Index(s)
	if err != nil {
		return "", err
	}
	if err := remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := index.Digest()
	if err != nil {
		return "", err
	}
	return ref.Context().Digest(digest.String()).String(), nil
}
