package usertext

import (
	"errors"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	const want = "a: é\nb: 1\n"
	for name, in := range map[string]string{
		"UTF-8":                   want,
		"UTF-8 with mark":         "\xef\xbb\xbf" + want,
		"UTF-16 little":           "\xff\xfea\x00:\x00 \x00\xe9\x00\n\x00b\x00:\x00 \x001\x00\n\x00",
		"UTF-16 big":              "\xfe\xff\x00a\x00:\x00 \x00\xe9\x00\n\x00b\x00:\x00 \x001\x00\n",
		"UTF-16 little, unmarked": "a\x00:\x00 \x00\xe9\x00\n\x00b\x00:\x00 \x001\x00\n\x00",
		"UTF-16 big, unmarked":    "\x00a\x00:\x00 \x00\xe9\x00\n\x00b\x00:\x00 \x001\x00\n",
	} {
		if got, err := Decode([]byte(in)); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := Decode(nil); err != nil || got != "" {
		t.Errorf("nothing: %q, %v", got, err)
	}
}

func TestWhatIsNoTextIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ in, says string }{
		"Latin-1":               {"a: 1\nb: \xe9\n", "line 2"},
		"GBK":                   {"\xb1\xb1\xbe\xa9\n", "line 1"},
		"zero byte":             {"a: 1\nb: \x00\n", "line 2"},
		"damaged on the way":    {"\ufffd\ufffdn\x00o\x00", "line 1"},
		"UTF-16 with half pair": {"\xff\xfea\x00\n\x00\x00\xd8", "line 2"},
		"a ZIP archive":         {"PK\x03\x04\x14\x00\x06\x00", "line 1"},
	} {
		if _, err := Decode([]byte(tc.in)); !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", name, err, tc.says)
		}
	}
}
