package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/edgeway-io/edgeway/internal/enroll/bundle"
)

// passphraseEnv carries the passphrase of an offline bundle.
const passphraseEnv = "EDGEWAY_PASSPHRASE"

// passphrase reads the passphrase of a sealed bundle: from a file, - for standard input,
// from the environment, or from the terminal. There is no flag for it: arguments show up
// in every user's process list.
func passphrase(file string, stdin io.Reader, stderr io.Writer) (string, error) {
	switch {
	case file == "-":
		line, err := bufio.NewReader(io.LimitReader(stdin, bundle.MaxPassphrase+2)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the passphrase: %w", err)
		}
		return trimLine(line)
	case file != "":
		raw, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading the passphrase: %w", err)
		}
		return trimLine(string(raw))
	case os.Getenv(passphraseEnv) != "":
		return os.Getenv(passphraseEnv), nil
	}
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(stderr, "Passphrase of the bundle: ")
		raw, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(stderr)
		if err != nil {
			return "", fmt.Errorf("reading the passphrase: %w", err)
		}
		return trimLine(string(raw))
	}
	return "", noPassphrase()
}

// trimLine takes the line's end away and nothing else: a passphrase may begin with a space.
func trimLine(text string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", noPassphrase()
	}
	return text, nil
}

func noPassphrase() error {
	return fmt.Errorf("%w: set %s, give --passphrase-file, or run this on a terminal", bundle.ErrPassphraseMissing, passphraseEnv)
}
