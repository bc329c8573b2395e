package images

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// hello is a real program, built for every platform.
const hello = `package main

import "os"

func main() { os.Stdout.WriteString("hello from an image\n") }
`

// programs builds hello under the names that the specs want.
func programs(t *testing.T, specs ...Spec) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "hello.go")
	if err := os.WriteFile(source, []byte(hello), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		for _, p := range s.Programs() {
			to := filepath.Join(dir, "linux-"+p.Platform, p.Program)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(builtFor(t, dir, source, p.Platform), to); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// builtFor compiles source for a platform, once in dir.
func builtFor(t *testing.T, dir, source, platform string) string {
	t.Helper()
	to := filepath.Join(dir, platform)
	if _, err := os.Stat(to); err == nil {
		return to
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", to, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+platform, "GOARM=7")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return to
}

func TestPushAndPull(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	b := Builder{Programs: programs(t, Product()...), Version: "v1.2.3"}
	for _, s := range Product() {
		t.Run(s.Name, func(t *testing.T) {
			byDigest, err := b.Push(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/some/path", s)
			if err != nil {
				t.Fatal(err)
			}
			ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/some/path/edgeway/" + s.Name + ":v1.2.3")
			if err != nil {
				t.Fatal(err)
			}
			index, err := remote.Index(ref)
			if err != nil {
				t.Fatal(err)
			}
			digest, err := index.Digest()
			if err != nil || !strings.HasSuffix(byDigest, "@"+digest.String()) {
				t.Errorf("printed %s, the registry has %s (%v)", byDigest, digest, err)
			}
			checkIndex(t, s, index)
		})
	}
}

// checkIndex looks at what a cluster would run.
func checkIndex(t *testing.T, s Spec, index v1.ImageIndex) {
	t.Helper()
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	ran := false
	for _, m := range manifest.Manifests {
		got = append(got, m.Platform.String())
		image, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.Config.User != s.User || config.Architecture != m.Platform.Architecture || config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" {
			t.Errorf("%s: user %q, architecture %q, labels %v", m.Platform, config.Config.User, config.Architecture, config.Config.Labels)
		}
		files := extract(t, image)
		for _, e := range s.Extra {
			if err := checkProgram(files[e.Path], e.Platform); err != nil {
				t.Error(err)
			}
		}
		program := files[config.Config.Entrypoint[0]]
		if err := checkProgram(program, m.Platform.Architecture); err != nil {
			t.Error(err)
		}
		if m.Platform.Architecture == runtime.GOARCH {
			out, err := exec.Command(program).Output()
			if ran = err == nil && string(out) == "hello from an image\n"; !ran {
				t.Errorf("running it: %v, %q", err, out)
			}
		}
	}
	for _, p := range s.Platforms {
		want = append(want, platformOf(p).String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("platforms: %s", diff)
	}
	if !ran {
		t.Errorf("no image for this machine's %s", runtime.GOARCH)
	}
}

// extract unpacks an image and maps the paths in it to files.
func extract(t *testing.T, image v1.Image) map[string]string {
	t.Helper()
	dir, files := t.TempDir(), map[string]string{}
	content := mutate.Extract(image)
	defer content.Close()
	r := tar.NewReader(content)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d, time %s", h.Name, h.Uid, h.ModTime)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		to := filepath.Join(dir, h.Name)
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, raw, h.FileInfo().Mode()); err != nil {
			t.Fatal(err)
		}
		files["/"+strings.TrimPrefix(h.Name, "/")] = to
	}
}

// TestSameProgramsSameImages: layout, archive and digest.
func TestSameProgramsSameImages(t *testing.T) {
	s := Product()[0]
	b := Builder{Programs: programs(t, s), Version: "v1.2.3"}
	write := func() (string, v1.Hash, []byte) {
		dir := t.TempDir()
		archive, digest, err := b.Write(dir, s)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, s.Name), digest, raw
	}
	dir, first, archive := write()
	_, second, again := write()
	if first != second || !cmp.Equal(archive, again) {
		t.Errorf("digests %s and %s, archives equal: %v", first, second, cmp.Equal(archive, again))
	}
	outer, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	index, err := outer.ImageIndex(first)
	if err != nil {
		t.Fatal(err)
	}
	checkIndex(t, s, index)
}

func TestProgramsThatAreRefused(t *testing.T) {
	s := Spec{Name: "x", Program: "x", Platforms: []string{"amd64", "arm64"}}
	dir := programs(t, s)
	b := Builder{Programs: dir, Version: "v1"}
	arm, amd := filepath.Join(dir, "linux-arm64", "x"), filepath.Join(dir, "linux-amd64", "x")
	if err := os.Rename(amd, arm); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Index(s); err == nil || !strings.Contains(err.Error(), amd) || !strings.Contains(err.Error(), "make images") {
		t.Errorf("missing program: %v", err)
	}
	if err := os.Link(arm, amd); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Index(s); err == nil || !strings.Contains(err.Error(), arm) {
		t.Errorf("program of another platform: %v", err)
	}
	if err := checkProgram("/bin/sh", runtime.GOARCH); err == nil || !strings.Contains(err.Error(), "dynamically") {
		t.Errorf("dynamic program: %v", err)
	}
}
