// Package usertext turns the bytes of a file that a person made into text: editors
// and spreadsheets write UTF-8 or UTF-16, with or without a byte-order mark.
// It does not guess older encodings: a wrong guess changes the text silently.
package usertext

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

// ErrEncoding is wrapped when the bytes are no text.
var ErrEncoding = errors.New("not a text file in UTF-8 or UTF-16")

const utf8Mark = "\ufeff"

// Decode returns the text without its byte-order mark. Errors wrap ErrEncoding and
// name the first line that cannot be read.
func Decode(data []byte) (string, error) {
	text := string(data)
	if order, ok := utf16Order(data); ok {
		decoded, err := unicode.UTF16(order, unicode.UseBOM).NewDecoder().Bytes(data)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrEncoding, err)
		}
		text = string(decoded)
	}
	text = strings.TrimPrefix(text, utf8Mark)
	return text, check(text)
}

// utf16Order recognizes UTF-16 by its mark or, since the files hold mostly ASCII, by
// the zero byte that comes with the first character.
func utf16Order(data []byte) (unicode.Endianness, bool) {
	switch {
	case len(data) < 2:
		return unicode.LittleEndian, false
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), data[0] != 0 && data[1] == 0:
		return unicode.LittleEndian, true
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}), data[0] == 0 && data[1] != 0:
		return unicode.BigEndian, true
	}
	return unicode.LittleEndian, false
}

// check refuses what no editor writes. A replacement character stands for one that an
// earlier program could not read.
func check(text string) error {
	for i, r := range text {
		if r == 0 || r == utf8.RuneError {
			return fmt.Errorf("%w: line %d holds a character that cannot be read: save the file as UTF-8", ErrEncoding, 1+strings.Count(text[:i], "\n"))
		}
	}
	return nil
}
