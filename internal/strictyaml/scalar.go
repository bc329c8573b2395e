package strictyaml

import (
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// words that YAML 1.1 reads as booleans, beside true and false.
var words = map[string]bool{"y": true, "yes": true, "on": true, "n": false, "no": false, "off": false}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// resolve follows an alias to its anchor.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// plain says that the scalar is written without quotes and without a tag, so that its
// characters decide what it is.
func plain(n *yaml.Node) bool {
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle | yaml.TaggedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quoted == 0
}

// textOf is the scalar as it is written. ok is false when a reader could take it for
// anything but text.
func textOf(n *yaml.Node) (text string, ok bool) {
	if n.Kind != yaml.ScalarNode {
		return "", false
	}
	if _, word := words[strings.ToLower(n.Value)]; word && plain(n) {
		return "", false
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return n.Value, true
	}
	return "", false
}

func boolOf(n *yaml.Node) (value, ok bool) {
	if !plain(n) {
		return false, false
	}
	if value, ok = words[strings.ToLower(n.Value)]; ok {
		return value, true
	}
	return strings.EqualFold(n.Value, "true"), n.ShortTag() == "!!bool"
}

// kindOf names what the node is, with an article.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "an object"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	}
	if _, ok := boolOf(n); ok {
		return "a boolean"
	}
	switch n.ShortTag() {
	case "!!int", "!!float":
		return "a number"
	case "!!null":
		return "null"
	case "!!str", "!!timestamp":
		return "text"
	}
	return "a value of type " + n.ShortTag()
}
