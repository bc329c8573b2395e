// Command edgesim is many hollow edge nodes in one process: each has a Node, a
// lease, a certificate and a tunnel of its own, and no kubelet. It shows how the
// cloud side does with hundreds of edge nodes on one machine.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgesim/sim"
)

func main() {
	conf, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "edgesim:", err)
		os.Exit(2)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	slog.SetDefault(logger)
	klog.SetSlogLogger(logger)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := sim.Run(ctx, conf); err != nil {
		slog.Error("edgesim stopped", "err", err)
		os.Exit(1)
	}
}

func parse(args []string) (sim.Config, error) {
	var c sim.Config
	var firstIP, enrollments string
	flags := flag.NewFlagSet("edgesim", flag.ContinueOnError)
	flags.IntVar(&c.Count, "count", 10, "how many nodes")
	flags.StringVar(&c.Prefix, "name-prefix", "edgesim-", "the nodes' names are this and a `number`")
	flags.StringVar(&firstIP, "first-ip", "10.200.0.1", "the first node's `address`; the others follow it")
	flags.StringVar(&c.Host, "cloudcore", "", "CloudCore's `host`, as in its certificate")
	flags.IntVar(&c.HubPort, "websocket-port", 10000, "CloudHub's `port`")
	flags.IntVar(&c.CertPort, "https-port", 10002, "`port` for certificates")
	flags.IntVar(&c.TunnelPort, "tunnel-port", 10004, "`port` for tunnels")
	flags.StringVar(&c.Token, "token", os.Getenv("EDGEWAY_TOKEN"), "join `token`; by default $EDGEWAY_TOKEN, which others cannot read off the command line")
	flags.StringVar(&enrollments, "enrollments", "", "JSON `file` with nodeName, nodeIP and code of each node, in place of --count and --token")
	flags.StringVar(&c.Console.URL, "console", "", "`URL` of the console that redeems the codes")
	flags.StringVar(&c.Console.Pin, "pin", "", "the console's key, sha256//BASE64")
	flags.DurationVar(&c.Beat, "lease-every", 10*time.Second, "how often a node renews its lease")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	c.Token = strings.TrimSpace(c.Token)
	ip, err := netip.ParseAddr(firstIP)
	if err != nil {
		return c, fmt.Errorf("--first-ip %q is not an IP address", firstIP)
	}
	c.FirstIP = ip
	if enrollments != "" {
		c.Count = 0
		text, err := os.ReadFile(enrollments)
		if err != nil {
			return c, fmt.Errorf("--enrollments: %w", err)
		}
		if err := json.Unmarshal(text, &c.Enrollments); err != nil {
			return c, fmt.Errorf("--enrollments %s is no list of nodes: %w", enrollments, err)
		}
	}
	switch {
	case c.Count < 1 && len(c.Enrollments) == 0:
		return c, fmt.Errorf("--count is %d, want at least 1", c.Count)
	case c.Host == "":
		return c, errors.New("--cloudcore is missing: the host at which CloudCore is reached")
	case len(c.Enrollments) > 0 && c.Console.URL == "":
		return c, errors.New("--console is missing: where the codes are redeemed")
	case len(c.Enrollments) == 0 && c.Token == "":
		return c, errors.New("--token is missing: data tokendata of Secret kubeedge/tokensecret")
	case c.Beat < time.Second:
		return c, fmt.Errorf("--lease-every is %s, want at least 1s", c.Beat)
	}
	return c, nil
}
