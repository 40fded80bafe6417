// Package config fills a settings struct from a YAML file, the environment and
// command-line flags, in this order, later ones winning. It knows nothing of
// the settings themselves: keys are the dotted paths of the struct's yaml
// tags, as in "http.listen".
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Errors that Load and Set report, wrapped with the key or the place.
var (
	ErrUnknownKey = errors.New("unknown key")
	ErrBadValue   = errors.New("bad value")
)

// Override is one setting given by name: a flag or an environment variable.
// List values are separated by commas.
type Override struct {
	// Key is the dotted path, and Name what the user typed.
	Key, Name, Value string
}

// File reads a YAML file into dst, a pointer to a settings struct. Unknown
// keys and values of the wrong type are refused with file, line and reason.
func File(dst any, path string) error {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("config file: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(data, dst, yaml.Strict()); err != nil {
		place := describe(err)
		if bad, found := badDuration(dst, data); found && strings.HasPrefix(place, ": ") {
			place = bad
		}
		return fmt.Errorf("%s%s", path, place)
	}
	return nil
}

// describe puts a YAML error on one line that starts with its position.
func describe(err error) string {
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) && unknown.Token != nil {
		return fmt.Sprintf(":%d: %s %q", unknown.Token.Position.Line, ErrUnknownKey, unknown.Token.Value)
	}
	var yamlErr yaml.Error
	if errors.As(err, &yamlErr) && yamlErr.GetToken() != nil {
		return fmt.Sprintf(":%d: %s", yamlErr.GetToken().Position.Line, oneLine(yamlErr.GetMessage()))
	}
	return ": " + oneLine(err.Error())
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Environ returns the Overrides that environment variables give: with prefix
// "FRESHET", FRESHET_HTTP_LISTEN sets "http.listen". A variable with the
// prefix that names no key is refused.
func Environ(dst any, prefix string, environ []string) ([]Override, error) {
	keys := map[string]string{}
	for _, key := range Keys(dst) {
		name := prefix + "_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(key))
		keys[name] = key
	}
	var out []Override
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, prefix+"_") {
			continue
		}
		key, ok := keys[name]
		if !ok && injected(strings.TrimPrefix(name, prefix+"_")) {
			continue
		}
		if !ok {
			return nil, fmt.Errorf("environment variable %s: %w", name, ErrUnknownKey)
		}
		out = append(out, Override{Key: key, Name: name, Value: value})
	}
	return out, nil
}

// injected tells the variables that Kubernetes adds for a Service which happens
// to be called like our prefix: FRESHET_SERVICE_HOST, FRESHET_PORT_80_TCP.
func injected(rest string) bool {
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_")
}

// Set applies Overrides to dst, a pointer to a settings struct.
func Set(dst any, overrides []Override) error {
	for _, o := range overrides {
		field := lookup(reflect.ValueOf(dst).Elem(), strings.Split(o.Key, "."))
		if !field.IsValid() {
			return fmt.Errorf("%s: %w", o.Name, ErrUnknownKey)
		}
		if err := assign(field, o.Value); err != nil {
			return fmt.Errorf("%s: %w %q: %w", o.Name, ErrBadValue, o.Value, err)
		}
	}
	return nil
}

// Keys returns the dotted path of every scalar and list setting in dst.
func Keys(dst any) []string { return keys(reflect.TypeOf(dst).Elem(), "") }

func keys(t reflect.Type, prefix string) []string {
	var out []string
	for i := range t.NumField() {
		name := prefix + tagName(t.Field(i))
		if ft := t.Field(i).Type; ft.Kind() == reflect.Struct {
			out = append(out, keys(ft, name+".")...)
			continue
		}
		out = append(out, name)
	}
	return out
}

func tagName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func lookup(v reflect.Value, path []string) reflect.Value {
	for i := range v.NumField() {
		if tagName(v.Type().Field(i)) != path[0] {
			continue
		}
		if len(path) == 1 {
			return v.Field(i)
		}
		if v.Field(i).Kind() != reflect.Struct {
			return reflect.Value{}
		}
		return lookup(v.Field(i), path[1:])
	}
	return reflect.Value{}
}

func assign(field reflect.Value, value string) error {
	if field.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(value)
		if err != nil {
			return errors.New("want a duration such as 30s")
		}
		field.SetInt(int64(d))
		return nil
	}
	switch field.Kind() {
	case reflect.String:
		field.SetString(value)
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("want true or false")
		}
		field.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(value)
		if err != nil {
			return errors.New("want a whole number")
		}
		field.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return errors.New("want a number")
		}
		field.SetFloat(f)
	case reflect.Slice:
		return assignList(field, value)
	default:
		return errors.New("can only be set in the config file")
	}
	return nil
}

func assignList(field reflect.Value, value string) error {
	if field.Type().Elem().Kind() != reflect.String {
		return errors.New("can only be set in the config file")
	}
	list := []string{}
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	field.Set(reflect.ValueOf(list))
	return nil
}
