//go:build e2e

package e2e

import (
	"testing"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// console is a client of the console's REST API.
type console = onsite.Console

// signIn opens a session with a token.
func signIn(t *testing.T, token string) console {
	t.Helper()
	return site.SignIn(t, token)
}
