package enroll

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

// alphabet has 32 signs and none that is easily taken for another: no I, L, O, U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	codeGroups    = 7
	codeGroupSize = 4
	// codeSigns × 5 bits = 140 bits, above the 128 that make guessing hopeless.
	codeSigns = codeGroups * codeGroupSize
)

// NewCode makes a join code of 140 bits, like 7K3M-…: short enough to be read out
// over a telephone.
func NewCode() (string, error) {
	raw := make([]byte, codeSigns)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("making a join code: %w", err)
	}
	var b strings.Builder
	for i, r := range raw {
		if i > 0 && i%codeGroupSize == 0 {
			b.WriteByte('-')
		}
		// 256 is a multiple of 32: no sign is likelier than another.
		b.WriteByte(alphabet[r%32])
	}
	return b.String(), nil
}

// HashCode is what is stored of a code. Case, spaces and dashes do not count, and
// the signs that people mistake are read as what was meant.
func HashCode(code string) string {
	return hashSecret(normalizeCode(code))
}

var confusables = strings.NewReplacer("-", "", " ", "", "\t", "", "I", "1", "L", "1", "O", "0")

func normalizeCode(code string) string {
	return confusables.Replace(strings.ToUpper(strings.TrimSpace(code)))
}

// codeLabel is the value of LabelCode: 64 bits, which tell codes apart and are no
// help in guessing the 140 of one.
func codeLabel(hash string) string { return hash[:16] }

func hashSecret(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// sameHash compares in constant time.
func sameHash(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
