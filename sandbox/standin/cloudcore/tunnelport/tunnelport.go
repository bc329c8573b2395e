// Package tunnelport agrees with the other CloudCores on who has which tunnel
// port, the number by which a Node tells which CloudCore holds its tunnel.
package tunnelport

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
)

const (
	// Name is the ConfigMap with the record.
	Name = "tunnelport"
	// Annotation holds the record as JSON.
	Annotation = "tunnelportrecord.kubeedge.io"
	// Unset is the kubelet port of an edge node before its first tunnel; the first
	// CloudCore gets the port after it.
	Unset = 10350
)

// Record says which CloudCore, by its IP, has which port. Ports are never given
// up, so that a Node's port never comes to mean another CloudCore.
type Record struct {
	IPTunnelPort map[string]int `json:"ipTunnelPort"`
	Port         map[int]bool   `json:"port"`
}

// assign gives the port of an IP and whether the record had to be changed for it.
func (r *Record) assign(ip string) (port int, changed bool) {
	if port, ok := r.IPTunnelPort[ip]; ok {
		return port, false
	}
	if r.IPTunnelPort == nil {
		r.IPTunnelPort = map[string]int{}
	}
	if r.Port == nil {
		r.Port = map[int]bool{}
	}
	for port = Unset + 1; r.Port[port]; port++ {
	}
	r.IPTunnelPort[ip] = port
	r.Port[port] = true
	return port, true
}

// Negotiate gives the tunnel port of the CloudCore with this IP and records it.
// Another CloudCore that writes at the same moment makes it read and try again.
func Negotiate(ctx context.Context, client typed.ConfigMapInterface, ip string) (int, error) {
	for {
		port, err := negotiateOnce(ctx, client, ip)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("agree on a tunnel port for %s in ConfigMap %s: %w", ip, Name, err)
		}
		return port, nil
	}
}

func negotiateOnce(ctx context.Context, client typed.ConfigMapInterface, ip string) (int, error) {
	current, err := client.Get(ctx, Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		var record Record
		port, _ := record.assign(ip)
		fresh := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: Name}}
		if err := record.write(fresh); err != nil {
			return 0, err
		}
		_, err := client.Create(ctx, fresh, metav1.CreateOptions{})
		return port, err
	}
	if err != nil {
		return 0, err
	}
	text, ok := current.Annotations[Annotation]
	if !ok {
		return 0, fmt.Errorf("annotation %s is missing; delete the ConfigMap, CloudCore makes it anew", Annotation)
	}
	var record Record
	if err := json.Unmarshal([]byte(text), &record); err != nil {
		return 0, fmt.Errorf("annotation %s is not a record: %w", Annotation, err)
	}
	port, changed := record.assign(ip)
	if !changed {
		return port, nil
	}
	if err := record.write(current); err != nil {
		return 0, err
	}
	_, err = client.Update(ctx, current, metav1.UpdateOptions{})
	return port, err
}

func (r *Record) write(m *corev1.ConfigMap) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	metav1.SetMetaDataAnnotation(&m.ObjectMeta, Annotation, string(text))
	return nil
}
