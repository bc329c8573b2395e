package images

import (
	"path/filepath"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestPackHoldsEveryImageUnderItsReference(t *testing.T) {
	dir := t.TempDir()
	var all []Image
	for _, n := range []string{"one", "two"} {
		img, err := Build(dir, Spec{Name: n, Files: []File{{Path: "/bin/" + n, From: program(t, dir, n)}}, Entrypoint: []string{n}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, img)
	}
	archive := filepath.Join(dir, "both.tar")
	if err := Pack(archive, all...); err != nil {
		t.Fatal(err)
	}
	for _, img := range all {
		tag, err := name.NewTag(img.Ref)
		if err != nil {
			t.Fatal(err)
		}
		digests := map[string]string{}
		for _, file := range []string{archive, img.Archive} {
			got, err := tarball.ImageFromPath(file, &tag)
			if err != nil {
				t.Fatal(err)
			}
			id, err := got.ConfigName()
			if err != nil {
				t.Fatal(err)
			}
			digests[file] = id.String()
		}
		if digests[archive] != digests[img.Archive] {
			t.Errorf("%s is %s in the packed archive, %s by itself", img.Ref, digests[archive], digests[img.Archive])
		}
	}
	if err := Pack(archive, Image{Ref: all[0].Ref, Archive: filepath.Join(dir, "none.tar")}); err == nil {
		t.Error("an image that is not there is packed")
	}
}
