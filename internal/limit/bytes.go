package limit

import "sync/atomic"

// Bytes is a budget of memory that several holders share.
type Bytes struct {
	most int64
	held atomic.Int64
}

// NewBytes makes a budget.
func NewBytes(most int64) *Bytes { return &Bytes{most: most} }

// Take takes n bytes, or nothing when so many are not left. A nil budget has no end.
func (b *Bytes) Take(n int64) bool {
	if b == nil {
		return true
	}
	for {
		held := b.held.Load()
		if held+n > b.most {
			return false
		}
		if b.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// Fits tells whether n bytes are left. Of several holders that ask at once, each may be
// told so: who then adds them goes beyond the budget by one addition each.
func (b *Bytes) Fits(n int64) bool { return b == nil || n <= 0 || b.held.Load()+n <= b.most }

// Add takes n bytes whether they are left or not, or gives them back when n is negative:
// for what is small and must not be refused.
func (b *Bytes) Add(n int64) {
	if b != nil {
		b.held.Add(n)
	}
}

// Free gives n bytes back.
func (b *Bytes) Free(n int64) {
	if b != nil {
		b.held.Add(-n)
	}
}

// Held is what is taken at present.
func (b *Bytes) Held() int64 { return b.held.Load() }

// Most is the budget's size.
func (b *Bytes) Most() int64 { return b.most }
