// Command images makes the product's container images, or publishes them. See
// `make images` and `make push`.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/edgeway-io/edgeway/internal/images"
)

func main() {
	programs := flag.String("programs", "bin/images/programs", "directory with linux-ARCH/PROGRAM")
	out := flag.String("out", "bin/images", "directory for the images")
	version := flag.String("version", "", "tag and label, such as v0.1.0")
	push := flag.String("push", "", "registry to publish to, HOST[:PORT][/PATH], instead of writing files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, images.Builder{Programs: *programs, Version: *version}, *out, *push); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, b images.Builder, out, push string) error {
	if b.Version == "" {
		return fmt.Errorf("-version is empty: give one such as v0.1.0")
	}
	for _, s := range images.Product() {
		if push != "" {
			name, err := b.Push(ctx, push, s)
			if err != nil {
				return err
			}
			fmt.Println(name)
			continue
		}
		archive, digest, err := b.Write(out, s)
		if err != nil {
			return err
		}
		fmt.Printf("%s %s %v %s\n", b.Ref("", s), archive, s.Platforms, digest)
	}
	return nil
}
