package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// listedNodes is how many edge nodes the list is measured with.
const listedNodes = 1000

// figureGroups measure the console with the figures of many edge nodes.
var figureGroups = []group{{
	figures: []spec{
		{name: "list-1000-nodes", unit: "ms", limit: limit(300),
			what: "The console's answer to the list of 1,000 hollow edge nodes with live figures, as a client on the same machine sees it: the slowest of 20 requests."},
		{name: "console-memory-1000-nodes", unit: "MiB", limit: limit(300),
			what: "Peak resident memory of the console after lists and trends of 1,000 hollow edge nodes were read 20 times."},
	},
	measure: withHollowNodes,
}}

func withHollowNodes(b *bed) error {
	up := siteUp(b)
	up.hollow(listedNodes)
	site, err := readSite(b.root)
	if err != nil {
		return err
	}
	client, err := signInAdmin(b.ctx, site)
	if err != nil {
		return err
	}
	b.say("waiting for the figures of %d nodes", listedNodes)
	if err := waitForFigures(b.ctx, site, client); err != nil {
		return err
	}
	for range b.runs {
		list, err := slowestList(b.ctx, site, client)
		if err != nil {
			return err
		}
		b.record("list-1000-nodes", list)
		memory, err := consoleMemory(b.ctx, site, client)
		if err != nil {
			return err
		}
		b.record("console-memory-1000-nodes", memory)
	}
	return nil
}

func signInAdmin(ctx context.Context, site benchSite) (*http.Client, error) {
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
		if with >= listedNodes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes have figures: %w", with, listedNodes, ctx.Err())
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
	for range 20 {
		for _, path := range []string{nodesPath, "/api/v1/clusters/sandbox/metrics/trends"} {
			if err := call(ctx, client, site, http.MethodGet, path, nil, nil); err != nil {
				return 0, err
			}
		}
	}
	return peakMemory("edgeway\x00console\x00")
}

// peakMemory in MiB of the process whose command line has the text in it; the largest
// one, since whoever started and supervises it has the same text in its own.
func peakMemory(command string) (float64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	peak := 0.0
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
				peak = max(peak, kib/1024)
			}
		}
	}
	if peak == 0 {
		return 0, errors.New("the console does not run")
	}
	return peak, nil
}
