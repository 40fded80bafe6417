package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Place puts the file and the line before an error that begins with a key and
// a colon, as those of a check after loading do. An error about a key that the
// file does not set stays as it is.
func Place(path string, err error) error {
	key, _, ok := strings.Cut(err.Error(), ":")
	data, readErr := os.ReadFile(path) //nolint:gosec // the operator names the file
	if !ok || readErr != nil {
		return err
	}
	node := find(data, key)
	if node == nil {
		return err
	}
	return fmt.Errorf("%s:%d: %w", path, line(node), err)
}

// badDuration looks for a duration that cannot be read: the YAML decoder does
// not tell where it met it.
func badDuration(dst any, data []byte) (text string, found bool) {
	for _, key := range Keys(dst) {
		if lookup(reflect.ValueOf(dst).Elem(), strings.Split(key, ".")).Type() != reflect.TypeFor[time.Duration]() {
			continue
		}
		node := find(data, key)
		if node == nil {
			continue
		}
		value := node.GetToken().Value
		if _, err := time.ParseDuration(value); err != nil {
			return fmt.Sprintf(":%d: %s: %s %q: want a duration such as 30s", line(node), key, ErrBadValue, value), true
		}
	}
	return "", false
}

// find returns what a file sets a key to, nil when it does not.
func find(data []byte, key string) ast.Node {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil
	}
	path := (&yaml.PathBuilder{}).Root()
	for name := range strings.SplitSeq(key, ".") {
		path = path.Child(name)
	}
	node, err := path.Build().FilterFile(file)
	if err != nil || node == nil || node.GetToken() == nil {
		return nil
	}
	return node
}

// line is where a value begins, or its key where that is on the line before.
func line(node ast.Node) int { return node.GetToken().Position.Line }
