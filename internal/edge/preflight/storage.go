package preflight

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
)

const (
	diskFail   = 200 << 20
	diskWarn   = 1 << 30
	inodesFail = 2000
	// A kubelet reports DiskPressure below these shares, and then takes no pods.
	pressureDisk, pressureInodes = 10, 5
)

// measure returns the disk of a directory that may not be there yet: its nearest
// parent is on the same one.
func (f Facts) measure(dir string) (Disk, error) {
	for {
		d, err := f.System.Disk(dir)
		if err == nil || dir == filepath.Dir(dir) {
			return d, err
		}
		dir = filepath.Dir(dir)
	}
}

func (f Facts) disk(context.Context) Outcome {
	d, err := f.measure(f.Layout.At(paths.KubeletData))
	if err != nil {
		return unknown(err.Error(), "see with: df -h /var/lib")
	}
	detail := fmt.Sprintf("%d MiB free for %s", d.Free>>20, paths.KubeletData)
	switch {
	case d.Free < diskFail:
		return fail(detail, "free at least 200 MiB, better 1 GiB for images")
	case d.Size > 0 && d.Free*100/d.Size < pressureDisk:
		return warn(fmt.Sprintf("%s, %d %% of the disk", detail, d.Free*100/d.Size), "free space: below 10 % the node reports DiskPressure and takes no pods")
	case d.Free < diskWarn:
		return warn(detail, "free 1 GiB: images may not fit")
	}
	return pass(detail)
}

func (f Facts) inodes(context.Context) Outcome {
	d, err := f.measure(f.Layout.At(paths.KubeletData))
	switch {
	case err != nil:
		return unknown(err.Error(), "see with: df -i /var/lib")
	case d.Inodes == 0:
		return pass("this filesystem does not count them")
	}
	detail := fmt.Sprintf("%d of %d free", d.FreeInodes, d.Inodes)
	switch {
	case d.FreeInodes < inodesFail:
		return fail(detail, "delete files, or make the filesystem anew with more inodes (mkfs.ext4 -N)")
	case d.FreeInodes*100/d.Inodes < pressureInodes:
		return warn(detail, "delete files: below 5 % the node reports DiskPressure and takes no pods")
	}
	return pass(detail)
}

// volatile: a root that is an overlay in memory forgets the join with the next boot.
func (f Facts) volatile(context.Context) Outcome {
	mounts, err := f.System.mounts()
	if err != nil {
		return unknown(err.Error(), "see with: findmnt -T /var/lib")
	}
	m, ok := mountOf(mounts, paths.KubeletData)
	if !ok {
		return unknown("no mount holds "+paths.KubeletData, "see with: findmnt -T /var/lib")
	}
	switch m.Type {
	case "overlay", "tmpfs", "ramfs", "aufs":
		return warn(fmt.Sprintf("%s is on %s (mounted at %s)", paths.KubeletData, m.Type, m.At),
			"see where its upper directory is (findmnt -T /var/lib): in memory, the join is gone with the next boot; put /var on a disk then")
	}
	return pass(m.Type)
}

// layers under which overlayfs works not at all, or not for long.
var badBelow = map[string]string{
	"overlay": "an overlay does not work on an overlay",
	"aufs":    "an overlay does not work on aufs",
	"nfs":     "an overlay does not work on NFS",
	"nfs4":    "an overlay does not work on NFS",
	"vfat":    "an overlay does not work on FAT",
	"exfat":   "an overlay does not work on exFAT",
	"9p":      "an overlay does not work on 9p",
	"fuseblk": "an overlay does not work on NTFS",
}

// programs: EdgeCore goes where the root filesystem may be read-only.
func (f Facts) programs(context.Context) Outcome {
	dir := filepath.Dir(f.Layout.EdgeCore())
	d, err := f.measure(f.Layout.At(dir))
	switch {
	case err != nil:
		return unknown(err.Error(), "see with: findmnt -T "+dir)
	case d.ReadOnly:
		return fail(dir+" is read-only", "make it writable: mount -o remount,rw the filesystem that holds it")
	case d.NoExec:
		return fail(dir+" is mounted noexec, and EdgeCore has to run from there", "mount it without noexec, or make /usr/local writable")
	}
	return pass(dir)
}
