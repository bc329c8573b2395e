package server

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// statuses by the name of their constant.
var statuses = func() map[string]int {
	out := map[string]int{}
	for code := 400; code < 600; code++ {
		if text := http.StatusText(code); text != "" {
			out["Status"+strings.NewReplacer(" ", "", "-", "", "'", "").Replace(text)] = code
		}
	}
	return out
}()

// TestEveryCodeIsInTheCatalog reads the source: each call of fail names a code that has an
// entry, with the status of the entry.
func TestEveryCodeIsInTheCatalog(t *testing.T) {
	used := map[string]bool{}
	files := token.NewFileSet()
	packages, err := parser.ParseDir(files, ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(packages["server"], func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isFail(call.Fun) || len(call.Args) != 4 {
			return true
		}
		code, ok := call.Args[1].(*ast.BasicLit)
		if !ok {
			return true // a cause of package observe, see below
		}
		word, err := strconv.Unquote(code.Value)
		if err != nil {
			t.Fatal(err)
		}
		used[word] = true
		entry, ok := errcat.Find(word)
		if !ok {
			t.Errorf("%s: code %s has no entry in internal/errcat", files.Position(call.Pos()), word)
			return true
		}
		if got := statusIn(call.Args[0]); got != entry.Status {
			t.Errorf("%s: %s is answered with %d, its entry says %d", files.Position(call.Pos()), word, got, entry.Status)
		}
		return true
	})
	if len(used) < 25 { // most come with the errors of other packages
		t.Errorf("only %d codes were found", len(used))
	}
	for status := range map[int]bool{http.StatusBadRequest: true, http.StatusUnprocessableEntity: true, http.StatusInternalServerError: true} {
		if entry, ok := errcat.Find(codeOf(status)); !ok || entry.Status != status {
			t.Errorf("the HTTP library's %d has no entry", status)
		}
	}
}

func isFail(f ast.Expr) bool {
	name, ok := f.(*ast.Ident)
	return ok && name.Name == "fail"
}

func statusIn(e ast.Expr) int {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		return statuses[sel.Sel.Name]
	}
	return 0
}
