package images

import (
	"fmt"
	"os"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Pack writes one archive that holds all of the images under their references, as
// `ctr images import` takes it.
func Pack(archive string, all ...Image) error {
	packed := map[name.Tag]v1.Image{}
	for _, img := range all {
		tag, err := name.NewTag(img.Ref)
		if err != nil {
			return fmt.Errorf("packing %s: %w", img.Ref, err)
		}
		if packed[tag], err = tarball.ImageFromPath(img.Archive, &tag); err != nil {
			return fmt.Errorf("packing %s: %w", img.Ref, err)
		}
	}
	tmp := archive + ".tmp"
	if err := tarball.MultiWriteToFile(tmp, packed); err != nil {
		return fmt.Errorf("packing %s: %w", archive, err)
	}
	return os.Rename(tmp, archive)
}
