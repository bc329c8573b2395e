// Command servicelb gives Services of type LoadBalancer an address that hosts
// outside the cluster reach, as a cloud's load balancer or MetalLB would. It runs on
// a cloud node of the sandbox, which takes the address on its own interface;
// kube-proxy does the rest.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		log.Fatalf("servicelb: %v", err)
	}
}

func command() *cobra.Command {
	var kubeconfig, addresses, device string
	c := &cobra.Command{Use: "servicelb", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true, RunE: func(c *cobra.Command, _ []string) error {
		p, err := parsePool(addresses)
		if err != nil {
			return err
		}
		config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return err
		}
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			return err
		}
		return newController(client, p, link{device}).run(c.Context())
	}}
	c.Flags().StringVar(&kubeconfig, "kubeconfig", "", "kubeconfig of the cluster")
	c.Flags().StringVar(&addresses, "pool", "", "addresses to give away, such as 198.18.0.128/28")
	c.Flags().StringVar(&device, "link", "eth0", "interface that takes the addresses")
	return c
}
