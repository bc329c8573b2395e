package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// hollowNodes is how many edge nodes the list is measured with.
const hollowNodes = 1000

func init() {
	measurements = append(measurements,
		measurement{
			name: "list-1000-nodes", unit: "ms", limit: 300, runs: 5,
			what: "The console's answer to the list of 1,000 hollow edge nodes with live figures, as a client on the same machine sees it: the slowest of 20 requests.",
			run: func(ctx context.Context, root string) (float64, error) {
				return withHollowNodes(ctx, root, slowestList)
			},
		},
		measurement{
			name: "console-memory-1000-nodes", unit: "MiB", limit: 300, runs: 1,
			what: "Peak resident memory of the console after lists and trends of 1,000 hollow edge nodes were read 100 times.",
			run: func(ctx context.Context, root string) (float64, error) {
				return withHollowNodes(ctx, root, consoleMemory)
			},
		})
}

// benchSite is what is used of .sandbox/site.json.
type benchSite struct {
	Kubeconfig string `json:"kubeconfig"`
	Kubectl    string `json:"kubectl"`
	Console    struct {
		URL string `json:"url"`
	} `json:"console"`
	Tokens struct {
		Admin string `json:"admin"`
	} `json:"tokens"`
	Hosts []struct {
		Name      string   `json:"name"`
		Addresses []string `json:"addresses"`
		Command   []string `json:"command"`
	} `json:"hosts"`
}

// withHollowNodes brings up a site, joins hollow nodes and waits for their figures.
func withHollowNodes(ctx context.Context, root string, measure func(context.Context, benchSite, *http.Client) (float64, error)) (value float64, err error) {
	if _, err := timed(ctx, root, nil, "make", "up"); err != nil {
		return 0, err
	}
	raw, err := os.ReadFile(filepath.Join(root, ".sandbox", "site.json"))
	if err != nil {
		return 0, err
	}
	var site benchSite
	if err := json.Unmarshal(raw, &site); err != nil {
		return 0, err
	}
	if _, err := timed(ctx, root, nil, "bin/edgeway", "configure", "--kubeconfig", site.Kubeconfig, "--set", "cloudHub.nodeLimit=2000"); err != nil {
		return 0, err
	}
	stop, err := startHollowNodes(ctx, root, site)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	client, err := signIn(ctx, site)
	if err != nil {
		return 0, err
	}
	if err := waitForFigures(ctx, site, client); err != nil {
		return 0, err
	}
	return measure(ctx, site, client)
}

func startHollowNodes(ctx context.Context, root string, site benchSite) (stop func() error, err error) {
	secret, err := exec.CommandContext(ctx, site.Kubectl, "--kubeconfig", site.Kubeconfig, "-n", "kubeedge", "get", "secret", "tokensecret", "-o", "jsonpath={.data.tokendata}").Output()
	if err != nil {
		return nil, fmt.Errorf("read the join token: %w", err)
	}
	token, err := base64.StdEncoding.DecodeString(string(secret))
	if err != nil {
		return nil, fmt.Errorf("read the join token: %w", err)
	}
	cloud := ""
	for _, h := range site.Hosts {
		if h.Name == "cp" {
			cloud = h.Addresses[0]
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "bin", "standin", "edgesim"), "--count", strconv.Itoa(hollowNodes), "--cloudcore", cloud,
		"--websocket-port", "31000", "--https-port", "31002", "--tunnel-port", "31004")
	cmd.Env = append(os.Environ(), "EDGEWAY_TOKEN="+string(token))
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return fmt.Errorf("edgesim ended before its time: %w: %s", err, log.String())
		}
		_ = cmd.Wait() // it was interrupted
		return nil
	}, nil
}

func signIn(ctx context.Context, site benchSite) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	// The console made its certificate itself.
	client := &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	body, err := json.Marshal(map[string]string{"token": site.Tokens.Admin})
	if err != nil {
		return nil, err
	}
	return client, call(ctx, client, site, http.MethodPost, "/api/v1/session", body, nil)
}

func call(ctx context.Context, client *http.Client, site benchSite, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, site.Console.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Origin", site.Console.URL)
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

const nodesPath = "/api/v1/clusters/sandbox/nodes"

// waitForFigures until all hollow nodes are in the list with live figures.
func waitForFigures(ctx context.Context, site benchSite, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		var list struct {
			Nodes []struct {
				Usage struct {
					Available bool `json:"available"`
				} `json:"usage"`
			} `json:"nodes"`
		}
		if err := call(ctx, client, site, http.MethodGet, nodesPath, nil, &list); err != nil {
			return err
		}
		with := 0
		for _, n := range list.Nodes {
			if n.Usage.Available {
				with++
			}
		}
		if with >= hollowNodes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes have figures: %w", with, hollowNodes, ctx.Err())
		case <-time.After(5 * time.Second):
		}
	}
}

func slowestList(ctx context.Context, site benchSite, client *http.Client) (float64, error) {
	var slowest time.Duration
	for range 20 {
		start := time.Now()
		if err := call(ctx, client, site, http.MethodGet, nodesPath, nil, nil); err != nil {
			return 0, err
		}
		slowest = max(slowest, time.Since(start))
	}
	return float64(slowest.Microseconds()) / 1000, nil
}

func consoleMemory(ctx context.Context, site benchSite, client *http.Client) (float64, error) {
	for range 100 {
		for _, path := range []string{nodesPath, "/api/v1/clusters/sandbox/metrics/trends"} {
			if err := call(ctx, client, site, http.MethodGet, path, nil, nil); err != nil {
				return 0, err
			}
		}
	}
	return peakMemory("edgeway\x00console\x00")
}

// peakMemory in MiB of the process whose command line has the text in it.
func peakMemory(command string) (float64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(line), command) {
			continue // a process that ended meanwhile
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(file), "status"))
		if err != nil {
			return 0, err
		}
		for row := range strings.Lines(string(status)) {
			var kib float64
			if _, err := fmt.Sscanf(row, "VmHWM: %f kB", &kib); err == nil {
				return kib / 1024, nil
			}
		}
	}
	return 0, errors.New("the console does not run")
}
