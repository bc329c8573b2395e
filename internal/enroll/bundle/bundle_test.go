package bundle_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

func offline() bundle.Offline {
	return bundle.Offline{
		Lookup: wire.Lookup{NodeName: "edge-1", NodeIP: "192.168.100.1", Arch: "arm64",
			CloudCore: wire.CloudCore{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}},
		Key: "its-private-key", Certificate: "its-certificate", CA: "the CA", Expires: time.Date(2026, 11, 1, 13, 0, 0, 0, time.UTC), EdgeCoreConfig: "kind: EdgeCore\n",
	}
}

// unpacked writes a bundle and unpacks it with tar(1), as a person does.
func unpacked(t *testing.T) string { return unpackedWith(t, "") }

func unpackedWith(t *testing.T, passphrase string) string {
	t.Helper()
	dir := t.TempDir()
	var sources []bundle.Source
	for name, mode := range map[string]int64{"edgectl": 0o755, "edgecore": 0o755, "images/pause.tar": 0o644} {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
		sources = append(sources, bundle.Source{Name: name, Path: path, Mode: mode})
	}
	var archive bytes.Buffer
	if err := bundle.Write(&archive, offline(), passphrase, sources, time.Now()); err != nil {
		t.Fatal(err)
	}
	tar := exec.Command("tar", "-xz", "-C", dir)
	tar.Stdin = &archive
	if out, err := tar.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "edgeway-edge-1")
}

func TestBundleComesBackWhole(t *testing.T) {
	dir := unpacked(t)
	b, err := bundle.Open(dir, noPassphrase)
	if err != nil {
		t.Fatal(err)
	}
	want := &bundle.Bundle{Offline: offline(), Dir: dir, EdgeCore: filepath.Join(dir, "edgecore"), Images: []string{filepath.Join(dir, "images", "pause.tar")}}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	sums := exec.Command("sha256sum", "-c", "--quiet", "SHA256SUMS")
	sums.Dir = dir
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("sha256sum finds: %s", out)
	}
	if info, err := os.Stat(filepath.Join(dir, "join.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the key: %v, %v", info.Mode(), err)
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.txt"))
	if err != nil || strings.Contains(string(readme), "its-private-key") {
		t.Errorf("the README tells the key, or is missing: %v", err)
	}
}

func noPassphrase() (string, error) { return "", bundle.ErrPassphraseMissing }

// TestSealedBundle: without the passphrase nothing of the node's key can be read.
func TestSealedBundle(t *testing.T) {
	const passphrase = "correct horse battery"
	dir := unpackedWith(t, passphrase)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if bytes.Contains(raw, []byte("its-private-key")) || bytes.Contains(raw, []byte("its-certificate")) {
			t.Errorf("%s tells what is sealed", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		passphrase string
		want       error
	}{{passphrase, nil}, {"another passphrase", bundle.ErrPassphraseWrong}, {"", bundle.ErrPassphraseMissing}} {
		b, err := bundle.Open(dir, func() (string, error) { return tc.passphrase, nil })
		if !errors.Is(err, tc.want) || err == nil && !cmp.Equal(b.Offline, offline()) {
			t.Errorf("%q: %+v, %v; want %v", tc.passphrase, b, err, tc.want)
		}
	}
	if _, err := bundle.Open(dir, noPassphrase); !errors.Is(err, bundle.ErrPassphraseMissing) {
		t.Errorf("without a passphrase: %v", err)
	}
	// What was sealed with more work than a device can do is refused and not tried.
	if err := os.WriteFile(filepath.Join(dir, bundle.FileSealed), []byte("age-encryption.org/v1\n-> scrypt c2FsdHNhbHRzYWx0c2FsdA 30\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Open(dir, func() (string, error) { return passphrase, nil }); !errors.Is(err, bundle.ErrDamaged) {
		t.Errorf("a changed bundle: %v", err)
	}
}

func TestDamagedBundleIsRefused(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"changed file": func(d string) error { return os.WriteFile(filepath.Join(d, "edgecore"), []byte("x"), 0o755) },
		"missing file": func(d string) error { return os.Remove(filepath.Join(d, "images", "pause.tar")) },
		"changed key":  func(d string) error { return os.WriteFile(filepath.Join(d, "join.json"), []byte("{}"), 0o600) },
		"a link instead": func(d string) error {
			os.Remove(filepath.Join(d, "edgecore"))
			return os.Symlink("edgectl", filepath.Join(d, "edgecore"))
		},
		"path that leads out": func(d string) error {
			return appendTo(filepath.Join(d, "SHA256SUMS"), strings.Repeat("0", 64)+"  ../../etc/passwd\n")
		},
		"absolute path": func(d string) error {
			return appendTo(filepath.Join(d, "SHA256SUMS"), strings.Repeat("0", 64)+"  /etc/passwd\n")
		},
		"nothing in it": func(d string) error { return os.WriteFile(filepath.Join(d, "SHA256SUMS"), nil, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := unpacked(t)
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := bundle.Open(dir, noPassphrase); !errors.Is(err, bundle.ErrDamaged) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := bundle.Open(t.TempDir(), noPassphrase); err == nil || !strings.Contains(err.Error(), "no bundle") {
		t.Errorf("an empty directory gives %v", err)
	}
}

func TestBundleWithoutAFileIsNotWritten(t *testing.T) {
	err := bundle.Write(&bytes.Buffer{}, offline(), "", []bundle.Source{{Name: "edgectl", Path: "/nonexistent", Mode: 0o755}}, time.Now())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
