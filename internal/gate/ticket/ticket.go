// Package ticket ties a request that the gate let in to the one edge node for
// which it was authorized. The gate adds a ticket to the request before CloudCore
// sees it, and takes the ticket out of the tunnel's opening frame before the edge
// node sees that. So only authorized requests reach an edge node, whoever else
// reaches CloudStream's port, and none of them reaches another node.
//
// Tickets live in one process: the gate beside a CloudCore serves both ends of it.
package ticket

import (
	"crypto/rand"
	"sync"
	"time"
)

// Header carries the ticket between the gate's two ends.
const Header = "Edgeway-Ticket"

// lifetime bounds the way through CloudCore, which forwards a request at once.
const lifetime = time.Minute

// Book holds the tickets that were issued and not used yet.
type Book struct {
	now func() time.Time

	mu      sync.Mutex
	tickets map[string]string // to the node's name
	oldest  []expiry          // in order of time
}

type expiry struct {
	ticket string
	at     time.Time
}

// NewBook returns an empty Book.
func NewBook() *Book { return &Book{now: time.Now, tickets: map[string]string{}} }

// Issue returns a ticket for one request to a node. It can be used once.
func (b *Book) Issue(node string) string {
	ticket := rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	b.expire(now)
	b.tickets[ticket] = node
	b.oldest = append(b.oldest, expiry{ticket, now.Add(lifetime)})
	return ticket
}

// Redeem uses a ticket up and says whether it was issued for the node.
func (b *Book) Redeem(ticket, node string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(b.now())
	issued, found := b.tickets[ticket]
	delete(b.tickets, ticket)
	return found && issued == node
}

// expire forgets tickets of requests that never came out of CloudCore.
func (b *Book) expire(now time.Time) {
	n := 0
	for n < len(b.oldest) && !now.Before(b.oldest[n].at) {
		delete(b.tickets, b.oldest[n].ticket)
		n++
	}
	b.oldest = b.oldest[n:]
}
