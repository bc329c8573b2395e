package bearer

import (
	"strings"
	"testing"
)

const token = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl-_"

func TestClean(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"as it is":             {token, token},
		"line break at end":    {token + "\n", token},
		"Windows line break":   {token + "\r\n", token},
		"line break inside":    {token[:20] + "\n" + token[20:], token},
		"terminal wrap":        {token[:20] + "\r\n    " + token[20:40] + "\n" + token[40:], token},
		"blanks":               {"  \t" + token + " ", token},
		"no-break space":       {"\u00a0" + token + "\u00a0", token},
		"zero-width space":     {token[:9] + "\u200b" + token[9:], token},
		"byte-order mark":      {"\ufeff" + token, token},
		"Bearer":               {"Bearer " + token, token},
		"bearer, tab":          {"bearer\t" + token, token},
		"Bearer, line break":   {"Bearer\n" + token, token},
		"Bearer twice":         {"Bearer Bearer " + token, token},
		"broken label":         {"tok\u200ben: " + token, token},
		"header":               {"Authorization: Bearer " + token, token},
		"header in quotes":     {`"authorization: bearer ` + token + `"`, token},
		"kubectl describe":     {"token:      " + token + "\n", token},
		"JSON string":          {`"` + token + `"`, token},
		"typographic quotes":   {"“" + token + "”", token},
		"nothing":              {"", ""},
		"blanks alone":         {" \n\t", ""},
		"Bearer alone":         {"Bearer ", ""},
		"begins as the word":   {"bearerXYZ", "bearerXYZ"},
		"contains the word":    {"xBearer", "xBearer"},
		"a token of two parts": {"abcdef.0123456789abcdef", "abcdef.0123456789abcdef"},
	} {
		if got := Clean(tc.in); got != tc.want {
			t.Errorf("%s: %q became %q, want %q", name, tc.in, got, tc.want)
		}
	}
}

// FuzzClean: what comes out goes into an HTTP header, and cleaning it again changes
// nothing.
func FuzzClean(f *testing.F) {
	for _, text := range []string{"", token, "Bearer " + token, "\"Bearer\n" + token + "\"", "token: x", "Authorization: bearer: '"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if strings.ContainsFunc(got, invisible) {
			t.Errorf("%q became %q", text, got)
		}
		if again := Clean(got); again != got {
			t.Errorf("%q became %q and then %q", text, got, again)
		}
	})
}
