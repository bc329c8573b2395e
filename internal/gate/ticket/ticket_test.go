package ticket

import (
	"testing"
	"time"
)

func TestTicketIsForOneNodeOnceAndSoon(t *testing.T) {
	now := time.Now()
	book := NewBook()
	book.now = func() time.Time { return now }

	good, other, late := book.Issue("a"), book.Issue("a"), book.Issue("a")
	if book.Redeem("", "a") || book.Redeem("made up", "a") {
		t.Error("a ticket that was never issued is good")
	}
	if !book.Redeem(good, "a") {
		t.Error("an issued ticket is refused")
	}
	if book.Redeem(good, "a") {
		t.Error("a ticket is good twice")
	}
	if book.Redeem(other, "b") {
		t.Error("a ticket is good for another node")
	}
	if book.Redeem(other, "a") {
		t.Error("a ticket that was tried on another node is still good")
	}
	now = now.Add(lifetime)
	if book.Redeem(late, "a") {
		t.Error("a ticket outlives its lifetime")
	}
	if len(book.tickets) != 0 || len(book.oldest) != 0 {
		t.Errorf("%d tickets and %d expiries are kept for ever", len(book.tickets), len(book.oldest))
	}
}
