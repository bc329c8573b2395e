// Package images makes container images from static programs and loads them into
// the hosts' containerd. No registry takes part: an image's tag is the hash of
// what it was made of, so a changed program is a new image everywhere.
package images
