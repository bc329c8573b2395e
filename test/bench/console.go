package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// signIn opens a session of the site's viewer.
func signIn(ctx context.Context, s benchSite) (*benchConsole, error) {
	// The console made its certificate itself.
	c := &benchConsole{url: s.Console.URL, http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
	body, err := json.Marshal(map[string]string{"token": s.Tokens.Viewer})
	if err != nil {
		return nil, err
	}
	resp, err := c.do(ctx, http.MethodPost, "/api/v1/session", body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	for _, k := range resp.Cookies() {
		c.cookie = k.Name + "=" + k.Value
	}
	resp, err = c.do(ctx, http.MethodGet, "/api/v1/clusters", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list []struct{ Name string }
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list) == 0 {
		return nil, fmt.Errorf("clusters %v: %w", list, err)
	}
	c.cluster = list[0].Name
	return c, nil
}

func (c *benchConsole) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Origin", c.url)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Cookie", c.cookie)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return resp, nil
}

func (c *benchConsole) logs(pod string) string {
	return "/api/v1/clusters/" + c.cluster + "/pods/default/" + pod + "/logs"
}

func (c *benchConsole) download(ctx context.Context, pod, container string) (string, error) {
	resp, err := c.do(ctx, http.MethodGet, c.logs(pod)+"?tail=-1&container="+container, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// followDelays times lines of the console's stream as a browser gets them.
func (c *benchConsole) followDelays(ctx context.Context, pod, container string) ([]float64, error) {
	conn, _, err := websocket.Dial(ctx, c.url+c.logs(pod)+"/stream?tail=0&follow=true&container="+container,
		&websocket.DialOptions{HTTPClient: c.http, HTTPHeader: http.Header{"Origin": {c.url}, "Cookie": {c.cookie}}})
	if err != nil {
		return nil, err
	}
	defer conn.CloseNow()
	conn.SetReadLimit(4 << 20)
	var delays []float64
	for len(delays) < followed {
		var frame struct {
			Seq   int64
			Lines []struct{ T time.Time }
		}
		if err := wsjson.Read(ctx, conn, &frame); err != nil {
			return nil, fmt.Errorf("the stream ended after %d lines: %w", len(delays), err)
		}
		now := time.Now()
		for _, l := range frame.Lines {
			delays = append(delays, float64(now.Sub(l.T).Microseconds())/1000)
		}
		if err := wsjson.Write(ctx, conn, map[string]int64{"ack": frame.Seq}); err != nil {
			return nil, err
		}
	}
	return delays, nil
}
