package errcat_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// shown are the packages whose errors people see: on the command lines, on a device, and
// through the REST API.
var shown = []string{
	"bearer", "cli", "clusters", "drain", "edge", "enroll", "kubeconfig", "nodework", "observe", "oidc", "portcheck", "runtime", "server", "settings", "strictyaml", "usertext",
}

// coding are functions that give the errors in their arguments a code.
var coding = map[string]bool{
	"errcat.New": true, "errcat.Errorf": true, "errcat.Wrap": true, "usage": true, "fail": true, "invalid": true,
}

// inner are texts of errors that never come out as they are, with the place that turns
// them into something that does.
var inner = map[string]string{
	"it has no kind of KubeEdge":         "leftovers.go passes the file over",
	"is not an IP address":               "validate.go makes a Problem of it",
	"is in a network that no host":       "validate.go makes a Problem of it",
	"is an unspecified, loopback":        "validate.go makes a Problem of it",
	"line %d: %s":                        "batch.go wraps it in ErrList",
	"label %q":                           "callers wrap it in usage or a Problem",
	"taint %q":                           "callers wrap it in usage or a Problem",
	"write KEY[=VALUE]:EFFECT to set":    "ParseTaints names the taint",
	"%q is not a taint value":            "ParseTaints names the taint",
	"%q is not an effect":                "ParseTaints names the taint",
	"the issuer no longer vouches":       "kubeError answers IssuerEnded",
	"no such sign-in is under way":       "problemWord",
	"too many tries to sign in":          "problemWord",
	"no such operation":                  "routes_operations.go answers NoSuchOperation",
	"another operation is running":       "routes_operations.go answers Busy",
	"not a text file in UTF-8 or UTF-16": "batch.go and strictyaml make a fault of it",
	"index.html is missing":              "ui.go says so on the page",
	"usage: gen FILE":                    "a generator",
}

// TestEveryErrorHasACode reads the source: an error that a package makes is made with a
// code of the catalog, or wraps one that has its own.
func TestEveryErrorHasACode(t *testing.T) {
	used, made := map[string]bool{}, 0
	for _, name := range shown {
		for path, file := range parse(t, filepath.Join("..", name)) {
			made += check(t, path, file, used)
		}
	}
	if made < 300 {
		t.Errorf("only %d errors were found", made)
	}
	for text := range inner {
		if !used[text] {
			t.Errorf("no error begins with %q any more: take it off the list", text)
		}
	}
}

var files = token.NewFileSet()

func parse(t *testing.T, dir string) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		out[path], err = parser.ParseFile(files, path, nil, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// check counts the errors that a file makes.
func check(t *testing.T, path string, file *ast.File, used map[string]bool) (made int) {
	var inside []bool // whether the nodes on the way here give a code
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			inside = inside[:len(inside)-1]
			return true
		}
		coded := len(inside) > 0 && inside[len(inside)-1]
		call, ok := n.(*ast.CallExpr)
		if !ok {
			inside = append(inside, coded)
			return true
		}
		name := nameOf(call.Fun)
		inside = append(inside, coded || coding[name])
		switch name {
		case "errcat.New", "errcat.Errorf", "errcat.Wrap":
			made++
			code, ok := literal(call.Args[0])
			if _, known := errcat.Find(code); ok && !known {
				t.Errorf("%s: code %q has no entry in the catalog", files.Position(call.Pos()), code)
			}
		case "errors.New", "fmt.Errorf":
			made++
			text, ok := literal(call.Args[0])
			if !ok || coded || strings.Contains(text, "%w") || listed(text, used) {
				return true
			}
			t.Errorf("%s: nothing gives the error %q a code: make it with package errcat", files.Position(call.Pos()), text)
		}
		return true
	})
	return made
}

func nameOf(f ast.Expr) string {
	switch f := f.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if x, ok := f.X.(*ast.Ident); ok {
			return x.Name + "." + f.Sel.Name
		}
	}
	return ""
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func listed(text string, used map[string]bool) bool {
	for begin := range inner {
		if strings.HasPrefix(text, begin) {
			used[begin] = true
			return true
		}
	}
	return false
}

// TestEveryCodeIsUsed: what nothing answers with any more is no help in the documents.
func TestEveryCodeIsUsed(t *testing.T) {
	var all strings.Builder
	for _, dir := range []string{"..", "../../api"} {
		for path := range parse(t, dir) {
			if strings.HasSuffix(path, "errcat/catalog.go") {
				continue
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(raw)
		}
	}
	for _, e := range errcat.Catalog {
		if !strings.Contains(all.String(), `"`+e.Code+`"`) {
			t.Errorf("nothing uses code %s", e.Code)
		}
	}
}

// TestConsoleCodesAreTranslated: what the REST API answers with, the console shows in the
// user's language, for which the catalog must know it as an answer.
func TestConsoleCodesAreTranslated(t *testing.T) {
	found := 0
	for _, file := range parse(t, "../server") {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || nameOf(call.Fun) != "fail" || len(call.Args) < 2 {
				return true
			}
			if code, ok := literal(call.Args[1]); ok {
				found++
				if e, known := errcat.Find(code); !known || e.Status == 0 {
					t.Errorf("%s: the catalog has no status for %s, so the console has no translation of it", files.Position(call.Pos()), code)
				}
			}
			return true
		})
	}
	if found < 30 {
		t.Errorf("only %d answers were found", found)
	}
}
