package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// MinPassphrase is the least number of bytes of a passphrase: who has the bundle may
	// try passphrases as long as they like, though only until it expires.
	MinPassphrase = 12
	// MaxPassphrase bounds the console's work.
	MaxPassphrase = 1024
	// workFactor of scrypt: 32 MiB of memory for each try, which a device has.
	workFactor = 15
)

// Errors about the passphrase of a bundle.
var (
	ErrPassphraseMissing = errcat.New("PassphraseMissing", "the bundle is sealed with a passphrase")
	ErrPassphraseWrong   = errcat.New("PassphraseWrong", "the passphrase does not open the bundle")
)

// seal encrypts join.json with a passphrase, as `age --passphrase` does.
func seal(data []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("sealing the bundle: %w", err)
	}
	recipient.SetWorkFactor(workFactor)
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		return nil, fmt.Errorf("sealing the bundle: %w", err)
	}
	if _, err = w.Write(data); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("sealing the bundle: %w", err)
	}
	return out.Bytes(), nil
}

// unseal is seal's other half.
func unseal(data []byte, passphrase string) ([]byte, error) {
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphraseMissing
	}
	identity.SetMaxWorkFactor(workFactor) // a forged bundle does not exhaust the device
	r, err := age.Decrypt(bytes.NewReader(data), identity)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrPassphraseWrong
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, FileSealed, err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, FileSealed, err)
	}
	return out, nil
}
