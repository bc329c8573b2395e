package strictyaml

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/edgeway-io/edgeway/internal/usertext"
)

// Document is one YAML document that is read as far as its syntax goes.
type Document struct {
	// root is nil when the document is empty.
	root *yaml.Node
}

// Parse reads the one document in data. What follows it is an error, unless it holds
// nothing. Errors are Faults.
func Parse(data []byte) (*Document, error) {
	text, err := usertext.Decode(data)
	if err != nil {
		return nil, Faults{{Code: CodeEncoding, Message: err.Error(), Remedy: "save the file as UTF-8"}}
	}
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var roots []*yaml.Node
	for {
		root, err := next(decoder)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, syntaxFault(err)
		}
		if root != nil {
			roots = append(roots, root)
		}
	}
	switch len(roots) {
	case 0:
		return &Document{}, nil
	case 1:
		return &Document{roots[0]}, nil
	}
	return nil, Faults{{Line: roots[1].Line, Code: CodeDocuments,
		Message: "a second document begins here", Remedy: "keep one document and give the others one by one"}}
}

// next gives the content of the next document, nil for an empty one.
func next(decoder *yaml.Decoder) (*yaml.Node, error) {
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if len(document.Content) == 0 || isNull(document.Content[0]) {
		return nil, nil
	}
	return document.Content[0], nil
}

// lineOf is how the library says where a syntax error is.
var lineOf = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

func syntaxFault(err error) Faults {
	message := err.Error()
	found := lineOf.FindStringSubmatch(message)
	f := Fault{Code: CodeSyntax, Message: message, Remedy: "correct the YAML or JSON"}
	if found != nil {
		f.Message = message[len(found[0]):]
		f.Line, _ = strconv.Atoi(found[1]) // no number: no line
		// The library counts the lines of its parser's errors from 0, those of its
		// scanner's from 1.
		if strings.HasPrefix(f.Message, "did not find expected") {
			f.Line++
		}
	}
	return Faults{f}
}

// Text is a document of one text, whatever is in it.
func Text(text string) *Document {
	return &Document{&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: yaml.DoubleQuotedStyle, Line: 1}}
}

// Under is the document as the value of a field, named by its path.
func (d *Document) Under(path ...string) *Document {
	root := d.root
	if root == nil {
		root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	for _, key := range slices.Backward(path) {
		root = &yaml.Node{Kind: yaml.MappingNode, Line: 1, Content: []*yaml.Node{Text(key).root, root}}
	}
	return &Document{root}
}

// Field is the text of a field of the document's object; ok is false when there is no
// such field or its value is no text.
func (d *Document) Field(name string) (text string, ok bool) {
	if d.root == nil || d.root.Kind != yaml.MappingNode {
		return "", false
	}
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		key, value := d.root.Content[i], resolve(d.root.Content[i+1])
		if key.Value == name && value.Kind == yaml.ScalarNode && !isNull(value) {
			return value.Value, true
		}
	}
	return "", false
}
