package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// description is what openapi.yaml says, as far as the tests need it.
type document struct {
	Paths      map[string]map[string]operation
	Components struct {
		Schemas    map[string]*schema
		Parameters map[string]parameter
		Responses  map[string]response
	}
}

type operation struct {
	OperationID string `yaml:"operationId"`
	Parameters  []ref
	RequestBody *struct {
		Required bool
		Content  map[string]struct{ Schema *schema }
	} `yaml:"requestBody"`
	Responses map[string]response
	Security  []any
}

type ref struct {
	Ref string `yaml:"$ref"`
}

type parameter struct {
	Name, In string
	Required bool
}

type response struct {
	Ref     string `yaml:"$ref"`
	Content map[string]struct{ Schema *schema }
}

// schema is the part of JSON Schema that the description uses.
type schema struct {
	Ref        string `yaml:"$ref"`
	Type       any
	Enum       []any
	Properties map[string]*schema
	Required   []string
	Items      *schema
	OneOf      []*schema `yaml:"oneOf"`
	AllOf      []*schema `yaml:"allOf"`
}

func loadDocument(t testing.TB) *document {
	t.Helper()
	var doc document
	require.NoError(t, yaml.Unmarshal(description, &doc))
	return &doc
}

// resolve follows references and puts the parts of allOf together.
func (d *document) resolve(s *schema) *schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if d.Components.Schemas[name] == nil {
			panic("no schema " + name)
		}
		return d.resolve(d.Components.Schemas[name])
	}
	if len(s.AllOf) == 0 {
		return s
	}
	whole := &schema{Type: "object", Properties: map[string]*schema{}}
	for _, part := range s.AllOf {
		part = d.resolve(part)
		for name, p := range part.Properties {
			whole.Properties[name] = p
		}
		whole.Required = append(whole.Required, part.Required...)
	}
	return whole
}

// check says what is wrong with a value. A property that the schema does not
// have is wrong too.
func (d *document) check(s *schema, v any, at string) error {
	s = d.resolve(s)
	if len(s.OneOf) > 0 {
		var errs []string
		for _, one := range s.OneOf {
			err := d.check(one, v, at)
			if err == nil {
				return nil
			}
			errs = append(errs, err.Error())
		}
		return fmt.Errorf("%s is none of these: %s", at, strings.Join(errs, "; "))
	}
	if !ofType(s.Type, v) {
		return fmt.Errorf("%s is %T, not %v", at, v, s.Type)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s is %v, which is none of %v", at, v, s.Enum)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			if err := d.check(s.Items, item, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, item := range v {
			if s.Properties[name] == nil {
				return fmt.Errorf("%s.%s is not described", at, name)
			}
			if err := d.check(s.Properties[name], item, at+"."+name); err != nil {
				return err
			}
		}
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				return fmt.Errorf("%s.%s is missing", at, name)
			}
		}
	}
	return nil
}

func ofType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return ofType(w, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == math.Trunc(v)
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	default:
		return false
	}
}

// find returns the path of the description that a request's path is one of.
func (d *document) find(path string) (string, map[string]operation) {
	parts := strings.Split(path, "/")
	best := ""
	for template := range d.Paths {
		want := strings.Split(template, "/")
		if len(want) != len(parts) {
			continue
		}
		fits := true
		for i := range want {
			fits = fits && (want[i] == parts[i] || strings.HasPrefix(want[i], "{"))
		}
		if fits && (best == "" || strings.Count(template, "{") < strings.Count(best, "{")) {
			best = template
		}
	}
	return best, d.Paths[best]
}

// requireDescribed fails the test unless the description has this answer: its
// status, its media type and each field in it.
func (d *document) requireDescribed(t testing.TB, method, path string, status int, contentType string, body []byte) {
	t.Helper()
	template, ops := d.find(path)
	op, known := ops[strings.ToLower(method)]
	if !known {
		require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, status, "%s %s is not described", method, path)
		return
	}
	what := fmt.Sprintf("%s %s: %d", method, template, status)
	r, known := op.Responses[fmt.Sprint(status)]
	if !known {
		require.GreaterOrEqual(t, status, 400, "%s is not described", what)
		require.Contains(t, []int{404, 405, 408, 413, 429, 500, 503}, status, "%s: what can go wrong here only is to be described", what)
		r = op.Responses["default"]
	}
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		r = d.Components.Responses[name]
	}
	if len(r.Content) == 0 {
		require.Empty(t, body, what)
		return
	}
	media, _, _ := strings.Cut(contentType, ";")
	content, known := r.Content[media]
	require.True(t, known, "%s: %s is not described", what, media)
	if !strings.HasSuffix(media, "json") {
		return
	}
	var v any
	require.NoError(t, json.Unmarshal(body, &v), what)
	require.NoError(t, d.check(content.Schema, v, "body"), "%s: %s", what, body)
}
