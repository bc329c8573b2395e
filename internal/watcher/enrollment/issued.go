package enrollment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// IssuedShards is how many ConfigMaps, which the chart makes, hold it.
	IssuedShards = v1alpha1.IssuedShards
	// issuedFull is when entries of enrollments that are gone are dropped: an entry takes
	// some 110 bytes, and an object holds 1 MiB.
	issuedFull = 6000
)

// errSignedAlready says that an enrollment asks for a second certificate.
var errSignedAlready = errors.New("a certificate was issued for another request of this enrollment already; create a new enrollment for another device")

// IssuedName is the name of a ConfigMap of issued certificates.
func IssuedName(shard int) string { return v1alpha1.IssuedPrefix + strconv.Itoa(shard) }

// issued remembers for which request each enrollment got its certificate. A status says
// so as well, but people and programs may change that, and nobody but edge-watcher may
// write here.
type issued struct {
	client client.Client
	live   client.Reader

	mu     sync.Mutex
	shards [IssuedShards]*corev1.ConfigMap // as they were read or written last
}

func shardOf(uid types.UID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid)) // never fails
	return int(h.Sum32() % IssuedShards)
}

// record notes the request of an enrollment before it is signed. It fails with
// errSignedAlready when another was noted; the same request may be signed again, as
// after a crash.
func (i *issued) record(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	sum := sha256.Sum256(e.Status.CSR)
	hash := hex.EncodeToString(sum[:])
	i.mu.Lock()
	defer i.mu.Unlock()
	shard := shardOf(e.UID)
	key := client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: IssuedName(shard)}
	if i.shards[shard] == nil {
		cm := &corev1.ConfigMap{}
		if err := i.live.Get(ctx, key, cm); err != nil {
			return fmt.Errorf("read which certificates were issued: %w", err)
		}
		i.shards[shard] = cm
	}
	switch known := i.shards[shard].Data[string(e.UID)]; known {
	case hash:
		return nil
	case "":
	default:
		return errSignedAlready
	}
	next := i.shards[shard].DeepCopy()
	if len(next.Data) >= issuedFull {
		if err := i.prune(ctx, next); err != nil {
			return err
		}
	}
	if next.Data == nil {
		next.Data = map[string]string{}
	}
	next.Data[string(e.UID)] = hash
	if err := i.client.Update(ctx, next); err != nil {
		i.shards[shard] = nil // it changed, or nobody knows whether it was written
		return fmt.Errorf("note that a certificate is issued: %w", err)
	}
	i.shards[shard] = next
	return nil
}

// prune drops the entries of enrollments that are gone: a UID never comes again.
func (i *issued) prune(ctx context.Context, cm *corev1.ConfigMap) error {
	var list v1alpha1.EdgeEnrollmentList
	if err := i.client.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace)); err != nil {
		return fmt.Errorf("list enrollments: %w", err)
	}
	kept := map[string]string{}
	for _, e := range list.Items {
		if hash, found := cm.Data[string(e.UID)]; found {
			kept[string(e.UID)] = hash
		}
	}
	cm.Data = kept
	return nil
}
