package images

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func program(t *testing.T, dir, text string) string {
	t.Helper()
	file := filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestBuildWritesARunnableArchive(t *testing.T) {
	dir := t.TempDir()
	spec := Spec{
		Name:       "thing",
		Files:      []File{{Path: "/usr/local/bin/thing", From: program(t, dir, "v1")}, {Path: "/bin/sh", Link: "busybox"}},
		Entrypoint: []string{"thing"},
	}
	img, err := Build(filepath.Join(dir, "out"), spec)
	if err != nil {
		t.Fatal(err)
	}
	image, err := tarball.ImageFromPath(img.Archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture == "" {
		t.Errorf("platform %s/%s: containerd skips an image of no platform", config.OS, config.Architecture)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	want := []string{"bin/", "tmp/", "usr/", "usr/local/", "usr/local/bin/", "usr/local/bin/thing", "bin/sh"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestBuildNamesByContent: the same input is the same image and is not built
// again; another input is another image, and the old archive goes.
func TestBuildNamesByContent(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	build := func(text string) Image {
		t.Helper()
		img, err := Build(out, Spec{Name: "thing", Files: []File{{Path: "/p", From: program(t, dir, text)}}})
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	first, again, changed := build("v1"), build("v1"), build("v2")
	if first != again {
		t.Errorf("the same input gave %v and %v", first, again)
	}
	if first.Ref == changed.Ref {
		t.Errorf("another program kept the reference %s", first.Ref)
	}
	left, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 || left[0].Name() != filepath.Base(changed.Archive) {
		t.Errorf("archives left: %v, want only %s", left, changed.Archive)
	}
}
