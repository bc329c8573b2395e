package images

import (
	"context"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// Load imports images into a host's containerd, those that it does not have.
func Load(ctx context.Context, h hosts.Host, images ...Image) error {
	have, err := h.Run(ctx, "ctr", "--namespace=k8s.io", "images", "list", "-q")
	if err != nil {
		return err
	}
	known := strings.Fields(have)
	for _, img := range images {
		if slices.Contains(known, img.Ref) {
			continue
		}
		if _, err := h.Run(ctx, "ctr", "--namespace=k8s.io", "images", "import", img.Archive); err != nil {
			return err
		}
	}
	return nil
}
