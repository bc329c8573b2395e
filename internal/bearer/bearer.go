// Package bearer reads bearer tokens as people paste them: with blanks and line
// breaks of a terminal, quotes, or the words of an HTTP header in front.
// It does not judge tokens: that is the API server's to do.
package bearer

import (
	"strings"
	"unicode"
)

// quotes that shells, JSON and chat programs put around a token.
const quotes = "\"'`“”‘’«»"

// labels that are copied together with a token. The longer ones come first.
var labels = []string{"authorization:", "bearer:", "token:"}

// Clean returns the token in text, which is empty when text holds none. A token is
// one word without blanks (RFC 6750), so what breaks the word is dropped wherever
// it is.
func Clean(text string) string {
	for {
		word := visible(withoutLabels(text))
		if word == text {
			return word
		}
		// A label may have been broken, too.
		text = word
	}
}

func withoutLabels(text string) string {
	text = trim(text)
	for {
		rest := trim(withoutLabel(text))
		if rest == text {
			return text
		}
		text = rest
	}
}

// trim takes quotes and everything invisible off both ends.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool { return invisible(r) || strings.ContainsRune(quotes, r) })
}

// withoutLabel cuts one leading label. "Bearer" is one where a blank or nothing
// follows: a token may begin with these letters.
func withoutLabel(text string) string {
	for _, label := range labels {
		if len(text) >= len(label) && strings.EqualFold(text[:len(label)], label) {
			return text[len(label):]
		}
	}
	end := strings.IndexFunc(text, invisible)
	if end < 0 {
		end = len(text)
	}
	if strings.EqualFold(text[:end], "bearer") {
		return text[end:]
	}
	return text
}

func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, text)
}

// invisible runes are blanks, line breaks, control characters, zero-width characters
// and the byte-order mark.
func invisible(r rune) bool {
	return unicode.IsSpace(r) || !unicode.IsGraphic(r)
}
