package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edgeway-io/edgeway/internal/edge/device"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
)

// codeEnv carries the join code where no file does.
const codeEnv = "EDGEWAY_CODE"

// consoleFlags name a console and a code.
type consoleFlags struct {
	server, pin, codeFile string
}

func (f *consoleFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.server, "server", "", "the console's address, https://HOST[:PORT]")
	cmd.Flags().StringVar(&f.pin, "pin", "", "the console's public key, sha256//BASE64; without it the device's certificate authorities decide")
	cmd.Flags().StringVar(&f.codeFile, "code-file", "", "file with the join code, - for standard input; without it the environment's "+codeEnv)
}

// code reads the join code. There is no flag for it: arguments show up in every
// user's process list.
func (f *consoleFlags) code(stdin io.Reader) (string, error) {
	var raw string
	switch f.codeFile {
	case "":
		raw = os.Getenv(codeEnv)
	case "-":
		line, err := bufio.NewReader(io.LimitReader(stdin, 1024)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the join code: %w", err)
		}
		raw = line
	default:
		b, err := os.ReadFile(f.codeFile)
		if err != nil {
			return "", fmt.Errorf("reading the join code: %w", err)
		}
		raw = string(b)
	}
	code := strings.TrimSpace(raw)
	if code == "" {
		return "", fmt.Errorf("%w: no join code: set %s, or give --code-file", errUsage, codeEnv)
	}
	return code, nil
}

func (c *common) join() *cobra.Command {
	var f consoleFlags
	var kubeletFile, bundleDir, passphraseFile string
	o := device.JoinOptions{}
	cmd := &cobra.Command{
		Use:   "join --server URL [--pin PIN] | join --bundle DIR",
		Short: "Join this device with a join code from the console, or from an offline bundle",
		Example: "  EDGEWAY_CODE=7K3M-… edgectl join --server https://console.example.com\n" +
			"  edgectl join --server https://192.0.2.10:8443 --pin sha256//… --code-file code.txt\n" +
			"  edgectl join --bundle .",
		Args: cobra.NoArgs,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&bundleDir, "bundle", "", "directory of an unpacked offline bundle; takes the place of --server and the code")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "file with the passphrase of a sealed bundle, - for standard input; without it the environment's "+passphraseEnv+", or the terminal")
	cmd.Flags().StringVar(&o.EdgeCore, "edgecore", "", "EdgeCore's binary on this device; without it the console's is downloaded")
	cmd.Flags().StringVar(&kubeletFile, "kubelet-config", "", "YAML with kubelet settings for this device, which win over the console's (default "+paths.KubeletDefault+" where it exists)")
	cmd.Flags().StringSliceVar(&o.Ignore, "ignore-preflight", nil, "probes whose failure is only told, like ports.10255")
	cmd.Flags().StringVar(&o.Wait, "wait", "Ready", "phase to wait for: Registered, Ready, TunnelUp or Verified")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 3*time.Minute, "how long to wait; a node that has not registered by then is undone")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.server != "" && bundleDir != "" {
			return fmt.Errorf("%w: --server %q and --bundle %q: give one of them", errUsage, f.server, bundleDir)
		}
		if f.server == "" && bundleDir == "" {
			return fmt.Errorf("%w: give the console's address with --server, or an offline bundle's directory with --bundle", errUsage)
		}
		if !device.ValidWait(o.Wait) {
			return fmt.Errorf("%w: --wait %q: choose Registered, Ready, TunnelUp or Verified", errUsage, o.Wait)
		}
		d, err := c.device()
		if err != nil {
			return err
		}
		o.Server, o.Pin = f.server, f.pin
		if bundleDir != "" {
			o.Bundle, err = bundle.Open(bundleDir, func() (string, error) {
				return passphrase(passphraseFile, cmd.InOrStdin(), cmd.ErrOrStderr())
			})
		} else {
			o.Code, err = f.code(cmd.InOrStdin())
		}
		if err != nil {
			return err
		}
		if o.KubeletConfig, err = kubeletConfig(d, kubeletFile); err != nil {
			return err
		}
		return d.Join(cmd.Context(), o)
	}
	return cmd
}

// kubeletConfig reads the given file, or the device's own where there is one.
func kubeletConfig(d *device.Device, name string) ([]byte, error) {
	given := name != ""
	if !given {
		name = d.At.At(paths.KubeletDefault)
	}
	raw, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !given {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading kubelet settings: %w", err)
	}
	if err := device.CheckKubeletSettings(raw); err != nil { // before the code is spent
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return raw, nil
}
