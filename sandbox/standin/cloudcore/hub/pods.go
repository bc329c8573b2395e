package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
)

const podsPath = "/api/v1/pods"

// Pods says which pods are told to their nodes, by UID.
type Pods interface {
	Told(ctx context.Context, uid string) bool
}

// filters tells whether a request's answer has pods that may have to be hidden.
func (h *Hub) filters(r *http.Request) bool {
	return h.Pods != nil && r.Method == http.MethodGet && r.URL.Path == podsPath
}

// podHead is as much of a pod as a filter needs.
type podHead struct {
	Metadata struct {
		UID string `json:"uid"`
	} `json:"metadata"`
}

// hidePods takes pods out of an answer that CloudHub would not send to the node.
func (h *Hub) hidePods(resp *http.Response) error {
	r := resp.Request
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if !h.filters(r) || resp.StatusCode != http.StatusOK || err != nil || kind != "application/json" {
		return nil
	}
	if watch, _ := strconv.ParseBool(r.URL.Query().Get("watch")); watch {
		resp.Body = h.filterWatch(r.Context(), resp.Body)
		resp.Header.Del("Content-Length")
		return nil
	}
	return h.filterList(r.Context(), resp)
}

func (h *Hub) filterList(ctx context.Context, resp *http.Response) error {
	var list map[string]json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return fmt.Errorf("read a list of pods: %w", err)
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list["items"], &items); err != nil {
		return fmt.Errorf("read a list of pods: %w", err)
	}
	told := make([]json.RawMessage, 0, len(items))
	for _, item := range items {
		if h.told(ctx, item) {
			told = append(told, item)
		}
	}
	var err error
	if list["items"], err = json.Marshal(told); err != nil {
		return fmt.Errorf("encode a list of pods: %w", err)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encode a list of pods: %w", err)
	}
	err = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return err
}

func (h *Hub) told(ctx context.Context, pod json.RawMessage) bool {
	var head podHead
	if err := json.Unmarshal(pod, &head); err != nil {
		return true // it is not for us to judge
	}
	return h.Pods.Told(ctx, head.Metadata.UID)
}

// filterWatch passes on the events of a watch one by one.
func (h *Hub) filterWatch(ctx context.Context, from io.ReadCloser) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		err := h.copyEvents(ctx, in, from)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		in.CloseWithError(err)
		if err := from.Close(); err != nil {
			slog.Debug("end a watch of pods", "err", err)
		}
	}()
	return out
}

func (h *Hub) copyEvents(ctx context.Context, to io.Writer, from io.Reader) error {
	events := json.NewDecoder(from)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		if (event.Type == "ADDED" || event.Type == "MODIFIED") && !h.told(ctx, event.Object) {
			continue
		}
		if err := json.NewEncoder(to).Encode(event); err != nil {
			return err
		}
	}
}
