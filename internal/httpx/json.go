package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// Codes of the problems that ReadExactJSON finds.
const (
	CodeUnknownField = "unknown-field"
	CodeWrongType    = "wrong-type"
	CodeMalformed    = "malformed"
)

// ReadExactJSON reads a body of type application/json into v, a pointer to a
// struct, and refuses fields that v does not have, so that a misspelt one is
// noticed. The errors are those of ReadJSON.
func ReadExactJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := RequireType(r, "application/json"); err != nil {
		return err
	}
	body, err := ReadBody(w, r, MaxBody)
	if err != nil {
		return err
	}
	return DecodeExact(body, v)
}

// DecodeExact is ReadExactJSON for a body that has been read. The error is a
// 400 that names the field at fault.
func DecodeExact(body []byte, v any) error {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return malformed(CodeMalformed, "the body must be a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return malformed(CodeMalformed, "there is something after the JSON object")
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && wrong.Field != "" {
		return malformed(CodeWrongType, "the field "+printable(wrong.Field)+" must be "+kindName(wrong.Type)+", not "+printable(wrong.Value))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok { // the package has no type for it
		return malformed(CodeUnknownField, "there is no field "+printable(name))
	}
	return malformed(CodeMalformed, "the body is not the JSON that belongs here: "+printable(err.Error()))
}

func malformed(code, detail string) *Problem {
	return &Problem{Status: http.StatusBadRequest, Code: code, Detail: detail}
}

// kindName says in JSON's words what a Go type takes.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
