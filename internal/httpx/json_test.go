package httpx_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/freshet-live/freshet/internal/httpx"
)

type form struct {
	Name *string  `json:"name"`
	TTL  int      `json:"ttl"`
	Tags []string `json:"tags"`
	Deep struct {
		On bool `json:"on"`
	} `json:"deep"`
}

func TestDecodeExact(t *testing.T) {
	var f form
	require.NoError(t, httpx.DecodeExact([]byte(" {\"name\":\"a\",\"ttl\":3,\"tags\":[],\"deep\":{\"on\":true}}\n"), &f))
	require.Equal(t, 3, f.TTL)
	for body, want := range map[string][2]string{
		`{"nick":"a"}`:          {httpx.CodeUnknownField, `there is no field "nick"`},
		`{"deep":{"off":true}}`: {httpx.CodeUnknownField, `there is no field "off"`},
		`{"ttl":"3"}`:           {httpx.CodeWrongType, "the field ttl must be a whole number, not string"},
		`{"ttl":1.5}`:           {httpx.CodeWrongType, "the field ttl must be a whole number, not number 1.5"},
		`{"ttl":1e99}`:          {httpx.CodeWrongType, "the field ttl must be a whole number, not number 1e99"},
		`{"name":{}}`:           {httpx.CodeWrongType, "the field name must be a string, not object"},
		`{"tags":"a"}`:          {httpx.CodeWrongType, "the field tags must be an array, not string"},
		`{"deep":{"on":1}}`:     {httpx.CodeWrongType, "the field deep.on must be true or false, not number"},
		`{"deep":[]}`:           {httpx.CodeWrongType, "the field deep must be an object, not array"},
		``:                      {httpx.CodeMalformed, "the body must be a JSON object"},
		`null`:                  {httpx.CodeMalformed, "the body must be a JSON object"},
		`[]`:                    {httpx.CodeMalformed, "the body must be a JSON object"},
		`{"ttl":3}{}`:           {httpx.CodeMalformed, "there is something after the JSON object"},
		`{"ttl":3} x`:           {httpx.CodeMalformed, "there is something after the JSON object"},
		`{"ttl":3`:              {httpx.CodeMalformed, ""},
		`{'ttl':3}`:             {httpx.CodeMalformed, ""},
	} {
		var p *httpx.Problem
		require.True(t, errors.As(httpx.DecodeExact([]byte(body), &form{}), &p), body)
		require.Equal(t, http.StatusBadRequest, p.Status)
		require.Equal(t, want[0], p.Code, body)
		require.Contains(t, p.Detail, want[1])
	}
	var p *httpx.Problem
	require.True(t, errors.As(httpx.DecodeExact([]byte(`{"`+strings.Repeat("x", 5000)+`":1}`), &form{}), &p))
	require.Less(t, len(p.Detail), 200, "nobody fills our logs")
}

// A problem has a code by which programs tell it from others.
func TestProblemCodes(t *testing.T) {
	site := newSite()
	site.Errors[0].Code = "seat-taken"
	get := func(method, path string) (doc struct{ Type, Title, Code string }) {
		require.NoError(t, json.NewDecoder(do(newHandler(site), method, path, "").Body).Decode(&doc))
		return doc
	}
	doc := get(http.MethodDelete, "/things/a")
	require.Equal(t, "seat-taken", doc.Code)
	require.Equal(t, "https://github.com/freshet-live/freshet#problem-seat-taken", doc.Type)
	doc = get(http.MethodPost, "/things/a")
	require.Equal(t, "unsupported-media-type", doc.Code)
	require.Equal(t, "about:blank", doc.Type)
}

func FuzzDecodeExact(f *testing.F) {
	f.Add([]byte(`{"name":"a","ttl":3,"tags":["x"],"deep":{"on":true}}`))
	f.Add([]byte(`{"ttl":1e999,"x":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var x form
		err := httpx.DecodeExact(body, &x)
		var p *httpx.Problem
		if err != nil {
			require.True(t, errors.As(err, &p))
			require.NotEmpty(t, p.Code)
			return
		}
		require.NoError(t, json.Unmarshal(body, &form{}))
	})
}
